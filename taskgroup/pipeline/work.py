"""The work of one trial: a pure function from its spec (and the job's prepared data) to its result."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.weights import load_weights, save_weights
from taskgroup.pipeline.folder import Folder, write_arrays
from taskgroup.pipeline.looks import in_words, look
from taskgroup.pipeline.networks import make_network, train_network, weights_file
from taskgroup.pipeline.prepared import Prepared, load_prepared
from taskgroup.pipeline.together import train_group
from taskgroup.training.loop import DivergedError, Trained
from taskgroup.training.metrics import errors_on
from taskgroup.training.pruning import Pruning
from taskgroup.training.redrawn import redrawn_errors


def run_trial(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    """Do what ``spec`` says; exceptions that training raises become a failed result.

    Big arrays (affinity samples, weights) are written beside the results as ``KEY.npz`` or ``KEY.safetensors``.
    Torch's random state is left as it was.
    """
    started = time.perf_counter()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(spec.train.threads)
    work: dict[str, Callable[[TrialSpec, Prepared], TrialResult]] = {
        "measure": _measure,
        "search": _search,
        "confirm": _confirm,
        "test": _test,
    }
    try:
        with torch.random.fork_rng(devices=[]):
            result = work[spec.step](spec, prepared)
    except Exception as error:  # whatever a user's trunk raises belongs into the result, not into a retry
        result = TrialResult(key=spec.key, state="failed", message=in_words(error))
    finally:
        torch.set_num_threads(n_threads)
    return result.model_copy(update={"seconds": (time.perf_counter() - started) / max(len(spec.together), 1)})


def run_and_keep(spec_json: str, folder: Path) -> None:
    """Entry of a worker process: run one trial and leave its result in the job's folder."""
    spec = TrialSpec.model_validate_json(spec_json)
    try:
        prepared = load_prepared(Folder(folder))
    except Exception as error:  # a user's function may raise anything
        Folder(folder).keep(TrialResult(key=spec.key, state="failed", message=in_words(error)))
    else:
        Folder(folder).keep(run_trial(spec, prepared))


def _measure(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    trained, arrays = look(spec, prepared)
    name = f"{spec.key}.npz"
    write_arrays(prepared.folder.trials / name, **arrays)
    if trained is None:
        return TrialResult(key=spec.key, state="complete", file=name)
    return _finished(spec, trained, name)


def _search(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    return _finished(spec, train_network(spec, prepared, make_network(spec, prepared), [Pruning(spec.bars)]))


def _confirm(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    if spec.together:
        return _confirm_together(spec, prepared)
    network = make_network(spec, prepared)
    return _kept(spec, prepared, network, train_network(spec, prepared, network))


def _confirm_together(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    """Leaves the results of all others first: once that of ``spec`` lies there, so do theirs."""
    started = time.perf_counter()
    results = [_outcome(member, prepared, network, found) for member, network, found in train_group(spec, prepared)]
    share = (time.perf_counter() - started) / len(results)
    for result in results:
        if result.key != spec.key:
            prepared.folder.keep(result.model_copy(update={"seconds": share}))
    return next(result for result in results if result.key == spec.key)


def _outcome(
    spec: TrialSpec, prepared: Prepared, network: SharedNetwork, trained: Trained | DivergedError
) -> TrialResult:
    if isinstance(trained, DivergedError):
        return TrialResult(key=spec.key, state="failed", message=f"{type(trained).__name__}: {trained}")
    return _kept(spec, prepared, network, trained)


def _kept(spec: TrialSpec, prepared: Prepared, network: SharedNetwork, trained: Trained) -> TrialResult:
    """The result, with what draws of the validation rows make of it, and the weights beside it."""
    path = weights_file(prepared, spec.key)
    save_weights(network, path)
    result = _finished(spec, trained, path.name)
    if spec.division is not None:  # every seed has other rows, whose luck its errors show
        return result
    drawn = redrawn_errors(network, prepared.tasks, prepared.rows("val"))
    return result.model_copy(update={"redrawn": tuple(tuple(float(f"{e:.5g}") for e in row) for row in drawn)})


def _test(spec: TrialSpec, prepared: Prepared) -> TrialResult:
    network = make_network(spec, prepared)
    load_weights(network, weights_file(prepared, str(spec.weights)))
    errors = errors_on(network, prepared.tasks, prepared.rows("test"))
    return TrialResult(key=spec.key, state="complete", errors=errors)


def _finished(spec: TrialSpec, trained: Trained, file: str | None = None) -> TrialResult:
    return TrialResult(
        key=spec.key,
        state="pruned" if trained.stopped and spec.step == "search" else "complete",
        errors=trained.history[-1].errors,
        history=trained.history,
        file=file,
    )
