"""Networks as a trial's spec describes them, and their training."""

from collections.abc import Sequence
from pathlib import Path

from taskgroup.core.trial import TrialSpec
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.surgery import fork_trunk
from taskgroup.nn.weights import architecture_in, load_weights
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.data import Rows
from taskgroup.training.division import divided_anew
from taskgroup.training.loop import Callback, Trained, train


def make_network(spec: TrialSpec, prepared: Prepared) -> SharedNetwork:
    """The network of ``spec``, with its initial weights: fresh ones, or those that a measurement left."""
    sites = sites_of(prepared.trunk, prepared.example())
    if spec.fork is None:
        return SharedNetwork(prepared.tasks, spec.architecture, prepared.trunk, sites, spec.seed)
    path = weights_file(prepared, spec.fork)
    source = SharedNetwork(prepared.tasks, architecture_in(path), prepared.trunk, sites, spec.seed)
    return fork_trunk(load_weights(source, path), spec.architecture, seed=spec.seed)


def weights_file(prepared: Prepared, key: str) -> Path:
    """Where a trial leaves the weights of its network, if it does."""
    return prepared.folder.trials / f"{key}.safetensors"


def train_network(
    spec: TrialSpec, prepared: Prepared, network: SharedNetwork, callbacks: Sequence[Callback] = ()
) -> Trained:
    """Train ``network`` in place as ``spec`` says."""
    return train(network, prepared.tasks, *rows_of(spec, prepared), spec.train, spec.seed, callbacks)


def rows_of(spec: TrialSpec, prepared: Prepared) -> tuple[Rows, Rows]:
    """Training and validation rows of a trial."""
    rows = prepared.rows("train"), prepared.rows("val")
    return rows if spec.division is None else divided_anew(*rows, tuple(prepared.tasks), *spec.division)
