"""Faults that are injected in the course of a job's search, each once so many trials were told."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskgroup.bench.serving import log
from taskgroup.bench.serving.evidence import told_numbers
from taskgroup.bench.serving.processes import wait_until
from taskgroup.bench.serving.sites import Plain, Site, Spread
from taskgroup.service.model import Event
from taskgroup.service.store import JobStore

LOCKED_S = 10.0
NOTED_S = 150.0
"""So long until the log says what became of a worker, beyond the trial's limit."""
KILL_NOTED_S = 20.0
"""The same for a worker that was killed."""
TRIES = 5
"""A worker may end by itself just before it is struck."""
LATE = "took longer than the limit"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        share: Of the trials that are told by then.
        name: In words.
        strike: Does it, and waits until it has happened.
    """

    share: float
    name: str
    strike: Callable[[], None]


@dataclass(frozen=True)
class Struck:
    """A fault that was injected.

    Attributes:
        name: In words.
        n_told: Trials that were told before.
        at_s: Since the job was submitted.
        seconds: Until it had happened and, where that is to be noted, stood in the log.
    """

    name: str
    n_told: int
    at_s: float
    seconds: float


class Course:
    """Of one job that is watched, and disturbed.

    Args:
        store: Where it is.
        job: Its name.
        site: Where it runs.
        limit_s: Wall time of a trial.
    """

    def __init__(self, store: JobStore, job: str, site: Site, limit_s: float) -> None:
        self._store, self._job, self._site, self._limit_s = store, job, site, limit_s
        self._known: list[Event] = []
        self._expected: tuple[int, str] | None = None

    @property
    def events(self) -> list[Event]:
        """All of the job so far."""
        while page := self._store.events(self._job, self._known[-1].id if self._known else 0):
            self._known += page
        return self._known

    @property
    def is_over(self) -> bool:
        """Whether the job came to an end."""
        return self._store.get(self._job).state.is_terminal

    @property
    def n_told(self) -> int:
        """Trials of which an event tells."""
        return len(told_numbers(self.events))

    def disturb(
        self, faults: Sequence[Fault], n_trials: int, since: float, patience_s: float, struck: list[Struck]
    ) -> None:
        """Inject faults, one after the other, as long as the job goes on.

        Args:
            faults: By rising share.
            n_trials: Of the search.
            since: When the job was submitted, by the monotonic clock.
            patience_s: For the job to come to the next fault.
            struck: Takes those that were injected.

        Raises:
            TimeoutError: The job does not go on, or the log does not say what it should.
        """
        for fault in faults:
            self.wait_for(max(2, round(fault.share * n_trials)), patience_s)
            if self.is_over:
                return
            n_told, started = self.n_told, time.monotonic()
            fault.strike()
            ended = time.monotonic()
            struck.append(Struck(fault.name, n_told, round(started - since, 1), round(ended - started, 1)))
        self.settle()

    def wait_for(self, n_told: int, patience_s: float) -> None:
        """Block until so many trials are told, or the job is over.

        Raises:
            TimeoutError: It does not come to that.
        """
        wait_until(lambda: self.is_over or self.n_told >= n_told, patience_s, f"{n_told} trials")

    def wait_over(self, patience_s: float) -> None:
        """Block until the job is over.

        Raises:
            TimeoutError: It does not come to an end.
        """
        wait_until(lambda: self.is_over, patience_s, "the job's end")

    def kill_worker(self) -> None:
        """Kill one, until the log has one more trial that was tried again for that.

        Raises:
            TimeoutError: It does not come to stand there.
        """
        before = log.count(self.events, self._site.killed)
        for _ in range(TRIES):
            self._signal(signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                self._noted(before, self._site.killed, KILL_NOTED_S)
                return
        raise TimeoutError(f"no trial was tried again because `{self._site.killed}`")

    def stop_worker(self) -> None:
        """Stop one for good; that its trial is tried again is left to be seen, see :meth:`settle`."""
        self._expected = log.count(self.events, LATE), LATE
        self._signal(signal.SIGSTOP)

    def settle(self) -> None:
        """Wait until the log says that the stopped worker's trial was tried again.

        Raises:
            TimeoutError: It does not come to stand there.
        """
        if self._expected is not None:
            self._noted(*self._expected, self._limit_s + NOTED_S)
            self._expected = None

    def restart_server(self) -> None:
        """Kill -9, and start it again with the same arguments."""
        self.settle()  # with the server all its workers go
        self._site.server.kill()
        self._site.server.start()

    def _signal(self, number: signal.Signals) -> None:
        wait_until(lambda: self.is_over or bool(self._site.workers()), what="a worker")
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self._site.workers()[-1], number)

    def strike_node(self, site: Spread) -> None:
        """Remove a node that has a trial, and wait until the log says that it was tried again."""
        pattern = f"its node was lost|{site.killed}"
        before = log.count(self.events, pattern)
        wait_until(lambda: self.is_over or bool(site.workers()), what="a node with a trial")
        site.remove_node()
        self._noted(before, pattern, NOTED_S)

    def _noted(self, before: int, pattern: str, timeout_s: float) -> None:
        wait_until(lambda: log.count(self.events, pattern) > before, timeout_s, f"`{pattern}` in the log")


def plain_faults(course: Course, site: Plain, job: str) -> list[Fault]:
    """For SQLite and local workers."""
    lock = Fault(0.15, f"databases locked {LOCKED_S:g} s", lambda: site.lock_databases(job, LOCKED_S))
    return sorted([*_common(course), lock], key=lambda fault: fault.share)


def spread_faults(course: Course, site: Spread) -> list[Fault]:
    """For PostgreSQL and Ray."""
    own = [
        Fault(0.15, "node removed", lambda: course.strike_node(site)),
        Fault(0.25, "database restarted", site.database.restart),
        Fault(0.55, "node added", site.nodes.add),
        Fault(0.7, "database killed", lambda: site.database.restart(kill=True)),
    ]
    return sorted([*_common(course), *own], key=lambda fault: fault.share)


def _common(course: Course) -> list[Fault]:
    return [
        Fault(0.08, "worker stopped", course.stop_worker),
        Fault(0.35, "worker killed", course.kill_worker),
        Fault(0.45, "server killed", course.restart_server),
        Fault(0.6, "worker killed", course.kill_worker),
        Fault(0.8, "server killed", course.restart_server),
    ]
