"""Events: lists, and streams that are resumed, give signs of life, end, and are many."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_app import finish, listening, problems, run_apart, running, submitted, until
from starlette.testclient import TestClient

from taskgroup.service import hub as hub_module
from taskgroup.service.hub import Hub
from taskgroup.service.metrics import Metrics
from taskgroup.service.model import Event, JobState
from taskgroup.service.store import JobStore

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[TestClient, JobStore]]:
    with running(tmp_path) as both:
        yield both


def notes(store: JobStore, count: int, job: str = "digits") -> list[int]:
    return [store.append(job, "note", f"note {k}", {}).id for k in range(count)]


def ids(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


def test_events_as_a_list(app: tuple[TestClient, JobStore]) -> None:
    client, store = app
    submitted(store)
    submitted(store, "other")
    made = notes(store, 5)
    assert [e["id"] for e in client.get(f"/api/jobs/digits/events?after={made[1]}").json()["events"]] == made[2:]
    assert len(client.get("/api/jobs/digits/events?limit=2").json()["events"]) == 2
    assert {e["job"] for e in client.get("/api/events").json()["events"]} == {"digits", "other"}


def test_a_stream_of_a_job_that_is_over_is_resumed_and_ends(app: tuple[TestClient, JobStore]) -> None:
    client, store = app
    submitted(store)
    made = notes(store, 5)
    store.cancel("digits")
    whole = client.get("/api/jobs/digits/events", headers=STREAM)
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert len(ids(whole.text)) == 7
    assert whole.text.startswith(": ping\n\nevent: state\ndata: {")
    for resumed in (
        client.get("/api/jobs/digits/events", headers={**STREAM, "Last-Event-ID": str(made[2])}),
        client.get(f"/api/jobs/digits/events?after={made[2]}", headers=STREAM),
    ):
        assert ids(resumed.text) == [*made[3:], made[-1] + 1]
    assert ids(client.get("/api/jobs/digits/events?after=99", headers=STREAM).text) == []


def test_a_job_that_failed_and_was_resumed_is_not_over(app: tuple[TestClient, JobStore]) -> None:
    client, store = app
    submitted(store)
    finish(store, "digits", JobState.FAILED)
    store.resume("digits")
    store.cancel("digits")
    kinds = [
        line for line in client.get("/api/jobs/digits/events", headers=STREAM).text.splitlines() if "data:" in line
    ]
    assert '"state":"failed"' in kinds[2]
    assert '"state":"cancelled"' in kinds[-1]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 19, "1 2", "\u0663"])
def test_a_last_id_that_is_none(app: tuple[TestClient, JobStore], last: str) -> None:
    answer = app[0].get("/api/events", headers={b"Last-Event-ID": last.encode()})
    assert answer.status_code == 422
    assert "Last-Event-ID" in problems(answer)[0]


def test_another_representation_is_not_had(app: tuple[TestClient, JobStore]) -> None:
    assert app[0].get("/api/events", headers={"Accept": "image/png"}).status_code == 406


async def connect(url: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def read_until(reader: asyncio.StreamReader, word: str) -> str:
    text = b""
    async with asyncio.timeout(60):
        while word.encode() not in text:
            chunk = await reader.read(65536)
            assert chunk, text
            text += chunk
    return text.decode()


def test_fifty_streams_are_told_at_once_without_a_thread_each(tmp_path: Path) -> None:
    with listening(tmp_path) as (url, app, store):
        submitted(store)
        streams = app.state.context.metrics.streams

        async def watch() -> int:
            both = [await connect(url, "/api/jobs/digits/events") for _ in range(25)]
            both += [await connect(url, "/api/events") for _ in range(25)]
            await asyncio.gather(*(read_until(reader, "queued") for reader, _ in both))
            assert streams._value.get() == 50
            store.append("digits", "note", "the last word", {})
            await asyncio.gather(*(read_until(reader, "the last word") for reader, _ in both))
            n_threads = threading.active_count()
            for _, writer in both:
                writer.close()
            return n_threads

        before = threading.active_count()
        n_threads = run_apart(watch())
        assert n_threads - before < 50  # the pool for the store's calls, not a thread for each stream
        assert n_threads <= 45
        until(lambda: streams._value.get() == 0)


def test_a_silent_stream_gives_signs_of_life_and_ends_with_the_server(tmp_path: Path) -> None:
    async def watch(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await connect(url, "/api/jobs/digits/events")
        text = await read_until(reader, "queued")
        for _ in range(3):
            text += await read_until(reader, ": ping\n\n")
        return reader, writer

    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        url, app, store = stack.enter_context(listening(tmp_path))
        app.state.context.hub._heartbeat_s = 0.1
        submitted(store)
        reader, writer = runner.run(watch(url))
        stack.close()  # stops the server, which waits for nobody
        rest = runner.run(asyncio.wait_for(reader.read(), 30))
        assert rest.endswith(b"0\r\n\r\n")
        writer.close()


def test_a_stream_of_a_job_that_is_deleted_ends(tmp_path: Path) -> None:
    async def watch(url: str, store: JobStore) -> None:
        reader, writer = await connect(url, "/api/jobs/digits/events")
        await read_until(reader, "queued")
        store.delete("digits")
        await read_until(reader, "0\r\n\r\n")
        writer.close()

    with listening(tmp_path) as (url, app, store):
        app.state.context.hub._heartbeat_s = 0.1
        submitted(store)
        run_apart(watch(url, store))


@contextlib.asynccontextmanager
async def reading(hub: Hub) -> AsyncIterator[None]:
    await hub.start()
    reader = asyncio.create_task(hub.run())
    yield
    reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader


async def take(stream: Any, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            event = await anext(stream)
            found += [] if event is None else [event.id]
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    found = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    yield found
    found.close()


def test_a_slow_client_misses_nothing(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_BEHIND", 10)
    submitted(store)
    first = notes(store, 3)
    hub = Hub(store, Metrics())

    async def watch() -> list[int]:
        async with reading(hub):
            stream = hub.follow("digits", 0)
            got = await take(stream, 4)
            made = notes(store, 40)
            until_seen = made[-1]
            while hub._last < until_seen:  # the hub has seen all, the stream has been asked for none
                await asyncio.sleep(0.01)
            assert next(iter(hub._followers)).behind
            assert await take(stream, 40) == made
            await stream.aclose()
            return got

    assert run_apart(watch())[1:] == first
    assert hub._followers == set()


def test_a_database_that_is_away_for_a_while_is_waited_for(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    submitted(store)
    hub = Hub(store, Metrics())
    failures = iter(range(3))
    real = store.events

    def flaky(name: str | None, after: int = 0, limit: int = 1000) -> list[Event]:
        if name is None and next(failures, None) is not None:
            raise OSError("the database is away")
        return real(name, after, limit)

    async def watch() -> None:
        async with reading(hub):
            stream = hub.follow("digits", 0)
            await take(stream, 1)
            monkeypatch.setattr(store, "events", flaky)
            while "events cannot be read" not in caplog.text:
                await asyncio.sleep(0.01)
            made = notes(store, 2)
            assert await take(stream, 2) == made
            while hub._last < made[-1]:  # it has found its way back
                await asyncio.sleep(0.01)
            await stream.aclose()

    run_apart(watch())
    assert caplog.text.count("events cannot be read") == 1


def test_an_event_that_was_read_and_told_comes_once(store: JobStore) -> None:
    submitted(store)
    hub = Hub(store, Metrics())

    async def watch() -> None:
        async with reading(hub):
            stream = hub.follow("digits", 0)
            await take(stream, 1)
            follower = next(iter(hub._followers))
            follower.tell(store.events("digits")[0])
            waiting = asyncio.create_task(take(stream, 1))
            while follower.waiting:  # what it has read already is passed over
                await asyncio.sleep(0.01)
            made = notes(store, 1)
            assert await waiting == made
            await stream.aclose()

    run_apart(watch())
