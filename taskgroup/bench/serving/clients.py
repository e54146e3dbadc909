"""Clients of the load cell, in a process of their own: ``python -m taskgroup.bench.serving.clients``.

Reads :class:`Orders` as JSON from standard input, writes :class:`Answers` as JSON to standard output.
"""

import asyncio
import itertools
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from taskgroup.core.task import Frozen

if TYPE_CHECKING:
    import httpx

GRACE_S = 60.0
"""Longest silence of a stream, and longest wait for an answer."""


class Orders(Frozen):
    """What the clients are to do.

    Attributes:
        url: Of the server.
        jobs: Names; a client looks at one of them, and half of the streams follow one each.
        n_clients: That ask one route after the other.
        n_streams: Held open all the time; every second one is of all jobs.
        seconds: For so long.
        pause_s: From the begin of a request to that of the next of the same client; 0 for none.
        after: Id of the last event before, from which on streams of all jobs begin.
    """

    url: str
    jobs: tuple[str, ...]
    n_clients: int
    n_streams: int
    seconds: float
    pause_s: float
    after: int


class Stream(Frozen):
    """What came over a stream.

    Attributes:
        job: Whose; None for all.
        after: Events with larger ids were asked for.
        ids: Of the events that came.
        is_over: Whether the server ended it.
        error: Why it broke; empty where it did not.
    """

    job: str | None
    after: int
    ids: tuple[int, ...]
    is_over: bool
    error: str


class Answers(Frozen):
    """What the clients saw.

    Attributes:
        began: Unix seconds.
        ended: Likewise.
        latencies_ms: Of every request.
        errors: Of requests: those that had no answer, or none of 2xx.
        streams: All of them.
    """

    began: float
    ended: float
    latencies_ms: tuple[float, ...]
    errors: tuple[str, ...]
    streams: tuple[Stream, ...]


@dataclass
class _Polled:
    """Grows while clients poll."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class _Following:
    """Grows while a stream is open."""

    job: str | None
    after: int
    ids: list[int] = field(default_factory=list)
    is_over: bool = False
    error: str = ""


async def _poll(http: "httpx.AsyncClient", orders: Orders, k: int, found: _Polled) -> None:
    """One client: a job, the list, the job's trials, and again, as the page does."""
    import httpx

    job = orders.jobs[k % len(orders.jobs)]
    await asyncio.sleep(orders.pause_s * k / orders.n_clients)
    for path in itertools.cycle((f"/api/jobs/{job}", "/api/jobs?limit=50", f"/api/jobs/{job}/trials")):
        started = time.perf_counter()
        try:
            answer = await http.get(path)
            if not answer.is_success:
                found.errors.append(f"{path}: {answer.status_code}")
        except httpx.HTTPError as error:
            found.errors.append(f"{path}: {type(error).__name__}")
        seconds = time.perf_counter() - started
        found.latencies_ms.append(1000 * seconds)
        await asyncio.sleep(max(0.0, orders.pause_s - seconds))


async def _follow(http: "httpx.AsyncClient", found: _Following) -> None:
    """One stream, for as long as it goes on."""
    import httpx

    path = "/api/events" if found.job is None else f"/api/jobs/{found.job}/events"
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(found.after)}
    try:
        async with http.stream("GET", path, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    found.ids.append(int(line.removeprefix("id: ")))
        found.is_over = True
    except httpx.HTTPError as error:
        found.error = f"{path}: {type(error).__name__}"


async def work(orders: Orders) -> Answers:
    """Do what is ordered."""
    import httpx

    polled = _Polled()
    jobs = [None if k % 2 else orders.jobs[k // 2 % len(orders.jobs)] for k in range(orders.n_streams)]
    following = [_Following(job, orders.after if job is None else 0) for job in jobs]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    began = time.time()
    async with httpx.AsyncClient(base_url=orders.url, timeout=GRACE_S, limits=limits) as http:
        polls = [_poll(http, orders, k, polled) for k in range(orders.n_clients)]
        streams = [_follow(http, stream) for stream in following]
        tasks = [asyncio.create_task(task) for task in (*streams, *polls)]
        await asyncio.sleep(orders.seconds)
        ended = time.time()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Answers(
        began=began,
        ended=ended,
        latencies_ms=tuple(polled.latencies_ms),
        errors=tuple(polled.errors),
        streams=tuple(Stream(**vars(stream) | {"ids": tuple(stream.ids)}) for stream in following),
    )


if __name__ == "__main__":
    print(asyncio.run(work(Orders.model_validate_json(sys.stdin.read()))).model_dump_json())
