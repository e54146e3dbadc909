"""Schedulers that tests start and stop, and what their jobs come to when nobody disturbs them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_service import ENDLESS

from taskgroup.bench.serving.evidence import differences
from taskgroup.bench.serving.processes import wait_until, workers_of
from taskgroup.core.record import Record
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Silent
from taskgroup.service.scheduler import Scheduler
from taskgroup.service.store import JobStore

Start = Callable[..., Scheduler]
LONGER: dict[str, Any] = {"search": {"steps": 200}}
"""Trials of the search take a few tenths of a second."""
STUCK: dict[str, Any] = {"search": ENDLESS}
"""The search's trials never end."""


@pytest.fixture
def start(store: JobStore, tmp_path: Path) -> Iterator[Start]:
    """Starts schedulers, and stops them."""
    made: list[Scheduler] = []

    def begin(**options: Any) -> Scheduler:
        scheduler = Scheduler(store, tmp_path, **{"workers": 1, **options})
        made.append(scheduler)
        scheduler.start()
        return scheduler

    yield begin
    for scheduler in made:
        scheduler.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], Record]:
    """What a job comes to that nobody disturbs."""
    known: dict[str, Record] = {}

    def run(config: Config) -> Record:
        if config.fingerprint not in known:
            out = tmp_path_factory.mktemp("undisturbed") / config.name
            arguments = {"workers": 1, "base": Path(), "inline": True, "report": False}
            known[config.fingerprint] = run_job(config, out, progress=Silent(), **arguments)  # type: ignore[arg-type]
        return known[config.fingerprint]

    return run


def same(folder: Path, record: Record) -> None:
    assert differences(folder, record) == []


def runner_of(scheduler: Scheduler) -> int:
    wait_until(lambda: bool(scheduler._children), what="a runner")
    pid = scheduler._children[0].process.pid
    assert pid is not None
    return pid


def busy_with(scheduler: Scheduler, store: JobStore, name: str, n: int = 1) -> list[int]:
    """Workers of a job that is in its search."""
    wait_until(lambda: store.get(name).step == "search", what="the search")
    pid = runner_of(scheduler)
    wait_until(lambda: len(workers_of(pid)) == n, what="workers")
    return workers_of(pid)
