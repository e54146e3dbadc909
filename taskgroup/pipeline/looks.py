"""What a measuring trial does: train what its measures want to see, and let them look."""

import contextlib
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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
from taskgroup.nn.weights import save_weights
from taskgroup.pipeline.measuring import stop_rule
from taskgroup.pipeline.networks import make_network, train_network, weights_file
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback, Trained

Array = NDArray[np.float64]
Arrays = dict[str, Any]
"""A measure's arrays: ``samples``, shape ``(n_looks, S + 1, T, T)``, …"""
Looked = tuple[Trained | None, list[Arrays | Exception]]
"""The training, where there was one, and each measure's arrays, or why it failed."""


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


class NobodyLooksError(Exception):
    """Every measure has failed, so that there is nothing to train for."""


class Together(Callback):
    """Several samplings in one training, which ends when all of them have seen enough; one may fail without the others.

    Attributes:
        failures: Why, by position.
    """

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self.samplings = samplings
        self.failures: dict[int, Exception] = {}

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        """For each."""
        for sampling in self.samplings:
            sampling.begin(optimizer)

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Each looks for itself."""
        for k, sampling in enumerate(self.samplings):
            if k in self.failures:
                continue
            try:
                sampling.before_step(step, batch, lr)
            except Exception as error:  # a measure may be the user's own
                self.failures[k] = error
        if len(self.failures) == len(self.samplings):
            raise NobodyLooksError

    def after_check(self, check: Check) -> bool:
        """Whether none wants to go on."""
        return all(s.after_check(check) for k, s in enumerate(self.samplings) if k not in self.failures)

    def found(self) -> list[Arrays | Exception]:
        """Arrays of each, or why it failed."""
        return [self.failures.get(k) or sampling.arrays() for k, sampling in enumerate(self.samplings)]


def look(spec: TrialSpec, prepared: Prepared) -> tuple[Trained | None, dict[str, Any]]:
    """Do what ``spec.measure`` says.

    It holds ``sees`` and either ``affinity`` (one measure, the job's own) or ``affinities`` (several of that sight, for
    a comparison); for a probe also ``every``, the steps between two looks, and the stopping rule. With ``keep`` the
    weights of the joint training are left beside the result.

    Returns:
        The training, None where there was none, and the arrays to keep: those of the one measure; or of several, their
        names ending in ``.0``, ``.1``, …, and ``seconds``, those spent in each. Of those that failed ``failed.0``, …,
        says why; where the one measure fails, so does the trial.
    """
    options = dict(spec.measure or {})
    single = "affinity" in options
    entries = [options["affinity"]] if single else options["affinities"]
    measures = [Clocked(MEASURES.create(entry["method"], entry)) for entry in entries]
    with threadpool_limits(spec.train.threads, user_api="blas"):  # as many as torch: more fight for the cores
        trained, looks = SIGHTS[options.get("sees", "probe")](spec, prepared, measures)
    if single:
        if isinstance(looks[0], Exception):
            raise looks[0]
        return trained, looks[0]
    kept = {f"{name}.{k}": array for k, found in enumerate(looks) for name, array in _to_keep(found).items()}
    return trained, {**kept, "seconds": np.array([m.seconds for m in measures])}


def in_words(error: Exception) -> str:
    """Kind, sentence and place of an error."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


def _to_keep(found: Arrays | Exception) -> Arrays:
    return {"failed": np.array(in_words(found))} if isinstance(found, Exception) else found


def _probe(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """Looks in the course of a joint training."""
    assert spec.measure is not None
    network, stop = make_network(spec, prepared), stop_rule(spec.measure, spec.train)
    others = {"next": prepared.rows("train"), "val": prepared.rows("val")}
    samplings = [
        Sampling(network, prepared.tasks, cast("Measure", m), _every(spec, network, m), stop, others) for m in measures
    ]
    together, trained = Together(samplings), None
    with contextlib.suppress(NobodyLooksError):
        trained = train_network(spec, prepared, network, [together])
    _keep_weights(spec, prepared, network)
    return trained, together.found()


def _keep_weights(spec: TrialSpec, prepared: Prepared, network: SharedNetwork) -> None:
    """For searches that start from them."""
    if spec.measure and spec.measure.get("keep"):
        save_weights(network, weights_file(prepared, spec.key))


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
    _keep_weights(spec, prepared, network)
    return trained, _once(measures, shared_view(network, prepared.rows("val"), spec.seed))


def _data(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """One look at the training rows."""
    view = data_view(prepared.tasks, prepared.trunk.names, prepared.rows("train"), spec.seed)
    return None, _once(measures, view)


def _runs(spec: TrialSpec, prepared: Prepared, measures: Sequence[Clocked]) -> Looked:
    """No look: the controller puts the errors of several trainings together."""
    assert not measures
    return train_network(spec, prepared, make_network(spec, prepared)), []


def _once(measures: Sequence[Clocked], view: object) -> list[Arrays | Exception]:
    return [_one(measure, view) for measure in measures]


def _one(measure: Clocked, view: object) -> Arrays | Exception:
    try:
        return {"samples": np.asarray(measure(view))[None]}
    except Exception as error:  # a measure may be the user's own
        return error


SIGHTS: Mapping[str, Callable[[TrialSpec, Prepared, Sequence[Clocked]], Looked]] = {
    "probe": _probe,
    "features": _features,
    "shared": _shared,
    "data": _data,
    "runs": _runs,
}
