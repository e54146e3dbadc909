"""Executors: a killed worker costs its own trial alone, and all end with their controller."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_jobs import make_folder, trial

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialSpec
from taskgroup.pipeline.config import parse_config
from taskgroup.pipeline.executors import Ended, InlineExecutor, LocalExecutor
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.prepared import prepare
from taskgroup.problems.load import load_problem


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A bundled problem, which workers can load."""
    config = parse_config(
        {"name": "x", "problem": {"source": "bundled", "name": "linnerud"}, "trunk": {"name": "mlp", "width": 4}},
        "x",
        Path(),
    )
    assert config.problem is not None
    found = Folder(tmp_path / "job")
    with found.held():
        prepare(load_problem(config.problem, config.trunk, Path()), found, {})
    return found


@pytest.fixture
def executor(folder: Folder) -> Iterator[LocalExecutor]:
    made = LocalExecutor(folder.path, 2)
    yield made
    made.close()


def job(seed: int, steps: int) -> TrialSpec:
    topology = Topology.shared(("weight", "waist", "pulse"), ("block1", "block2", "block3"))
    return TrialSpec(
        job="x",
        data="d",
        step="search",
        architecture=Architecture(topology=topology),
        seed=seed,
        train=TrainOptions(steps=steps),
    )


def wait_for(executor: LocalExecutor, n: int) -> dict[str, Ended]:
    found: dict[str, Ended] = {}
    while len(found) < n:
        found |= {ended.key: ended for ended in executor.wait()}
    return found


def test_a_killed_worker_costs_its_own_trial_alone(folder: Folder, executor: LocalExecutor) -> None:
    endless, short = job(1, 10_000_000), job(2, 3)
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
    executor.submit(job(3, 10_000_000))
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
