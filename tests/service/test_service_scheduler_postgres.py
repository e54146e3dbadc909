"""Servers over PostgreSQL: it is restarted under a running job, and two servers share the jobs of one database."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scheduled import LONGER, Start, same, start, undisturbed
from tiny_service import of_kind, tiny_config, wait_for

from taskgroup.bench.serving.postgres import PostgresServer
from taskgroup.bench.serving.processes import wait_until
from taskgroup.core.record import Record
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.service.model import JobState
from taskgroup.service.store import JobStore

__all__ = ["start", "undisturbed"]


@pytest.fixture
def store(postgres_url: str) -> Iterator[JobStore]:
    with contextlib.closing(JobStore(postgres_url)) as made:
        yield made


def test_a_restarted_database_costs_no_trial(
    store: JobStore, start: Start, tmp_path: Path, postgres: PostgresServer, undisturbed: Callable[[Config], Record]
) -> None:
    """It holds jobs and studies."""
    config = tiny_config("longer", **LONGER)
    store.submit(config)
    start(storage=store.url)
    for n_told in (1, 3):
        wait_until(lambda n=n_told: len(of_kind(store, "longer", "trial")) >= n, what="trials")  # type: ignore[misc]
        postgres.restart(kill=True)
    wait_for(store, "longer", JobState.DONE)
    same(tmp_path / "jobs" / "longer", undisturbed(config))
    numbers = [event.data["number"] for event in of_kind(store, "longer", "trial")]
    assert numbers == [row.number for row in Folder(tmp_path / "jobs" / "longer").rows()]


def test_two_servers_run_each_job_once(store: JobStore, start: Start) -> None:
    names = [f"job{k}" for k in range(3)]
    for name in names:
        store.submit(tiny_config(name))
    for owner in ("one", "other"):
        start(owner=owner)
    for name in names:
        wait_for(store, name, JobState.DONE)
        assert [e.data["state"] for e in of_kind(store, name, "state")] == ["queued", "running", "done"]
        numbers = [event.data["number"] for event in of_kind(store, name, "trial")]
        assert numbers == sorted(set(numbers))
