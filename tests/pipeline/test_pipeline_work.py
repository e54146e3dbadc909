"""The work of one trial: a pure function, whose failures are results."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_jobs import TASKS, make_folder, make_problem, make_trunk, trial

from taskgroup.core.trial import Bar, TrialResult, TrialSpec
from taskgroup.nn.weights import load_weights
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.networks import make_network
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.work import run_and_keep, run_trial
from taskgroup.training.redrawn import redrawn_errors

STEPS = ("measure", "search", "confirm", "test")


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job")


def spec_of(prepared: Prepared, step: str) -> TrialSpec:
    if step != "test":
        return trial(prepared, step)
    confirmed = trial(prepared, "confirm")
    run_trial(confirmed, prepared)
    return trial(prepared, "test", weights=confirmed.key)


def timeless(result: TrialResult) -> TrialResult:
    return result.model_copy(update={"seconds": 0.0})


@pytest.mark.parametrize("step", STEPS)
def test_same_spec_same_result_whatever_came_before(prepared: Prepared, step: str) -> None:
    spec = spec_of(prepared, step)
    torch.manual_seed(1)
    first = run_trial(spec, prepared)
    torch.manual_seed(2)
    run_trial(trial(prepared, seed=9), prepared)
    second = run_trial(spec, prepared)
    assert first.state == "complete"
    assert timeless(first) == timeless(second)
    assert set(first.errors) == {t.name for t in TASKS}
    assert timeless(run_trial(spec.model_copy(update={"seed": 5}), prepared)).errors != first.errors or step == "test"


@pytest.mark.parametrize("step", STEPS)
def test_leaves_torch_as_it_was(prepared: Prepared, step: str) -> None:
    spec = spec_of(prepared, step)
    torch.manual_seed(3)
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    run_trial(spec.model_copy(update={"train": spec.train.model_copy(update={"threads": 2})}), prepared)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads


def test_measure_leaves_the_looks(prepared: Prepared) -> None:
    result = run_trial(trial(prepared, "measure"), prepared)
    with np.load(prepared.folder.trials / str(result.file)) as file:
        assert file["samples"].shape == (2, 3, 3, 3)  # looks, two stages and the trunk, source, target


def test_search_keeps_the_history_and_no_files(prepared: Prepared) -> None:
    result = run_trial(trial(prepared), prepared)
    assert [c.step for c in result.history] == [3, 6]
    assert result.errors == result.history[-1].errors
    assert result.file is None
    assert list(prepared.folder.trials.iterdir()) == []


def test_bars_stop_a_candidate(prepared: Prepared) -> None:
    whole = run_trial(trial(prepared), prepared)
    reference = whole.history[0].errors
    high, low = (Bar(step=3, gain=g, reference=reference) for g in (0.001, -0.001))
    stopped = run_trial(trial(prepared, bars=(high,)), prepared)
    assert (stopped.state, len(stopped.history), stopped.errors) == ("pruned", 1, reference)
    assert timeless(run_trial(trial(prepared, bars=(low,)), prepared)).errors == whole.errors


def test_the_test_step_scores_the_weights_that_confirmation_kept(prepared: Prepared) -> None:
    confirmed = trial(prepared, "confirm")
    kept = run_trial(confirmed, prepared)
    assert load_file(prepared.folder.trials / str(kept.file))
    scored = run_trial(trial(prepared, "test", weights=confirmed.key), prepared)
    assert scored.state == "complete"
    assert scored.errors != kept.errors  # other rows
    missing = run_trial(trial(prepared, "test", weights="nothing"), prepared)
    assert missing.state == "failed"


def test_a_confirmation_says_what_its_rows_leave_open(prepared: Prepared) -> None:
    spec = trial(prepared, "confirm")
    kept = run_trial(spec, prepared)
    network = load_weights(make_network(spec, prepared), prepared.folder.trials / str(kept.file))
    drawn = redrawn_errors(network, prepared.tasks, prepared.rows("val"))
    assert np.array(kept.redrawn) == pytest.approx(drawn, rel=1e-4)
    assert TrialResult.model_validate_json(kept.model_dump_json()) == kept
    assert run_trial(trial(prepared), prepared).redrawn == ()


def test_what_a_trunk_raises_is_the_result(tmp_path: Path) -> None:
    broken = make_folder(tmp_path, make_problem(trunk=make_trunk(broken=True)))
    n_threads = torch.get_num_threads()
    result = run_trial(trial(broken), broken)
    assert result.state == "failed"
    assert result.message.startswith("RuntimeError: the pump is broken (tiny_jobs.py, line ")
    assert result.errors == {}
    assert torch.get_num_threads() == n_threads


def test_a_training_that_diverges_fails_with_the_remedy(prepared: Prepared) -> None:
    train = trial(prepared).train.model_copy(update={"lr": 1e30})
    result = run_trial(trial(prepared, train=train), prepared)
    assert result.state == "failed"
    assert "lower train.lr" in result.message


def test_a_worker_that_cannot_load_the_problem_says_why(prepared: Prepared) -> None:
    """A problem in memory cannot be loaded again by another process."""
    spec = trial(prepared)
    run_and_keep(spec.model_dump_json(), prepared.folder.path)
    text = (Folder(prepared.folder.path).trials / f"{spec.key}.json").read_text()
    result = TrialResult.model_validate_json(text)
    assert result.state == "failed"
    assert "trunk should be one of" in result.message
