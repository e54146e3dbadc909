"""Controls: a job is stopped and taken up, its budget and its workers change while it runs, and nobody is killed."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tiny_jobs import SPACE, make_folder, make_problem, trial

from taskgroup.core.record import Record, TrialRow
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import BusyError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.controls import Controls, Stopped
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.executors import Ended, Executor
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Silent

N_TRIALS = int(SPACE["search"]["trials"])


class Acting(Silent):
    """Does something when so many trials of the search were told."""

    def __init__(self, acts: Mapping[int, Callable[[], object]]) -> None:
        self.acts, self.rows, self.begun = dict(acts), list[TrialRow](), list[tuple[str, int]]()

    def begin(self, step: str, total: int) -> None:
        self.begun.append((step, total))

    def trial(self, row: TrialRow) -> None:
        self.rows.append(row)
        self.acts.pop(len(self.rows), lambda: None)()


class Counting(Silent):
    """Stops after so many results, of whatever step."""

    def __init__(self, controls: Controls, after: int) -> None:
        self.controls, self.after = controls, after

    def advance(self, done: int, best_gain: float | None = None) -> None:
        self.after -= 1
        if self.after == 0:
            self.controls.stop()


def run(out: Path, progress: Silent, controls: Controls | None = None, executor: Executor | None = None) -> Record:
    config = Config.model_validate(SPACE)
    arguments = {"workers": 1, "base": Path(), "problem": make_problem(), "inline": True, "report": False}
    arguments["executor"] = executor
    return run_job(config, out, progress=progress, controls=controls, **arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return run(tmp_path_factory.mktemp("job") / "tiny", Silent())


def asked(record: Record) -> dict[str, str]:
    assert record.spec.provenance is not None
    return record.spec.provenance.asked


def told(rows: list[TrialRow]) -> list[TrialRow]:
    """Without what differs from run to run."""
    return [row.model_copy(update={"seconds": 0.0, "again": ()}) for row in rows]


def test_stopped_again_and_again_it_ends_the_same(undisturbed: Record, tmp_path: Path) -> None:
    """In the measurement, the search, the confirmation and the test."""
    for after in (1, 2, 4, 7, 12):
        controls = Controls()
        with pytest.raises(Stopped):
            run(tmp_path / "job", Counting(controls, after), controls)
    again = run(tmp_path / "job", Silent())
    assert again.spec.fingerprint == undisturbed.spec.fingerprint
    assert again.spec.evidence == undisturbed.spec.evidence
    assert told(list(again.trials)) == told(list(undisturbed.trials))


class Stopping:
    """An executor that is told to stop as soon as it has something to do, which it never does."""

    capacity = 1

    def __init__(self, controls: Controls) -> None:
        self.controls, self.submitted = controls, list[str]()

    def submit(self, spec: TrialSpec) -> None:
        self.submitted.append(spec.key)
        self.controls.stop()

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        raise AssertionError("there is nothing to wait for")

    def close(self) -> None: ...


def test_stopping_is_not_held_against_the_trials_in_hand(undisturbed: Record, tmp_path: Path) -> None:
    controls = Controls()
    with pytest.raises(Stopped):
        run(tmp_path / "job", Acting({3: controls.stop}), controls)
    keys = []
    for _ in range(4):  # a trial that took the whole job with it is given up after three times
        controls = Controls()
        executor = Stopping(controls)
        with pytest.raises(Stopped):
            run(tmp_path / "job", Silent(), controls, executor)
        keys += executor.submitted
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert told(list(run(tmp_path / "job", Silent()).trials)) == told(list(undisturbed.trials))


def test_who_is_stopped_before_it_begins_does_nothing(tmp_path: Path) -> None:
    controls = Controls()
    controls.stop()
    with pytest.raises(Stopped):
        run(tmp_path / "job", Silent(), controls)
    assert list(Folder(tmp_path / "job").trials.iterdir()) == []


def test_every_trial_is_told_and_those_of_earlier_runs_again(undisturbed: Record, tmp_path: Path) -> None:
    controls = Controls()
    first = Acting({3: controls.stop})
    with pytest.raises(Stopped):
        run(tmp_path / "job", first, controls)
    second = Acting({})
    run(tmp_path / "job", second)
    assert told(second.rows[:3]) == told(first.rows)
    assert told(second.rows) == told(list(undisturbed.trials))


def test_more_trials_while_it_searches(undisturbed: Record, tmp_path: Path) -> None:
    """What the config says stays the job's identity, and what the search did before is what it would have done."""
    controls = Controls()
    progress = Acting({N_TRIALS - 2: lambda: controls.edit(N_TRIALS + 2, None)})
    record = run(tmp_path / "job", progress, controls)
    n_trained = sum(bool(row.errors) for row in record.trials)
    assert n_trained == N_TRIALS + 2
    assert told(list(record.trials))[: len(undisturbed.trials)] == told(list(undisturbed.trials))
    assert asked(record)["search.trials (edited)"] == str(N_TRIALS + 2)
    assert asked(undisturbed) == {k: v for k, v in asked(record).items() if "edited" not in k}
    assert run(tmp_path / "job", Silent()).spec == record.spec  # the same config is done


def test_an_edited_budget_holds_when_the_job_is_taken_up(tmp_path: Path) -> None:
    controls = Controls()
    acts = {2: lambda: controls.edit(N_TRIALS + 1, None), N_TRIALS: controls.stop}
    with pytest.raises(Stopped):
        run(tmp_path / "job", Acting(acts), controls)
    progress = Acting({})
    record = run(tmp_path / "job", progress, Controls(trials=N_TRIALS + 1))
    assert ("search", N_TRIALS + 1) in progress.begun
    assert sum(bool(row.errors) for row in record.trials) == N_TRIALS + 1
    assert asked(record)["search.trials (edited)"] == str(N_TRIALS + 1)


def test_fewer_trials_than_were_spent_end_the_search(tmp_path: Path) -> None:
    controls = Controls()
    record = run(tmp_path / "job", Acting({4: lambda: controls.edit(2, None)}), controls)
    assert len(record.trials) == 4
    assert asked(record)["search.trials (edited)"] == "2"


def test_an_edit_that_was_taken_back_is_none(undisturbed: Record, tmp_path: Path) -> None:
    controls = Controls()
    acts = {2: lambda: controls.edit(9, None), 4: lambda: controls.edit(N_TRIALS, None)}
    record = run(tmp_path / "job", Acting(acts), controls)
    assert asked(record) == asked(undisturbed)
    assert record.spec.fingerprint == undisturbed.spec.fingerprint


def test_a_held_folder_is_busy(tmp_path: Path) -> None:
    with Folder(tmp_path / "job").held(), pytest.raises(BusyError, match="is working on this job"):
        run(tmp_path / "job", Silent())


class Slow:
    """An executor whose trials end one at a time, when something was done that a test asks for."""

    def __init__(self, prepared: Prepared, capacity: int, acts: list[Callable[[], object]]) -> None:
        self.capacity, self.prepared, self.acts = capacity, prepared, deque(acts)
        self.under_way, self.most = list[str](), 0

    def submit(self, spec: TrialSpec) -> None:
        self.under_way.append(spec.key)
        self.most = max(self.most, len(self.under_way))

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        assert timeout_s is not None, "nobody would notice an edit"
        if self.acts:
            self.acts.popleft()()
            return []
        key = self.under_way.pop(0)
        self.prepared.folder.keep(TrialResult(key=key, state="complete", errors={"a": 0.1}))
        return [Ended(key)]

    def close(self) -> None: ...


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job")


def crew_of(prepared: Prepared, capacity: int, controls: Controls, *acts: Callable[[], object]) -> tuple[Crew, Slow]:
    executor = Slow(prepared, capacity, list(acts))
    return Crew(prepared.folder, executor, Silent(), controls), executor


def specs_of(prepared: Prepared, n: int) -> list[TrialSpec]:
    return [trial(prepared, "confirm", seed=k) for k in range(n)]


def test_more_workers_start_at_once_and_fewer_kill_nobody(prepared: Prepared) -> None:
    controls, under_way = Controls(), list[int]()
    crew, executor = crew_of(
        prepared,
        1,
        controls,
        lambda: controls.edit(None, 3),
        lambda: under_way.append(len(executor.under_way)),
        lambda: controls.edit(None, 1),
    )
    for n_done, _ in enumerate(crew.each(specs_of(prepared, 6)), 1):
        under_way.append(len(executor.under_way))
        assert controls.n_running == len(executor.under_way)
        assert controls.n_finished == n_done
    assert under_way == [3, 2, 1, 0, 0, 0, 0]  # three at once; their number shrinks as they end
    assert executor.most == 3


def test_what_is_under_way_ends_first_where_that_is_asked_for(prepared: Prepared) -> None:
    controls = Controls()
    crew, executor = crew_of(prepared, 2, controls, lambda: controls.stop(finish=True))
    with pytest.raises(Stopped):
        list(crew.each(specs_of(prepared, 5)))
    assert len(list(prepared.folder.trials.glob("*.json"))) == executor.most == 2
    assert executor.under_way == []


def test_what_is_under_way_is_dropped_where_it_is_not(prepared: Prepared) -> None:
    controls = Controls()
    crew, executor = crew_of(prepared, 2, controls, controls.stop)
    with pytest.raises(Stopped):
        list(crew.each(specs_of(prepared, 5)))
    assert len(executor.under_way) == 2
    assert list(prepared.folder.trials.glob("*.json")) == []


def test_the_last_trials_of_a_search_that_is_stopping_do_not_end_it(undisturbed: Record, tmp_path: Path) -> None:
    controls = Controls()
    with pytest.raises(Stopped):
        run(tmp_path / "job", Acting({3: lambda: controls.stop(finish=True)}), controls)
    assert run(tmp_path / "job", Silent()).spec.fingerprint == undisturbed.spec.fingerprint
