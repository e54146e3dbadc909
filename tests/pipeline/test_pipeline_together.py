"""Confirmations under several seeds at once: the same evidence up to rounding, and whole groups or nothing."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_jobs import SPACE, make_folder, make_problem, trial
from torch import nn

import taskgroup
from taskgroup import Plan
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.nn.trunk import Trunk
from taskgroup.pipeline import work
from taskgroup.pipeline.confirming import confirm_all
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.executors import Ended, InlineExecutor
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.together import grouped, together_seeds, train_group
from taskgroup.pipeline.work import run_trial
from taskgroup.training.loop import DivergedError

SEEDS = (1, 2, 5)


def plain_trunk() -> Trunk:
    """Without dropout, which cannot be trained together."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Trunk(
            {"low": nn.Sequential(nn.Linear(4, 8), nn.Tanh()), "high": nn.Sequential(nn.Linear(8, 4), nn.Tanh())}
        )


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job", make_problem(trunk=plain_trunk()))


def alone(prepared: Prepared) -> list[TrialSpec]:
    return [trial(prepared, "confirm", seed=seed) for seed in SEEDS]


def group(prepared: Prepared) -> list[TrialSpec]:
    specs = alone(prepared)
    found = grouped(prepared, specs)
    assert all(spec.together == SEEDS for spec in found)
    assert not {s.key for s in found} & {s.key for s in specs}
    return found


class TwoWorkers(InlineExecutor):
    """Both start before either leaves a result."""

    capacity = 2

    def __init__(self, prepared: Prepared) -> None:
        super().__init__(prepared)
        self.waiting: list[TrialSpec] = []

    def submit(self, spec: TrialSpec) -> None:
        self.waiting.append(spec)

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        while self.waiting:
            super().submit(self.waiting.pop(0))
        return super().wait()


def confirmed(prepared: Prepared, specs: list[TrialSpec]) -> tuple[list[TrialResult], list[TrialResult]]:
    """Results, and what the progress was told."""
    told: list[TrialResult] = []
    crew = Crew(prepared.folder, TwoWorkers(prepared), Silent())
    return confirm_all(crew, specs, told.append), told


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds whose trials were started."""
    started: list[int] = []
    genuine = run_trial

    def run(spec: TrialSpec, prepared: Prepared) -> TrialResult:
        started.append(spec.seed)
        return genuine(spec, prepared)

    monkeypatch.setattr(work, "run_trial", run)
    return started


def test_one_member_leaves_the_results_of_all(prepared: Prepared, runs: list[int]) -> None:
    specs = group(prepared)
    results, told = confirmed(prepared, specs)
    assert runs == [1]
    assert len(told) == 3
    assert [r.key for r in results] == [s.key for s in specs]
    for spec, result in zip(specs, results, strict=True):
        alone = run_trial(spec.model_copy(update={"together": ()}), prepared)
        assert result.errors == pytest.approx(alone.errors, rel=1e-4)
        assert [check.step for check in result.history] == [check.step for check in alone.history]
        scored = run_trial(trial(prepared, "test", seed=spec.seed, weights=spec.key), prepared)
        again = run_trial(trial(prepared, "test", seed=spec.seed, weights=alone.key), prepared)
        assert scored.errors == pytest.approx(again.errors, rel=1e-4)
    assert len({result.seconds for result in results}) <= 2  # each its share


@pytest.mark.parametrize("gone", [[0], [1], [2], [1, 2]])
def test_a_member_that_is_missing_is_trained_with_its_group(
    prepared: Prepared, runs: list[int], gone: list[int]
) -> None:
    specs = group(prepared)
    before, _ = confirmed(prepared, specs)
    for k in gone:
        prepared.folder.forget(before[k])
    after, told = confirmed(prepared, specs)
    assert runs == [1, SEEDS[gone[0]]]
    assert [r.errors for r in after] == [r.errors for r in before]
    assert len(told) == 3


def test_the_asked_one_is_kept_last(prepared: Prepared) -> None:
    """Killed in between, the group is done again, since the result that was asked for is not there."""
    specs = group(prepared)
    run_trial(specs[1], prepared)
    assert [prepared.folder.result(spec) is not None for spec in specs] == [True, False, True]


def test_a_seed_that_diverges_fails_alone(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = group(prepared)
    genuine = train_group

    def broken(spec: TrialSpec, prepared: Prepared) -> list[Any]:
        found: list[Any] = genuine(spec, prepared)
        found[1] = (*found[1][:2], DivergedError("training loss was nan at step 3"))
        return found

    monkeypatch.setattr(work, "train_group", broken)
    assert run_trial(specs[0], prepared).state == "complete"
    assert prepared.folder.result(specs[2]) is not None
    with pytest.raises(taskgroup.errors.TrialError, match=r"\(seed 2\) failed: DivergedError: training loss was nan"):
        confirmed(prepared, specs)


def test_what_cannot_be_trained_together_is_left_alone(tmp_path: Path) -> None:
    with_dropout = make_folder(tmp_path)
    specs = [trial(with_dropout, "confirm", seed=seed) for seed in SEEDS]
    assert grouped(with_dropout, specs) == specs


def test_two_seeds_are_left_alone(prepared: Prepared) -> None:
    assert together_seeds(prepared, alone(prepared)[:2]) == ()


def test_a_trunk_that_fails_is_left_to_the_trial(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("no such part")

    monkeypatch.setattr("taskgroup.pipeline.together.make_network", fail)
    assert together_seeds(prepared, alone(prepared)) == ()


class Counting(Silent):
    def __init__(self) -> None:
        self.step, self.done = "", dict[str, list[int]]()

    def begin(self, step: str, total: int) -> None:
        self.step = step

    def advance(self, done: int, best_gain: float | None = None) -> None:
        self.done.setdefault(self.step, []).append(done)


def plan(out: Path, together: str, progress: Silent) -> Plan:
    config = {**SPACE, "confirm": {"seeds": 3, "finalists": 1, "together": together}}
    return taskgroup.plan(make_problem(trunk=plain_trunk()), config, out=out, progress=progress)


def test_a_plan_has_the_same_evidence_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskgroup.pipeline.job.write_report", lambda *_: None)
    counting = Counting()
    auto, never = plan(tmp_path / "auto", "auto", counting), plan(tmp_path / "never", "never", Silent())
    assert counting.done["confirm"] == list(range(1, 10))
    one, other = auto.spec.evidence, never.spec.evidence
    assert one is not None
    assert other is not None
    assert auto.spec.architecture == never.spec.architecture
    for mine, theirs in zip(one.arms, other.arms, strict=True):
        assert mine.gain_vs_separate.mean == pytest.approx(theirs.gain_vs_separate.mean, abs=1e-4)
        assert mine.gain_vs_shared.low == pytest.approx(theirs.gain_vs_shared.low, abs=1e-4)
    n_files = Counter(path.suffix for path in (tmp_path / "auto" / "trials").iterdir())
    assert n_files[".safetensors"] == 9
