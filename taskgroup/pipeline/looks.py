"""What a measuring trial does: train what its measures want to see, and let them look."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import scipy.linalg  # noqa: F401  # brings a BLAS of its own, which can be limited only once it is there
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from taskgroup.core.trial import Check, TrialSpec
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.data_views import data_view
from taskgroup.measures.feature_views import Checkpoints, feature_view
from taskgroup.measures.shared_views import shared_view
from taskgroup.measures.training.sampling import Sampling
from taskgroup.measures.training.schedule import look_cost, looks_every, overhead_for
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.measuring import stop_rule
from taskgroup.pipeline.networks import make_network, train_network
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback, Trained

Array = NDArray[np.float64]
Looked = tuple[Trained | None, list[dict[str, Any]]]
"""The training, where there was one, and each measure's arrays: ``samples``, shape ``(n_looks, S + 1, T, T)``, …"""


class Clocked:
    """A measure that counts the seconds spent in it; all else is the measure's own."""

    def __init__(self, measure: Measure) -> None:
        self.inner = measure
        self.seconds = 0.0

    def __call__(self, view: Any) -> Array:
        """Look, and name the measure if it fails."""
        started = time.perf_counter()
        try:
            return self.inner(view)
        except Exception as error:
            error.args = (f"{self.inner.method}: {error}",)
            raise
        finally:
            self.seconds += time.perf_counter() - started

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Together(Callback):
    """Several samplings in one training, which ends when all of them have seen enough."""

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self.samplings = samplings

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        """For each."""
        for sampling in self.samplings:
            sampling.begin(optimizer)

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Each looks for itself."""
        for sampling in self.samplings:
            sampling.before_step(step, batch, lr)

    def after_check(self, check: Check) -> bool:
        """Whether none wants to go on."""
        return all(sampling.after_check(check) for sampling in self.samplings)


def look(spec: TrialSpec, prepared: Prepared) -> tuple[Trained | None, dict[str, Any]]:
    """Do what ``spec.measure`` says.

    It holds ``sees`` and either ``affinity`` (one measure, the job's own) or ``affinities`` (several of that sight, for
    a comparison); for a probe also ``every``, the steps between two looks, and the stopping rule.

    Returns:
        The training, None where there was none, and the arrays to keep: those of the one measure; or of several, their
        names ending in ``.0``, ``.1``, …, and ``seconds``, those spent in each.
    """
    options = dict(spec.measure or {})
    single = "affinity" in options
    entries = [options["affinity"]] if single else options["affinities"]
    measures = [Clocked(MEASURES.create(entry["method"], entry)) for entry in entries]
    with threadpool_limits(spec.train.threads, user_api="blas"):  # as many as torch: more fight for the cores
        trained, looks = SIGHTS[options.get("sees", "probe")](spec, prepared, measures)
    if single:
        return trained, looks[0]
    kept = {f"{name}.{k}": array for k, found in enumerate(looks) for name, array in found.items()}
    return trained, {**kept, "seconds": np.array([m.seconds for m in measures])}


def _probe(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """Looks in the course of a joint training."""
    assert spec.measure is not None
    network, stop = make_network(spec, prepared), stop_rule(spec.measure, spec.train)
    others = {"next": prepared.rows("train"), "val": prepared.rows("val")}
    samplings = [
        Sampling(network, prepared.tasks, cast("Measure", m), _every(spec, network, m), stop, others) for m in measures
    ]
    trained = train_network(spec, prepared, network, [Together(samplings)])
    return trained, [sampling.arrays() for sampling in samplings]


def _every(spec: TrialSpec, network: SharedNetwork, measure: Clocked) -> int:
    """Steps between two looks: those asked for, or what the measure's cost allows."""
    options = spec.measure or {}
    if options["every"] != "auto":
        return int(options["every"])
    n_tasks = len(network.tasks)
    overhead = options.get("overhead") or overhead_for(n_tasks)
    cost = look_cost(measure.inner, network.tower(), n_tasks)
    return looks_every(cost, spec.train.steps, overhead, options["min_looks"])


def _features(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """One look after every task was trained alone: in one network, whose parts have no parameter in common."""
    network = make_network(spec, prepared)
    checkpoints = Checkpoints(network, spec.train.steps)
    trained = train_network(spec, prepared, network, [checkpoints])
    view = feature_view(network, checkpoints, prepared.rows("train"), prepared.rows("val"), spec.seed)
    return trained, _once(measures, view)


def _shared(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """One look after a joint training."""
    network = make_network(spec, prepared)
    trained = train_network(spec, prepared, network)
    return trained, _once(measures, shared_view(network, prepared.rows("val"), spec.seed))


def _data(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """One look at the training rows."""
    view = data_view(prepared.tasks, prepared.trunk.names, prepared.rows("train"), spec.seed)
    return None, _once(measures, view)


def _runs(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """No look: the controller puts the errors of several trainings together."""
    assert not measures
    return train_network(spec, prepared, make_network(spec, prepared)), []


def _once(measures: Sequence[Clocked], view: object) -> list[dict[str, Any]]:
    return [{"samples": np.asarray(measure(view))[None]} for measure in measures]


SIGHTS: Mapping[str, Callable[[TrialSpec, Prepared, Sequence[Clocked]], Looked]] = {
    "probe": _probe,
    "features": _features,
    "shared": _shared,
    "data": _data,
    "runs": _runs,
}
