"""Workers that a nursery forks: as those of the local executor, and none outlives the nursery or its maker."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from bundled_jobs import ENDLESS, bundled_trial, folder

from taskgroup.pipeline.executors import Ended, LocalExecutor
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.nursery import NICENESS, Nursery

__all__ = ["folder"]


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def workers(nursery: Nursery, n: int) -> list[int]:
    wait_until(lambda: len(children(nursery._pid)) == n)
    return children(nursery._pid)


def ended(nursery: Nursery, n: int) -> dict[str, str | None]:
    found: list[Ended] = []
    while len(found) < n:
        found += nursery.wait(60)
    return {end.key: end.reason for end in found}


def a_killed_worker_costs_its_own_trial_alone(folder: Folder) -> None:
    nursery = Nursery(folder.path, 2)
    endless, short, third = bundled_trial(1, ENDLESS), bundled_trial(2), bundled_trial(3)
    nursery.submit(endless)
    (pid,) = workers(nursery, 1)
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.nice(0) + NICENESS))
    nursery.submit(short)
    assert ended(nursery, 1) == {short.key: None}
    assert folder.result(short) is not None
    assert nursery.wait(0.05) == []
    os.kill(pid, signal.SIGKILL)
    assert ended(nursery, 1) == {endless.key: "its worker was ended by SIGKILL"}
    assert folder.result(endless) is None
    nursery.submit(third)
    assert ended(nursery, 1) == {third.key: None}
    nursery.close()


def a_stopped_worker_is_killed_when_its_time_is_up(folder: Folder) -> None:
    nursery = Nursery(folder.path, 2, limit_s=3.0)
    stuck, busy = bundled_trial(1, ENDLESS), bundled_trial(2, ENDLESS)
    nursery.submit(stuck)
    (pid,) = workers(nursery, 1)
    os.kill(pid, signal.SIGSTOP)
    nursery.submit(busy)
    assert ended(nursery, 2) == dict.fromkeys([stuck.key, busy.key], "its worker took longer than the limit of 3 s")
    assert children(nursery._pid) == []
    nursery.close()


def a_worker_that_cannot_work_says_so(folder: Folder) -> None:
    (folder.data / "problem.json").unlink()
    nursery = Nursery(folder.path, 1)
    spec = bundled_trial(1)
    nursery.submit(spec)
    assert ended(nursery, 1) == {spec.key: None}
    left = (folder.trials / f"{spec.key}.json").read_text()
    assert "failed" in left
    assert "problem.json" in left
    nursery.close()


def closing_ends_all(folder: Folder) -> None:
    nursery = Nursery(folder.path, 2)
    for k in (1, 2):
        nursery.submit(bundled_trial(k, ENDLESS))
    pids, forked = workers(nursery, 2), nursery._pid
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(forked, signal.SIGSTOP)
    nursery.close()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [*pids, forked]))
    nursery.close()  # nothing is left to do


def nobody_outlives_a_killed_nursery(folder: Folder) -> None:
    nursery = Nursery(folder.path, 2)
    nursery.submit(bundled_trial(1, ENDLESS))
    nursery.submit(bundled_trial(2, ENDLESS))
    pids = workers(nursery, 2)
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(nursery._pid, signal.SIGKILL)
    with pytest.raises(EOFError):
        nursery.wait(60)
    with pytest.raises(OSError):
        nursery.submit(bundled_trial(3))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    nursery.close()


def make_and_work(folder: Folder, pids: Path) -> None:
    nursery = Nursery(folder.path, 2)
    nursery.submit(bundled_trial(1, ENDLESS))
    nursery.submit(bundled_trial(2, ENDLESS))
    found = workers(nursery, 2)
    os.kill(found[0], signal.SIGSTOP)
    pids.write_text(" ".join(str(pid) for pid in [nursery._pid, *found]))
    time.sleep(300)


def _in_process(scenario: Callable[[Folder], None], folder: Folder) -> None:
    try:
        scenario(folder)
    except BaseException:
        traceback.print_exc()
        sys.exit(9)


def started(scenario: Callable[..., None], *arguments: object) -> int:
    """Exit code of a process with one thread and everything loaded, as a nursery's maker should be."""
    process = get_context("forkserver").Process(target=_in_process, args=(scenario, *arguments))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.parametrize(
    "scenario",
    [
        a_killed_worker_costs_its_own_trial_alone,
        a_stopped_worker_is_killed_when_its_time_is_up,
        a_worker_that_cannot_work_says_so,
        closing_ends_all,
        nobody_outlives_a_killed_nursery,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_in_a_process_of_its_own(scenario: Callable[[Folder], None], folder: Folder) -> None:
    assert started(scenario, folder) == 0


def test_nobody_outlives_the_maker(folder: Folder, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = get_context("forkserver").Process(target=make_and_work, args=(folder, pids))
    process.start()
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()))


def test_a_local_worker_too_is_killed_when_its_time_is_up(folder: Folder) -> None:
    executor = LocalExecutor(folder.path, 2, limit_s=4.0)
    stuck, short = bundled_trial(1, ENDLESS), bundled_trial(2)
    executor.submit(stuck)
    assert executor.wait(0.05) == []
    pid = executor._processes[stuck.key].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        assert executor.wait() == [Ended(stuck.key, "its worker took longer than the limit of 4 s")]
        executor.submit(short)
        assert executor.wait()[0].key == short.key
    finally:
        executor.close()
    assert executor._deadlines == {}
