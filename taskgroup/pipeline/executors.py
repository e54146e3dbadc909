"""Executors: who does the trials. The contract, and the two that need nothing but this machine."""

import importlib
import math
import multiprocessing
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from taskgroup.core.trial import TrialSpec
from taskgroup.pipeline.parents import end_with_parent
from taskgroup.pipeline.prepared import Prepared

PRELOADED = ("taskgroup.pipeline.work", "taskgroup.measures.training.lookahead", "sklearn.metrics", "torch._dynamo")
"""Loaded once for all workers; the last is what the first step of any optimizer imports, which takes a second."""


@dataclass(frozen=True)
class Ended:
    """A trial is over: its result lies in the folder, unless ``reason`` says why there is none."""

    key: str
    reason: str | None = None


class Executor(Protocol):
    """Runs trials; called by the controller alone, from one thread.

    A trial that was submitted is reported by :meth:`wait` exactly once. An executor does not retry.
    """

    @property
    def capacity(self) -> int:
        """How many trials to have under way at once, where the job's controls do not say otherwise."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial, or have it wait for its turn where more are under way than can run at once."""
        ...

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        """Block until at least one trial is over, but no longer than ``timeout_s``; empty where none is by then."""
        ...

    def close(self) -> None:
        """End whatever is under way; unfinished trials leave nothing behind."""
        ...


class InlineExecutor:
    """Runs trials in this process, one after the other: for problems that live in memory."""

    capacity = 1

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._ended: list[Ended] = []

    def submit(self, spec: TrialSpec) -> None:
        """Run the trial now."""
        from taskgroup.pipeline.work import run_trial

        self._prepared.folder.keep(run_trial(spec, self._prepared))
        self._ended.append(Ended(spec.key))

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        """What was submitted since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Nothing is ever under way."""


class LocalExecutor:
    """One process per trial attempt, forked from a server that has torch loaded already.

    A process that is killed costs its own trial alone. Workers end themselves when the controller is gone.

    Args:
        folder: The job's folder, which workers read from and write to.
        n_workers: Trials under way at once.
        limit_s: Wall time of a trial, after which its worker is killed, be it busy, stuck or stopped.
    """

    def __init__(self, folder: Path, n_workers: int, limit_s: float | None = None) -> None:
        self.capacity = n_workers
        self._folder, self._limit_s = folder, limit_s
        self._context = fork_server(*PRELOADED)
        self._processes: dict[str, BaseProcess] = {}
        self._deadlines: dict[str, float] = {}

    def submit(self, spec: TrialSpec) -> None:
        """Start a worker."""
        process = self._context.Process(
            target=_work, args=(spec.model_dump_json(), self._folder), name=f"taskgroup-{spec.key}", daemon=True
        )
        process.start()
        self._processes[spec.key] = process
        self._deadlines[spec.key] = time.monotonic() + (self._limit_s or math.inf)

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        """Block until a worker ends, well or not, or has to."""
        until = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
        while True:
            self._block(until)
            ended = [self._end(key) for key in list(self._processes) if self._is_over(key)]
            if ended or time.monotonic() >= until:
                return ended

    def _block(self, until: float) -> None:
        """Until a worker ends, or one's time is up."""
        left = min([until, *self._deadlines.values()]) - time.monotonic()
        timeout = None if math.isinf(left) else max(left, 0.0)
        connection.wait([process.sentinel for process in self._processes.values()], timeout)

    def _is_over(self, key: str) -> bool:
        return time.monotonic() >= self._deadlines[key] or not self._processes[key].is_alive()

    def _end(self, key: str) -> Ended:
        """Reap a worker; one that is still there had its time."""
        process, late = self._processes.pop(key), False
        del self._deadlines[key]
        if process.is_alive():
            late = True
            process.kill()
        process.join()
        if process.exitcode == 0:
            return Ended(key)
        return Ended(key, over_limit(self._limit_s or 0.0) if late else reason_of(process.exitcode))

    def close(self) -> None:
        """Kill the workers."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.join()
        self._processes.clear()
        self._deadlines.clear()


_asked_for: dict[str, None] = {}


def fork_server(*names: str) -> ForkServerContext:
    """To start processes from the fork server, of which a process has one: it loads all that was ever asked for.

    Args:
        names: Modules to load, if it does not run yet.
    """
    _asked_for.update(dict.fromkeys(names))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_asked_for))
    return context


def preload() -> None:
    """Load what every worker needs, for a process that workers are forked from."""
    for name in PRELOADED:
        importlib.import_module(name)


def over_limit(limit_s: float) -> str:
    """Why a trial ended that took too long."""
    return f"its worker took longer than the limit of {limit_s:g} s"


def reason_of(exitcode: int | None) -> str:
    """Why a worker ended that left no result."""
    if exitcode is not None and exitcode < 0:
        return f"its worker was ended by {signal.Signals(-exitcode).name}"
    return f"its worker ended with exit code {exitcode}"


def _work(spec_json: str, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the controller, which ends the workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    from taskgroup.pipeline.work import run_and_keep

    run_and_keep(spec_json, folder)
