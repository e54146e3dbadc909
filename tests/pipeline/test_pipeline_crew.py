"""The crew: retries what vanished, answers from disk, never starts more than there is room for."""

from collections import deque
from collections.abc import Iterable
from pathlib import Path

import pytest
from tiny_jobs import make_folder, trial

from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.executors import Ended
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Silent


class Fake:
    """An executor whose trials end as told: "complete", "failed", or a reason for which no result is there."""

    def __init__(self, prepared: Prepared, fates: Iterable[str] = (), capacity: int = 2) -> None:
        self.capacity, self.prepared = capacity, prepared
        self.fates, self.submitted = deque(fates), list[str]()
        self.under_way: list[str] = []

    def submit(self, spec: TrialSpec) -> None:
        assert len(self.under_way) < self.capacity
        self.submitted.append(spec.key)
        self.under_way.append(spec.key)

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        assert self.under_way
        key, fate = self.under_way.pop(0), self.fates.popleft() if self.fates else "complete"
        if fate not in ("complete", "failed"):
            return [Ended(key, fate or None)]
        self.prepared.folder.keep(result_of(key, fate))
        return [Ended(key)]

    def close(self) -> None: ...


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def result_of(key: str, state: str = "complete") -> TrialResult:
    return TrialResult.model_validate({"key": key, "state": state, "errors": {"a": 0.1}, "message": "why"})


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job")


def specs_of(prepared: Prepared, n: int) -> list[TrialSpec]:
    return [trial(prepared, "confirm", seed=k) for k in range(n)]


@pytest.mark.parametrize("n_vanished", [0, 1, 2])
def test_a_trial_whose_worker_vanished_is_tried_again(prepared: Prepared, n_vanished: int) -> None:
    executor, lines = Fake(prepared, ["its worker was ended by SIGKILL"] * n_vanished), Lines()
    crew = Crew(prepared.folder, executor, lines)
    (spec,) = specs_of(prepared, 1)
    crew.start(spec)
    assert crew.next() == result_of(spec.key)
    assert executor.submitted == [spec.key] * (1 + n_vanished)
    assert lines.said == [f"confirm trial {spec.key}: its worker was ended by SIGKILL; trying again"] * n_vanished


@pytest.mark.parametrize("reason", ["its worker ended with exit code 1", ""])
def test_after_three_attempts_it_has_failed(prepared: Prepared, reason: str) -> None:
    executor = Fake(prepared, [reason] * 9)
    crew = Crew(prepared.folder, executor, Lines())
    (spec,) = specs_of(prepared, 1)
    crew.start(spec)
    result = crew.next()
    assert (result.state, len(executor.submitted), crew.n_running) == ("failed", 3, 0)
    assert result.message == f"tried 3 times, at last {reason or 'its worker left no result'}"


def test_a_failed_result_is_not_tried_again(prepared: Prepared) -> None:
    executor = Fake(prepared, ["failed"])
    crew = Crew(prepared.folder, executor, Lines())
    (spec,) = specs_of(prepared, 1)
    crew.start(spec)
    assert crew.next() == result_of(spec.key, "failed")
    assert len(executor.submitted) == 1


def test_a_result_that_its_killed_worker_left_is_taken(prepared: Prepared) -> None:
    """And reaches everyone who waits for it."""
    executor = Fake(prepared, ["its worker was ended by SIGKILL"])
    crew = Crew(prepared.folder, executor, Lines())
    (spec,) = specs_of(prepared, 1)
    crew.start(spec)
    crew.start(spec)
    prepared.folder.keep(result_of(spec.key))
    assert crew.n_running == 2
    assert [crew.next(), crew.next()] == [result_of(spec.key)] * 2
    assert (crew.n_running, len(executor.submitted)) == (0, 1)


def test_what_is_on_disk_is_not_done_again(prepared: Prepared) -> None:
    specs = specs_of(prepared, 4)
    for spec in specs[:3]:
        prepared.folder.keep(result_of(spec.key))
    prepared.folder.keep(result_of(specs[3].key, "failed"))
    executor = Fake(prepared)
    done: list[str] = []
    results = Crew(prepared.folder, executor, Lines()).all(specs, lambda r: done.append(r.key))
    assert results == [result_of(s.key) for s in specs]
    assert sorted(done) == sorted(s.key for s in specs)
    assert executor.submitted == [specs[3].key]  # failures do not count as done


def test_a_result_in_hand_takes_room_until_it_is_handed_back(prepared: Prepared) -> None:
    """A search with one worker must be told before it asks again, also where the answer lay on disk."""
    specs = specs_of(prepared, 2)
    prepared.folder.keep(result_of(specs[0].key))
    crew = Crew(prepared.folder, Fake(prepared, capacity=1), Lines())
    room = [crew.has_room]
    for act in (lambda: crew.start(specs[0]), crew.next):
        act()
        room.append(crew.has_room)
    assert room == [True, False, True]


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_results_come_in_the_order_of_the_specs(prepared: Prepared, capacity: int) -> None:
    specs = specs_of(prepared, 7)
    executor = Fake(prepared, ["complete", "gone", "complete"], capacity)
    results = Crew(prepared.folder, executor, Lines()).all(specs, lambda _: None)
    assert [r.key for r in results] == [s.key for s in specs]
    assert len(executor.submitted) == 8


def test_equal_trials_are_done_once(prepared: Prepared) -> None:
    spec, other = specs_of(prepared, 2)
    executor, done = Fake(prepared), list[str]()
    results = Crew(prepared.folder, executor, Lines()).all([spec, spec, other], lambda r: done.append(r.key))
    assert [r.key for r in results] == [spec.key, spec.key, other.key]
    assert sorted(executor.submitted) == sorted([spec.key, other.key])
    assert len(done) == 3


def test_a_trial_that_all_need_ends_the_job(prepared: Prepared) -> None:
    specs = specs_of(prepared, 3)
    crew = Crew(prepared.folder, Fake(prepared, ["complete", "failed"]), Lines())
    with pytest.raises(TrialError, match=rf"confirm trial {specs[1].key} \(seed 1\) failed: why"):
        crew.all(specs, lambda _: None)


def test_seconds_of_what_lay_on_disk_are_counted_once(prepared: Prepared) -> None:
    done, new = specs_of(prepared, 2)
    prepared.folder.keep(result_of(done.key).model_copy(update={"seconds": 2.5}))
    crew = Crew(prepared.folder, Fake(prepared), Silent())
    crew.all([done, new], lambda _: None)
    crew.all([done, new], lambda _: None)
    assert crew.reused_s == 2.5
