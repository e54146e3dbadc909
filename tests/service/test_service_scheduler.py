"""Jobs from the queue to their ends: events on the way, pause and resume, edits while they run, faults of the user."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from scheduled import LONGER, STUCK, Start, busy_with, runner_of, same, start, undisturbed
from tiny_service import of_kind, texts, tiny_config, wait_for

from taskgroup.bench.serving.processes import is_alive, wait_until, workers_of
from taskgroup.core.record import Record
from taskgroup.exporters import load_spec
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.service.model import JobState
from taskgroup.service.scheduler import Scheduler
from taskgroup.service.store import JobStore

__all__ = ["start", "undisturbed"]


def test_from_queue_to_plan(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config()
    store.submit(config)
    start()
    job = wait_for(store, "tiny", JobState.DONE)
    same(tmp_path / "jobs" / "tiny", undisturbed(config))
    assert (job.owner, job.lease_until, job.attempts, job.message) == (None, None, 0, "")
    assert job.started is not None
    assert job.ended is not None
    assert job.created <= job.started < job.ended
    assert job.best_gain is not None
    events = store.events("tiny")
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert [e.data["state"] for e in of_kind(store, "tiny", "state")] == ["queued", "running", "done"]
    begun = [e.data["step"] for e in of_kind(store, "tiny", "step") if "total" in e.data]
    assert begun == ["measure", "propose", "search", "confirm", "test", "report"]
    rows = Folder(tmp_path / "jobs" / "tiny").rows()
    told = [(e.data["number"], e.data["state"], e.data["gain"]) for e in of_kind(store, "tiny", "trial")]
    assert told == [(row.number, row.state, row.gain) for row in rows]
    for step, n in (("search", 4), ("confirm", 6)):
        last = [e.data for e in of_kind(store, "tiny", "progress") if e.data["step"] == step][-1]
        assert (last["done"], last["total"]) == (n, n)


def test_jobs_side_by_side_and_in_order(store: JobStore, start: Start) -> None:
    for name, priority in (("a", 0), ("b", 9), ("c", 5)):
        store.submit(tiny_config(name, **STUCK), priority=priority)
    scheduler = start(jobs_at_once=2)
    for name in ("b", "c"):
        wait_for(store, name, JobState.RUNNING)
    wait_until(lambda: scheduler.alive == {"b": 1, "c": 1}, what="workers")
    assert store.get("a").state == JobState.QUEUED
    store.cancel("b")
    wait_for(store, "b", JobState.CANCELLED)
    wait_for(store, "a", JobState.RUNNING)
    assert store.get("c").state == JobState.RUNNING


def test_paused_and_resumed_it_ends_the_same(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    scheduler = start()
    for n_told in (1, 3):
        wait_until(lambda n=n_told: len(of_kind(store, "longer", "trial")) >= n, what="trials")  # type: ignore[misc]
        pid = runner_of(scheduler)
        store.pause("longer")
        job = wait_for(store, "longer", JobState.PAUSED)
        assert job.message == "by request"
        wait_until(lambda p=pid: not is_alive(p), what="the runner's end")  # type: ignore[misc]
        wait_until(lambda: scheduler.alive == {}, what="being noticed")
        store.resume("longer")
    wait_for(store, "longer", JobState.DONE)
    same(tmp_path / "jobs" / "longer", undisturbed(config))
    numbers = [event.data["number"] for event in of_kind(store, "longer", "trial")]
    assert numbers == sorted(set(numbers))
    assert [e.data["state"] for e in of_kind(store, "longer", "state")] == [
        *("queued", "running", "paused") * 2,
        *("queued", "running", "done"),
    ]


def test_cancelled_while_it_runs(store: JobStore, start: Start) -> None:
    store.submit(tiny_config(**STUCK))
    scheduler = start()
    (worker,) = busy_with(scheduler, store, "tiny")
    runner = runner_of(scheduler)
    store.cancel("tiny")
    wait_for(store, "tiny", JobState.CANCELLED)
    wait_until(lambda: not is_alive(worker) and not is_alive(runner), what="their ends")
    assert texts(store, "tiny")[-2:] == ["asked to be cancelled", "cancelled: by request"]


def test_trials_edited_while_it_runs_and_kept_when_it_is_resumed(store: JobStore, start: Start, tmp_path: Path) -> None:
    store.submit(tiny_config("longer", **LONGER))
    start()
    wait_until(lambda: bool(of_kind(store, "longer", "trial")), what="a trial")
    store.edit("longer", trials=6)
    wait_until(lambda: len(of_kind(store, "longer", "trial")) >= 2, what="another trial")
    store.pause("longer")
    wait_for(store, "longer", JobState.PAUSED)
    store.resume("longer")
    wait_for(store, "longer", JobState.DONE)
    folder = tmp_path / "jobs" / "longer"
    assert sum(bool(row.errors) for row in Folder(folder).rows()) == 6
    provenance = load_spec(folder / "spec.yaml").provenance
    assert provenance is not None
    assert provenance.asked["search.trials (edited)"] == "6"
    progress = [e.data for e in of_kind(store, "longer", "progress") if e.data["step"] == "search"]
    assert (progress[-1]["done"], progress[-1]["total"]) == (6, 6)


def test_workers_edited_while_it_runs(store: JobStore, start: Start) -> None:
    store.submit(tiny_config(**STUCK))
    scheduler = start()
    (first,) = busy_with(scheduler, store, "tiny")
    store.edit("tiny", workers=2)
    both = busy_with(scheduler, store, "tiny", 2)
    assert first in both
    wait_until(lambda: scheduler.alive == {"tiny": 2}, what="being told")
    store.edit("tiny", workers=1)
    wait_until(lambda: store.get("tiny").workers == 1)
    store.edit("tiny", workers=2)
    assert sorted(workers_of(runner_of(scheduler))) == sorted(both)  # nobody was killed
    assert scheduler.alive == {"tiny": 2}


def test_stopping_puts_jobs_back_and_another_server_goes_on(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    first = start()
    wait_until(lambda: bool(of_kind(store, "longer", "trial")), what="a trial")
    runner = runner_of(first)
    first.stop()
    assert not is_alive(runner)
    job = store.get("longer")
    assert (job.state, job.attempts, job.message) == (JobState.QUEUED, 0, "its server stopped")
    start()
    wait_for(store, "longer", JobState.DONE)
    same(tmp_path / "jobs" / "longer", undisturbed(config))


def test_draining_keeps_what_is_under_way(store: JobStore, start: Start, tmp_path: Path) -> None:
    store.submit(tiny_config("longer", search={"steps": 1500}))
    scheduler = start()
    busy_with(scheduler, store, "longer")
    trials = tmp_path / "jobs" / "longer" / "trials"
    wait_until(lambda: scheduler.alive == {"longer": 1}, what="being told")
    n_before = len(list(trials.glob("*.json")))
    scheduler.stop(drain=True)
    assert store.get("longer").state == JobState.QUEUED
    assert len(list(trials.glob("*.json"))) > n_before


def test_a_user_s_fault_fails_the_job_in_a_sentence(store: JobStore, start: Start, tmp_path: Path) -> None:
    table = {"source": "table", "path": "none.csv", "tasks": {"y": {"kind": "binary"}}}
    config = Config.model_validate({**tiny_config("faulty").to_dict(), "problem": table})
    store.submit(config)
    start()
    with pytest.raises(AssertionError):  # not what is waited for
        wait_for(store, "faulty", JobState.DONE)
    job = store.get("faulty")
    assert job.state == JobState.FAILED
    assert "none.csv: there is no such file" in job.message
    assert not any("Traceback" in text for text in texts(store, "faulty"))
    assert "Traceback" in (tmp_path / "jobs" / "faulty" / "runner.log").read_text()


def test_progress_is_told_now_and_then(store: JobStore, start: Start) -> None:
    store.submit(tiny_config("many", search={"trials": 12}, confirm={"seeds": 8}))
    start()
    wait_for(store, "many", JobState.DONE)
    plain = of_kind(store, "many", "progress")
    for before, after in itertools.pairwise(plain):
        if before.data["step"] == after.data["step"] and after.data["done"] < after.data["total"]:
            assert after.at - before.at > 0.4
    assert len(of_kind(store, "many", "trial")) >= 12


def test_a_bad_study_database_is_not_the_job_s_fault(store: JobStore, start: Start) -> None:
    store.submit(tiny_config())
    start(storage="postgresql+psycopg://nobody@127.0.0.1:1/none")
    wait_until(lambda: store.get("tiny").attempts >= 1, what="the first attempt's end")
    job = store.get("tiny")
    assert "127.0.0.1:1/none cannot be opened" in texts(store, "tiny", "state")[2]
    assert job.state in (JobState.QUEUED, JobState.RUNNING)


def test_a_scheduler_needs_at_least_one_worker(store: JobStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Scheduler(store, tmp_path, workers=0)
