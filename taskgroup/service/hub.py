"""The hub: one reader of new events for all streams, none of which has a thread of its own."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from anyio import to_thread

from taskgroup.service.metrics import Metrics
from taskgroup.service.model import TERMINAL, Event, JobState
from taskgroup.service.pace import Pace
from taskgroup.service.store import JobStore, NoSuchJobError

LOG = logging.getLogger("taskgroup.service")

EVERY_S = 0.25
IDLE_S = 1.0
"""Between two looks, with streams and without."""

HEARTBEAT_S = 15.0
"""Proxies close connections on which nothing is said."""

PAGE = 500
MAX_BEHIND = 2 * PAGE
"""Events that wait for a slow client; one that is further behind reads the store again."""


@dataclass(eq=False)
class _Follower:
    """A stream."""

    job: str | None
    waiting: deque[Event] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    behind: bool = False

    def tell(self, event: Event) -> None:
        """Hand on an event that may concern the stream."""
        if self.job in (None, event.job):
            self.behind = self.behind or len(self.waiting) >= MAX_BEHIND
            if not self.behind:
                self.waiting.append(event)
            self.wake.set()


class Hub:
    """Tells streams of new events, and takes note of every job's pace.

    Args:
        store: Of the jobs.
        metrics: Count streams and trials.
        heartbeat_s: Longest silence of a stream.
    """

    def __init__(self, store: JobStore, metrics: Metrics, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._store, self._metrics, self._heartbeat_s = store, metrics, heartbeat_s
        self._followers: set[_Follower] = set()
        self._last = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pace = Pace()

    async def start(self) -> None:
        """Begin behind the events that are there."""
        self._loop = asyncio.get_running_loop()
        self._last = await to_thread.run_sync(self._store.last_event_id)

    async def run(self) -> None:
        """Read until cancelled; a database that is away for a while is waited for."""
        failed = False
        while True:
            await asyncio.sleep(EVERY_S if self._followers else IDLE_S)
            try:
                while await self._read():
                    pass
                failed = False
            except Exception as error:
                if not failed:
                    LOG.warning("events cannot be read: %s", error)
                failed = True

    async def _read(self) -> bool:
        events = await to_thread.run_sync(self._store.events, None, self._last, PAGE)
        for event in events:
            self._last = event.id
            self.pace.see(event)
            self._metrics.see(event)
            for follower in self._followers:
                follower.tell(event)
        return len(events) == PAGE

    @property
    def last(self) -> int:
        """Id of the last event that was read."""
        return self._last

    def close(self) -> None:
        """End every stream, now and from now on; may be called from a signal handler or another thread."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for follower in self._followers:
            follower.wake.set()

    async def follow(self, job: str | None, after: int) -> AsyncGenerator[Event | None, None]:
        """Events after ``after``, then new ones as they come; None as a sign of life.

        Ends when the job is over or deleted, or the server stops.

        Args:
            job: Whose; None for all, which never ends by itself.
            after: Id of the last event that the client has.
        """
        follower = _Follower(job)
        self._followers.add(follower)
        self._metrics.streams.inc()
        try:
            async with contextlib.aclosing(self._follow(follower, after)) as events:
                async for event in events:
                    yield event
        finally:
            self._followers.discard(follower)
            self._metrics.streams.dec()

    async def _follow(self, follower: _Follower, last: int) -> AsyncGenerator[Event | None, None]:
        follower.behind = True  # reads what there is first
        while not self._closed:
            if follower.behind:
                follower.behind = False
                follower.waiting.clear()
                over = await self._is_over(follower.job)
                while page := await to_thread.run_sync(self._store.events, follower.job, last, PAGE):
                    for event in page:
                        yield event
                    last = page[-1].id
                if over:
                    return
            while follower.waiting and not follower.behind:
                event = follower.waiting.popleft()
                if event.id > last:
                    last = event.id
                    yield event
                    follower.behind = follower.behind or _is_last(event)  # looks whether the job is over
            if not follower.behind and not await self._woken(follower):
                yield None
                follower.behind = True  # it may have been deleted, which no event says

    async def _woken(self, follower: _Follower) -> bool:
        """Whether something came before it was time for a sign of life."""
        try:
            await asyncio.wait_for(follower.wake.wait(), self._heartbeat_s)
        except TimeoutError:
            return False
        follower.wake.clear()
        return True

    async def _is_over(self, job: str | None) -> bool:
        if job is None:
            return False
        try:
            return (await to_thread.run_sync(self._store.get, job)).state.is_terminal
        except NoSuchJobError:
            return True


def _is_last(event: Event) -> bool:
    return event.kind == "state" and JobState(event.data["state"]) in TERMINAL
