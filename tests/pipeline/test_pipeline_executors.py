"""Executors: a killed worker costs its own trial alone, and all end with their controller."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundled_jobs import ENDLESS, bundled_trial, folder
from tiny_jobs import make_folder, trial

from taskgroup.pipeline.executors import Ended, InlineExecutor, LocalExecutor
from taskgroup.pipeline.folder import Folder

__all__ = ["folder"]


@pytest.fixture
def executor(folder: Folder) -> Iterator[LocalExecutor]:
    made = LocalExecutor(folder.path, 2)
    yield made
    made.close()


def wait_for(executor: LocalExecutor, n: int) -> dict[str, Ended]:
    found: dict[str, Ended] = {}
    while len(found) < n:
        found |= {ended.key: ended for ended in executor.wait()}
    return found


def test_a_killed_worker_costs_its_own_trial_alone(folder: Folder, executor: LocalExecutor) -> None:
    endless, short = bundled_trial(1, ENDLESS), bundled_trial(2)
    executor.submit(endless)
    executor.submit(short)
    assert wait_for(executor, 1) == {short.key: Ended(short.key)}
    result = folder.result(short)
    assert result is not None
    assert result.state == "complete"
    pid = executor._processes[endless.key].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_for(executor, 1) == {endless.key: Ended(endless.key, "its worker was ended by SIGKILL")}
    assert folder.result(endless) is None
    assert not list(folder.trials.glob("*.partial"))


def test_closing_ends_what_is_under_way(folder: Folder, executor: LocalExecutor) -> None:
    executor.submit(bundled_trial(3, ENDLESS))
    (process,) = executor._processes.values()
    began = time.monotonic()
    executor.close()
    assert not process.is_alive()
    assert time.monotonic() - began < 20
    assert list(folder.trials.glob("*.json")) == []


def test_in_this_process_one_after_the_other(tmp_path: Path) -> None:
    prepared = make_folder(tmp_path / "job")
    executor, spec = InlineExecutor(prepared), trial(prepared)
    executor.submit(spec)
    assert executor.wait() == [Ended(spec.key)]
    assert executor.wait() == []
    assert prepared.folder.result(spec) is not None
