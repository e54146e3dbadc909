"""Networks as a trial's spec describes them, and their training."""

from collections.abc import Sequence

from taskgroup.core.trial import TrialSpec
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.loop import Callback, Trained, train


def make_network(spec: TrialSpec, prepared: Prepared) -> SharedNetwork:
    """The network of ``spec``, with its initial weights."""
    sites = sites_of(prepared.trunk, prepared.example())
    return SharedNetwork(prepared.tasks, spec.architecture, prepared.trunk, sites, spec.seed)


def train_network(
    spec: TrialSpec, prepared: Prepared, network: SharedNetwork, callbacks: Sequence[Callback] = ()
) -> Trained:
    """Train ``network`` in place as ``spec`` says."""
    return train(
        network, prepared.tasks, prepared.rows("train"), prepared.rows("val"), spec.train, spec.seed, callbacks
    )
