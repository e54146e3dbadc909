"""Executors: who does the trials. The contract, and the two that need nothing but this machine."""

import contextlib
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from taskgroup.core.trial import TrialSpec
from taskgroup.pipeline.prepared import Prepared

PRELOADED = ("taskgroup.pipeline.work", "taskgroup.measures.training.lookahead", "sklearn.metrics", "torch._dynamo")
"""Loaded once by the fork server; the last is what the first step of any optimizer imports, which takes a second."""


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
        """How many trials may be under way at once."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial; at most ``capacity`` may be under way."""
        ...

    def wait(self) -> list[Ended]:
        """Block until at least one trial is over."""
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

    def wait(self) -> list[Ended]:
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
    """

    def __init__(self, folder: Path, n_workers: int) -> None:
        self.capacity = n_workers
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._processes: dict[str, BaseProcess] = {}

    def submit(self, spec: TrialSpec) -> None:
        """Start a worker."""
        process = self._context.Process(
            target=_work, args=(spec.model_dump_json(), self._folder), name=f"taskgroup-{spec.key}", daemon=True
        )
        process.start()
        self._processes[spec.key] = process

    def wait(self) -> list[Ended]:
        """Block until a worker ends, well or not."""
        ready = connection.wait([p.sentinel for p in self._processes.values()])
        ended = []
        for key, process in list(self._processes.items()):
            if process.sentinel in ready:
                process.join()
                del self._processes[key]
                ended.append(Ended(key, None if process.exitcode == 0 else _reason(process.exitcode)))
        return ended

    def close(self) -> None:
        """Kill the workers."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.join()
        self._processes.clear()


def _reason(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"its worker was ended by {signal.Signals(-exitcode).name}"
    return f"its worker ended with exit code {exitcode}"


def _work(spec_json: str, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the controller, which ends the workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    from taskgroup.pipeline.work import run_and_keep

    run_and_keep(spec_json, folder)


def end_with_parent() -> None:
    """Block until the process that started this one is gone, then end this one; for a thread of its own."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            connection.wait([parent.sentinel])
        os._exit(1)
