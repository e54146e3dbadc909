"""Nursery: forks workers off a process that has everything loaded already, for controllers that were forked too."""

import math
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from taskgroup.core.task import Frozen
from taskgroup.core.trial import TrialSpec
from taskgroup.pipeline.executors import Ended, over_limit, preload, reason_of
from taskgroup.pipeline.parents import die_with

NICENESS = 10
"""Of workers beyond their maker's: who answers and plans for all of them does not wait for one of them."""


class _Birth(Frozen):
    """A worker to start."""

    key: str
    spec: str


class _Death(Frozen):
    """A worker that ended; ``reason`` as in :class:`~taskgroup.pipeline.executors.Ended`."""

    key: str
    reason: str | None


class Nursery:
    """An executor like :class:`~taskgroup.pipeline.executors.LocalExecutor` that needs no fork server of its own.

    It forks the process that makes it, which has to have one Python thread and should have torch loaded: a fork server
    takes seconds until it has done that, for every job again. Workers end with the nursery, and that with its maker
    (on Linux; elsewhere none should be made).

    Args:
        folder: The job's folder, which workers read from and write to.
        n_workers: Trials under way at once.
        limit_s: Wall time of a trial, after which its worker is killed, be it busy, stuck or stopped.
    """

    def __init__(self, folder: Path, n_workers: int, limit_s: float | None = None) -> None:
        self.capacity = n_workers
        self._has_worked = False
        self._connection, theirs = Pipe()
        maker, self._pid = os.getpid(), os.fork()
        if not self._pid:
            self._connection.close()
            die_with(maker)
            _serve(theirs, folder, limit_s)
        theirs.close()

    def submit(self, spec: TrialSpec) -> None:
        """Start a worker."""
        self._has_worked = True
        self._connection.send_bytes(_Birth(key=spec.key, spec=spec.model_dump_json()).model_dump_json().encode())

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        """Block until a worker ends, well or not, or has to.

        Raises:
            EOFError: The nursery was killed.
        """
        ended: list[Ended] = []
        while self._connection.poll(0 if ended else timeout_s):
            death = _Death.model_validate_json(self._connection.recv_bytes())
            ended.append(Ended(death.key, death.reason))
        return ended

    def close(self) -> None:
        """Kill the workers, and the nursery."""
        if self._pid:
            self._connection.close()
            # one that somebody stopped would not notice; one that has no workers may still be loading
            os.kill(self._pid, signal.SIGCONT if self._has_worked else signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


@dataclass
class _Worker:
    """A process, the pipe that ends with it, and when it has to be over."""

    pid: int
    pipe: int
    deadline: float
    is_late: bool = False


def _serve(line: Connection, folder: Path, limit_s: float | None) -> NoReturn:
    """What the nursery does, until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the maker, who gets it too, closes the line in time
    preload()
    workers: dict[str, _Worker] = {}
    while True:
        soonest = min((worker.deadline for worker in workers.values() if not worker.is_late), default=math.inf)
        timeout = None if math.isinf(soonest) else max(soonest - time.monotonic(), 0.0)
        ready = connection.wait([line, *(worker.pipe for worker in workers.values())], timeout)
        try:
            for key in [key for key, worker in workers.items() if worker.pipe in ready]:
                line.send_bytes(_bury(key, workers.pop(key), limit_s or 0.0).model_dump_json().encode())
            if line in ready:
                birth = _Birth.model_validate_json(line.recv_bytes())
                workers[birth.key] = _fork(birth, line, folder, time.monotonic() + (limit_s or math.inf))
        except (EOFError, OSError):
            break
        for worker in workers.values():
            if time.monotonic() >= worker.deadline and not worker.is_late:
                worker.is_late = True
                os.kill(worker.pid, signal.SIGKILL)
    for worker in workers.values():
        os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)
    os._exit(0)


def _fork(birth: _Birth, line: Connection, folder: Path, deadline: float) -> _Worker:
    ours, theirs = os.pipe()
    nursery, pid = os.getpid(), os.fork()
    if not pid:
        _work(birth, nursery, line, folder)
    os.close(theirs)
    return _Worker(pid, ours, deadline)


def _work(birth: _Birth, nursery: int, line: Connection, folder: Path) -> NoReturn:
    """What a worker does; the pipe that it leaves open ends with it."""
    code = 1
    try:
        die_with(nursery)
        os.nice(NICENESS)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        line.close()
        from taskgroup.pipeline.work import run_and_keep

        run_and_keep(birth.spec, folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _bury(key: str, worker: _Worker, limit_s: float) -> _Death:
    code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    os.close(worker.pipe)
    if code == 0:
        return _Death(key=key, reason=None)
    return _Death(key=key, reason=over_limit(limit_s) if worker.is_late else reason_of(code))
