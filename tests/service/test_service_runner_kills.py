"""Killed and stopped processes: runners, workers, whole servers. Nothing is lost, nobody works on what he lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scheduled import LONGER, STUCK, Start, busy_with, runner_of, same, start, undisturbed
from server_process import LEASE_S
from sqlalchemy import update
from tiny_service import of_kind, texts, tiny_config, wait_for

from taskgroup.bench.serving.processes import descendants, is_alive, kill, wait_until
from taskgroup.core.record import Record
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.service.model import JobState
from taskgroup.service.store import JobStore
from taskgroup.service.store.tables import jobs

__all__ = ["start", "undisturbed"]


def test_a_killed_worker_is_noted_and_its_trial_tried_again(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    (worker,) = busy_with(start(), store, "longer")
    kill(worker)
    wait_for(store, "longer", JobState.DONE)
    assert sum("its worker was ended by SIGKILL; trying again" in t for t in texts(store, "longer", "note")) == 1
    same(tmp_path / "jobs" / "longer", undisturbed(config))


def test_a_stopped_worker_is_noted_when_its_time_is_up(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    (worker,) = busy_with(start(trial_limit_s=15.0), store, "longer")
    os.kill(worker, signal.SIGSTOP)
    wait_for(store, "longer", JobState.DONE)
    # on a machine that stands still for a while, other trials may be late too
    assert any("took longer than the limit of 15 s; trying again" in text for text in texts(store, "longer", "note"))
    same(tmp_path / "jobs" / "longer", undisturbed(config))


def test_a_killed_runner_is_noted_and_its_job_run_again(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    scheduler = start()
    (worker,) = busy_with(scheduler, store, "longer")
    kill(runner_of(scheduler))
    wait_until(lambda: not is_alive(worker), what="the worker's end")
    wait_for(store, "longer", JobState.DONE)
    assert "queued: its runner was ended by SIGKILL; it goes on in 1 s" in texts(store, "longer", "state")
    same(tmp_path / "jobs" / "longer", undisturbed(config))
    numbers = [event.data["number"] for event in of_kind(store, "longer", "trial")]
    assert numbers == [row.number for row in Folder(tmp_path / "jobs" / "longer").rows()]


def test_who_lost_the_lease_stops_at_once_and_says_nothing(store: JobStore, start: Start) -> None:
    store.submit(tiny_config(**STUCK))
    scheduler = start()
    (worker,) = busy_with(scheduler, store, "tiny")
    runner = runner_of(scheduler)
    store._write(lambda connection: connection.execute(update(jobs).values(owner="somebody else")))
    before = store.events("tiny")
    wait_until(lambda: not is_alive(runner) and not is_alive(worker), what="their ends")
    wait_until(lambda: scheduler.alive == {}, what="being noticed")
    assert store.events("tiny") == before
    assert store.get("tiny").owner == "somebody else"


def test_a_stopped_runner_loses_its_job_and_is_killed(store: JobStore, start: Start) -> None:
    store.submit(tiny_config(**STUCK))
    scheduler = start(lease_s=LEASE_S)
    (worker,) = busy_with(scheduler, store, "tiny")
    runner = runner_of(scheduler)
    os.kill(runner, signal.SIGSTOP)
    wait_until(lambda: any("did not renew" in t for t in texts(store, "tiny", "state")), what="the lease's end")
    wait_until(lambda: not is_alive(runner) and not is_alive(worker), what="their ends")
    wait_until(lambda: len(of_kind(store, "tiny", "state")) >= 4, what="another run")
    (again,) = busy_with(scheduler, store, "tiny")
    assert again != worker


def test_a_terminated_runner_puts_its_job_back(store: JobStore, start: Start) -> None:
    store.submit(tiny_config(**STUCK))
    scheduler = start()
    busy_with(scheduler, store, "tiny")
    os.kill(runner_of(scheduler), signal.SIGTERM)
    wait_until(lambda: "queued: its server stopped" in texts(store, "tiny", "state"), what="being put back")
    assert store.get("tiny").attempts == 0


def test_a_killed_fork_server_costs_one_run(store: JobStore, start: Start) -> None:
    """All runners end with it; the scheduler has another one for the next."""
    store.submit(tiny_config(**STUCK))
    scheduler = start()
    (worker,) = busy_with(scheduler, store, "tiny")
    runner = runner_of(scheduler)
    kill(int(Path(f"/proc/{runner}/stat").read_text().rsplit(")", 1)[1].split()[1]))
    wait_until(lambda: not is_alive(runner) and not is_alive(worker), what="their ends")
    wait_until(lambda: bool(scheduler._children) and runner_of(scheduler) != runner, what="another runner")
    assert store.get("tiny").attempts == 1


def test_a_killed_server_takes_all_with_it_and_another_goes_on(
    store: JobStore, start: Start, tmp_path: Path, undisturbed: Callable[[Config], Record]
) -> None:
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    script = Path(__file__).parent / "server_process.py"
    server = subprocess.Popen([sys.executable, str(script), store.url, str(tmp_path)])
    try:
        wait_until(lambda: bool(of_kind(store, "longer", "trial")), what="a trial")
        below = descendants(server.pid)
        assert len(below) >= 3  # fork server, runner, nursery
    finally:
        server.kill()
        server.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in below), timeout_s=30, what="their ends")
    n_told = len(of_kind(store, "longer", "trial"))
    assert store.get("longer").state == JobState.RUNNING
    start(lease_s=LEASE_S)
    wait_for(store, "longer", JobState.DONE)
    same(tmp_path / "jobs" / "longer", undisturbed(config))
    assert any("did not renew its lease" in text for text in texts(store, "longer", "state"))
    numbers = [event.data["number"] for event in of_kind(store, "longer", "trial")]
    assert n_told < len(numbers) == len(set(numbers)) == len(Folder(tmp_path / "jobs" / "longer").rows())
