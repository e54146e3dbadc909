"""Leases and events of the store: one owner at a time, nobody speaks for a job that is not his, ids only grow."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context

import pytest
from sqlalchemy import Connection, text, update
from tiny_service import texts, tiny_config

from taskgroup.service.model import JobState
from taskgroup.service.store import JobStore, LeaseLostError, NoSuchJobError, database
from taskgroup.service.store.leases import MAX_RUNS
from taskgroup.service.store.tables import jobs

GONE = -1.0
"""A lease that has run out when it begins."""


@pytest.fixture
def store(store_url: str) -> Iterator[JobStore]:
    with closing(JobStore(store_url)) as made:
        yield made


def claim_all(url: str, owner: str) -> list[str]:
    """Names of all jobs that this claimant got."""
    found: list[str] = []
    with closing(JobStore(url)) as store:
        while (job := store.claim(owner, 60)) is not None:
            assert job.owner == owner
            found.append(job.name)
    return found


def without_backoff(store: JobStore) -> None:
    store._write(lambda connection: connection.execute(update(jobs).values(not_before=0.0)))


def test_the_highest_priority_first_then_the_oldest(store: JobStore) -> None:
    for name, priority in (("old", 0), ("new", 0), ("last", -1), ("first", 5)):
        store.submit(tiny_config(name), priority=priority)
    store.pause("new")
    store.resume("new")  # keeps its place
    store.submit(tiny_config("newest"), priority=0)
    assert claim_all(store.url, "me") == ["first", "old", "new", "newest", "last"]
    assert store.claim("me", 60) is None


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_no_two_claimants_get_the_same_job(store: JobStore, kind: str) -> None:
    names = [f"job{k}" for k in range(12)]
    for name in names:
        store.submit(tiny_config(name))
    owners = ["a", "b", "c"]
    if kind == "threads":
        with ThreadPoolExecutor(3) as threads:
            found = list(threads.map(lambda owner: claim_all(store.url, owner), owners))
    else:
        with get_context("forkserver").Pool(3) as pool:
            found = pool.starmap(claim_all, [(store.url, owner) for owner in owners])
    assert sorted(name for part in found for name in part) == sorted(names)
    for owner, part in zip(owners, found, strict=True):
        assert {store.get(name).owner for name in part} <= {owner}


def test_a_claim_is_compared_before_it_is_set(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a database ever let two writers in."""
    store.submit(tiny_config("a"))
    row = store._row

    def slow(connection: object, name: str) -> object:
        job = row(connection, name)  # type: ignore[arg-type]
        connection.execute(update(jobs).values(state="running", owner="you"))  # type: ignore[attr-defined]
        return job

    monkeypatch.setattr(store, "_row", slow)
    assert store.claim("me", 60) is None
    monkeypatch.undo()
    assert store.get("a").owner == "you"


def test_nobody_speaks_for_a_job_that_is_not_his(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.claim("me", 60)
    before = store.get("a"), store.events("a")
    data = {"step": "search", "done": 3, "total": 4}
    acts: list[Callable[[], object]] = [
        lambda: store.append("a", "progress", "3/4", data, owner="you"),
        lambda: store.renew("a", "you", 60),
        lambda: store.got_further("a", "you"),
        lambda: store.release("a", "you", JobState.DONE, ""),
        lambda: store.renew("gone", "me", 60),
    ]
    for act in acts:
        with pytest.raises(LeaseLostError):
            act()
    assert (store.get("a"), store.events("a")) == before
    store.release("a", "me", JobState.QUEUED, "")
    with pytest.raises(LeaseLostError):
        store.append("a", "note", "late", {}, owner="me")


def test_a_renewed_lease_goes_on(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.claim("me", GONE)
    assert store.renew("a", "me", 60).owner == "me"
    assert store.take_over_expired() == []
    assert store.get("a").state == JobState.RUNNING


def test_a_job_whose_owner_vanished_is_somebody_elses_after_a_while(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.claim("me", GONE)
    (job,) = store.take_over_expired()
    assert (job.state, job.owner, job.attempts) == (JobState.QUEUED, None, 1)
    assert (
        texts(store, "a", "state")[-1] == "queued: its server is gone (me did not renew its lease); it goes on in 1 s"
    )
    assert store.claim("you", 60) is None  # not at once
    without_backoff(store)
    claimed = store.claim("you", 60)
    assert claimed is not None
    assert claimed.owner == "you"
    assert texts(store, "a", "state")[-1] == "running: goes on after 1 run that ended badly"
    with pytest.raises(LeaseLostError):
        store.release("a", "me", JobState.DONE, "")


def test_a_job_that_never_gets_further_is_given_up(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    for k in range(MAX_RUNS):
        assert store.get("a").state == JobState.QUEUED, k
        store.claim("me", 60)
        store.release("a", "me", JobState.QUEUED, "its runner was ended by SIGKILL", badly=True)
        without_backoff(store)
    job = store.get("a")
    reason = "given up after 5 runs that ended badly, without a trial between them: its runner was ended by SIGKILL"
    assert (job.state, job.message) == (JobState.FAILED, reason)
    assert store.resume("a").attempts == 0


def test_one_that_gets_further_now_and_then_is_not(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    for k in range(2 * MAX_RUNS):
        store.claim("me", 60)
        if k % 3 == 0:
            store.got_further("a", "me")
        store.release("a", "me", JobState.QUEUED, "gone", badly=True)
        without_backoff(store)
    assert store.get("a").state == JobState.QUEUED


def test_who_was_asked_to_stop_is_not_run_again(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.claim("me", GONE)
    store.pause("a")
    (job,) = store.take_over_expired()
    assert job.state == JobState.PAUSED


def test_events_change_what_they_tell_of(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.claim("me", 60)
    store.append("a", "step", "search: 4 trials", {"step": "search", "total": 4}, owner="me")
    store.append("a", "progress", "…", {"step": "search", "done": 2, "total": 4, "best_gain": 0.5}, owner="me")
    store.append("a", "progress", "…", {"step": "search", "done": 3, "total": 4, "best_gain": None}, owner="me")
    job = store.get("a")
    assert (job.step, job.done, job.total, job.best_gain) == ("search", 3, 4, 0.5)
    store.append("a", "step", "confirm: 6 trials", {"step": "confirm", "total": 6}, owner="me")
    job = store.get("a")
    assert (job.step, job.done, job.total) == ("confirm", 0, 6)


def test_a_trial_is_told_once(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    store.submit(tiny_config("b"))
    first = store.append("a", "trial", "trial 0", {"number": 0, "gain": 0.1})
    assert store.append("a", "trial", "trial 0 again", {"number": 0, "gain": 0.2}) == first
    store.append("a", "trial", "trial 1", {"number": 1})
    store.append("b", "trial", "trial 0", {"number": 0})
    assert texts(store, "a", "trial") == ["trial 0", "trial 1"]
    with pytest.raises(NoSuchJobError):
        store.append("c", "note", "", {})


def test_readers_see_events_in_the_order_of_their_ids(store: JobStore) -> None:
    """Nothing appears before what was seen already, however many write."""
    for name in ("a", "b", "c"):
        store.submit(tiny_config(name))
    over, seen = threading.Event(), list[int]()

    def write(name: str) -> None:
        with closing(JobStore(store.url)) as own:
            for k in range(40):
                own.append(name, "note", str(k), {})

    def read() -> None:
        while not over.is_set():
            seen.extend(event.id for event in store.events(None, after=seen[-1] if seen else 0, limit=7))

    with ThreadPoolExecutor(4) as threads:
        reader = threads.submit(read)
        for done in [threads.submit(write, name) for name in ("a", "b", "c")]:
            done.result()
        over.set()
        reader.result()
    seen.extend(event.id for event in store.events(None, after=seen[-1]))
    assert seen == [event.id for event in store.events(None)]
    assert len(seen) == len(set(seen)) == 3 * 41
    assert [event.text for event in store.events("b", limit=4)] == ["queued", "0", "1", "2"]


def test_a_writer_waits_for_the_other(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its beginning: what it read would be out of date otherwise, and it would be refused."""
    store.submit(tiny_config("a"))
    entered = threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(update(jobs).values(message="at work"))
        entered.set()
        threading.Event().wait(0.6)

    with closing(JobStore(store.url)) as other, ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(database, "PATIENCE_S", 0.0)
        first = threads.submit(lambda: other._write(slow))
        assert entered.wait(30)
        assert store.get("a").message == ""  # readers do not wait
        assert store.pause("a").message == "by request"
        first.result()
    assert store.get("a").message == "by request"


def test_cut_connections_are_replaced(store: JobStore) -> None:
    if not store._is_postgres:
        pytest.skip("SQLite has no connections to cut")
    store.submit(tiny_config("a"))
    own = "pid <> pg_backend_pid() AND datname = current_database()"
    cut = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}")
    with closing(JobStore(store.url)) as other:
        other._read(lambda connection: connection.execute(cut))
        assert store.get("a").name == "a"
        other._read(lambda connection: connection.execute(cut))
        store.append("a", "note", "still here", {})


def test_a_transaction_that_was_cut_is_done_again(store: JobStore) -> None:
    if not store._is_postgres:
        pytest.skip("SQLite has no connections to cut")
    store.submit(tiny_config("a"))
    n_tries = itertools.count()

    def work(connection: Connection) -> None:
        connection.execute(update(jobs).values(message="done"))
        if next(n_tries) < 2:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    store._write(work)
    assert next(n_tries) == 3
    assert store.get("a").message == "done"
