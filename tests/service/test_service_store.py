"""The store: jobs are handed in once, listed, edited, stopped and deleted; every change has its event."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tiny_service import texts, tiny_config

from taskgroup.errors import ConflictError, InputError
from taskgroup.service.model import JobState
from taskgroup.service.store import JobStore, NoSuchJobError
from taskgroup.service.store.tables import schema


@pytest.fixture
def store(store_url: str) -> Iterator[JobStore]:
    with contextlib.closing(JobStore(store_url)) as made:
        yield made


def states(store: JobStore, name: str) -> list[str]:
    return [event.data["state"] for event in store.events(name) if event.kind == "state"]


def at(store: JobStore, state: JobState, name: str = "a") -> None:
    """A job in ``state``."""
    store.submit(tiny_config(name))
    if state == JobState.QUEUED:
        return
    job = store.claim("me", 60)
    assert job is not None
    if state != JobState.RUNNING:
        if state in (JobState.PAUSED, JobState.CANCELLED):
            (store.pause if state == JobState.PAUSED else store.cancel)(name)
            state = JobState.QUEUED
        store.release(name, "me", state, "why")


def test_a_job_is_handed_in_once(store: JobStore) -> None:
    config = tiny_config("a")
    job, is_new = store.submit(config, priority=3, workers=2)
    assert (is_new, job.state, job.priority, job.workers, job.trials) == (True, JobState.QUEUED, 3, 2, None)
    assert (job.config, job.config_hash) == (config.to_dict(), config.fingerprint)
    again, is_new = store.submit(config, priority=7)
    assert (again, is_new) == (job, False)
    assert texts(store, "a") == ["queued"]


def test_another_config_under_the_same_name_is_refused_with_the_difference(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    with pytest.raises(ConflictError, match=r"search\.trials: was 4, now 9") as caught:
        store.submit(tiny_config("a", search={"trials": 9}))
    assert "with another config" in str(caught.value)
    assert store.get("a").config["search"]["trials"] == 4


@pytest.mark.parametrize("act", ["get", "pause", "resume", "cancel", "delete", "edit"])
def test_a_job_that_is_not_there(store: JobStore, act: str) -> None:
    with pytest.raises(NoSuchJobError, match="there is no job `b`"):
        getattr(store, act)("b")


def test_lists_are_filtered_and_paged_newest_first(store: JobStore) -> None:
    for name in ("alpha-1", "alpha_2", "beta-3", "beta-4"):
        store.submit(tiny_config(name))
    store.pause("beta-3")
    assert [job.name for job in store.jobs()[0]] == ["beta-4", "beta-3", "alpha_2", "alpha-1"]
    page, total = store.jobs(limit=2, offset=1)
    assert ([job.name for job in page], total) == (["beta-3", "alpha_2"], 4)
    assert [job.name for job in store.jobs(search="ALPHA")[0]] == ["alpha_2", "alpha-1"]
    assert [job.name for job in store.jobs(search="_")[0]] == ["alpha_2"]  # no wildcard
    page, total = store.jobs([JobState.PAUSED, JobState.DONE])
    assert ([job.name for job in page], total) == (["beta-3"], 1)
    assert store.counts() == {**dict.fromkeys(JobState, 0), JobState.QUEUED: 3, JobState.PAUSED: 1}


ENDS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
LEADS_TO: dict[str, dict[JobState, JobState | None]] = {
    "pause": {
        JobState.QUEUED: JobState.PAUSED,
        JobState.PAUSED: JobState.PAUSED,
        **dict.fromkeys(ENDS),
    },
    "resume": {
        JobState.QUEUED: JobState.QUEUED,
        JobState.RUNNING: JobState.RUNNING,
        **dict.fromkeys((JobState.PAUSED, JobState.FAILED, JobState.CANCELLED), JobState.QUEUED),
        JobState.DONE: None,
    },
    "cancel": {
        **dict.fromkeys((JobState.QUEUED, JobState.PAUSED, JobState.CANCELLED), JobState.CANCELLED),
        JobState.DONE: None,
        JobState.FAILED: None,
    },
}


@pytest.mark.parametrize(
    ("act", "state", "then"), [(act, state, then) for act, each in LEADS_TO.items() for state, then in each.items()]
)
def test_what_may_be_asked_of_a_job_that_nobody_runs(
    store: JobStore, act: str, state: JobState, then: JobState | None
) -> None:
    at(store, state)
    before = store.events("a")
    if then is None:
        with pytest.raises(ConflictError, match=r"^job `a` (is|has) \w+; only .* can be"):
            getattr(store, act)("a")
    else:
        assert getattr(store, act)("a").state == then
    assert store.get("a").state == (then or state)
    assert len(store.events("a")) == len(before) + (then not in (None, state))
    assert (store.get("a").ended is not None) == store.get("a").state.is_terminal


@pytest.mark.parametrize(("act", "then"), [("pause", JobState.PAUSED), ("cancel", JobState.CANCELLED)])
def test_a_running_job_gets_word_and_stops_when_its_runner_does(store: JobStore, act: str, then: JobState) -> None:
    at(store, JobState.RUNNING)
    job = getattr(store, act)("a")
    assert (job.state, job.wanted) == (JobState.RUNNING, act)
    assert getattr(store, act)("a") == job  # no second event
    assert texts(store, "a", "note") == ["asked to pause" if act == "pause" else "asked to be cancelled"]
    assert store.release("a", "me", JobState.QUEUED, "its server stopped").state == then
    assert store.get("a").wanted == "run"
    assert store.get("a").message == "by request"


def test_a_pause_may_be_taken_back_a_cancellation_not(store: JobStore) -> None:
    at(store, JobState.RUNNING)
    store.pause("a")
    assert store.resume("a").wanted == "run"
    assert store.release("a", "me", JobState.QUEUED, "").state == JobState.QUEUED
    store.claim("me", 60)
    store.cancel("a")
    for act in (store.resume, store.pause):
        with pytest.raises(ConflictError, match="job `a` is being cancelled"):
            act("a")


@pytest.mark.parametrize("end", [JobState.DONE, JobState.FAILED])
def test_what_has_ended_has_ended_whatever_was_asked(store: JobStore, end: JobState) -> None:
    at(store, JobState.RUNNING)
    store.cancel("a")
    assert store.release("a", "me", end, "").state == end


def test_edits_are_kept_with_an_event_each(store: JobStore) -> None:
    store.submit(tiny_config("a"))
    job = store.edit("a", trials=9, workers=3, priority=-5)
    assert (job.trials, job.workers, job.priority) == (9, 3, -5)
    assert job.config["search"]["trials"] == 4
    assert [event.data for event in store.events("a")[1:]] == [{"trials": 9}, {"workers": 3}, {"priority": -5}]
    assert store.edit("a", workers=3) == job  # nothing new, no event
    assert len(store.events("a")) == 4


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"trials": 1}, "`trials`: should be at least 2, found 1"),
        ({"workers": 0}, "`workers`: should be at least 1, found 0"),
        ({"priority": 101}, "`priority`: should be from -100 to 100, found 101"),
    ],
)
def test_numbers_out_of_range(store: JobStore, numbers: dict[str, Any], words: str) -> None:
    store.submit(tiny_config("a"))
    with pytest.raises(InputError, match=words):
        store.edit("a", **numbers)
    if "trials" not in numbers:
        with pytest.raises(InputError, match=words):
            store.submit(tiny_config("b"), **numbers)
    assert len(store.events(None)) == 1


def test_a_budget_cannot_be_edited_once_it_is_spent(store: JobStore) -> None:
    at(store, JobState.RUNNING)
    store.append("a", "step", "search: 4 trials", {"step": "search", "total": 4}, owner="me")
    assert store.edit("a", trials=6).total == 6
    store.append("a", "step", "confirm: 6 trials", {"step": "confirm", "total": 6}, owner="me")
    with pytest.raises(ConflictError, match="in step confirm, its search is over"):
        store.edit("a", trials=8)
    assert store.edit("a", workers=2).workers == 2
    store.release("a", "me", JobState.DONE, "")
    with pytest.raises(ConflictError, match="job `a` is done; only jobs that have not ended can be changed"):
        store.edit("a", workers=1)


def test_a_deleted_job_is_gone_with_its_events(store: JobStore) -> None:
    at(store, JobState.RUNNING)
    store.submit(tiny_config("b"))
    with pytest.raises(ConflictError, match="job `a` is running; cancel it before you delete it"):
        store.delete("a")
    store.release("a", "me", JobState.DONE, "")
    last = store.events(None)[-1].id
    store.delete("a")
    assert [job.name for job in store.jobs()[0]] == ["b"]
    assert {event.job for event in store.events(None)} == {"b"}
    store.submit(tiny_config("a"))
    assert store.events("a")[0].id > last


def test_change_and_event_are_one(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    at(store, JobState.RUNNING)
    monkeypatch.setattr(JobStore, "_event", lambda *_, **__: 1 / 0)
    for act in (
        lambda: store.release("a", "me", JobState.DONE, ""),
        lambda: store.pause("a"),
        lambda: store.edit("a", workers=5),
        lambda: store.append("a", "progress", "", {"step": "search", "done": 3, "total": 4}),
    ):
        with pytest.raises(ZeroDivisionError):
            act()
    job = store.get("a")
    assert (job.state, job.wanted, job.workers, job.done) == (JobState.RUNNING, "run", None, 0)


def test_tables_of_a_newer_version_are_refused(store: JobStore, store_url: str) -> None:
    store._write(lambda connection: connection.execute(update(schema).values(version=99)))
    with pytest.raises(InputError, match="has tables of version 99, this taskgroup knows them up to 1: use a newer"):
        JobStore(store_url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "should be a URL such as"),
        ("mysql://u:secret@host/x", "should be SQLite or PostgreSQL, found mysql"),
        ("sqlite://", "should be a file"),
        ("sqlite:////nowhere/at/all.db", "cannot be opened: unable to open database file"),
        ("postgresql+nodriver://u:secret@host/x", "cannot be opened"),
    ],
)
def test_databases_that_are_none(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        JobStore(url)
    assert "secret" not in str(caught.value)


def test_it_says_whether_it_is_there(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 's.db'}")
    assert store.is_ready()
    store.close()
    (tmp_path / "s.db").unlink()
    assert not store.is_ready()
