"""Scheduler: a server's thread that claims jobs, starts a runner for each, and notices what became of them."""

import atexit
import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from taskgroup.pipeline.executors import PRELOADED, fork_server
from taskgroup.service.model import JobState
from taskgroup.service.orders import LOST, ExecutorName, Order, Said, Word
from taskgroup.service.store import JobStore, LeaseLostError, NoSuchJobError

TICK_S = 0.25
SWEEP_S = 2.0
"""Between two looks for leases that ran out."""
GRACE_S = 30.0
"""So long a runner may take to put its job back."""

SLOW = ("alembic.context", "matplotlib.figure", "mpl_toolkits.mplot3d", "sklearn.cluster", "sqlalchemy.orm")
"""What a job imports in its course."""
LOADED = ("taskgroup.service.runner", *PRELOADED, *SLOW)
"""Loaded once for all jobs."""

_log = logging.getLogger(__name__)


@dataclass
class _Child:
    """A runner, and the run that it is for."""

    job: str
    owner: str
    process: BaseProcess
    connection: Connection
    said: Said = field(default_factory=Said)
    free_since: float | None = None

    def hear(self) -> None:
        """Take in what it said last."""
        try:
            while self.connection.poll():
                self.said = Said.model_validate_json(self.connection.recv_bytes())
        except (EOFError, OSError):
            return

    def tell(self, word: Word) -> None:
        """Say something to it; who is gone hears nothing."""
        try:
            self.connection.send_bytes(word.encode())
        except OSError:
            return

    @property
    def reason(self) -> str:
        """Why it is gone."""
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"its runner was ended by {signal.Signals(-code).name}"
        return self.said.reason or f"its runner ended with exit code {code}"


class Scheduler:
    """Runs jobs of the store, each in a process that ends with this one, however this one ends.

    Several schedulers, on one machine or many, may share a store.

    Args:
        store: Where jobs are.
        data_root: Run directories are below its ``jobs``, and tables' paths start from it.
        owner: Name of this server, for people; by default machine and process.
        jobs_at_once: Jobs that are run side by side.
        workers: Trials at once of one job, where the job does not say otherwise.
        executor: Who does the trials.
        address: Of the Ray cluster.
        gpus: Of the Ray cluster's GPUs, for one trial.
        storage: Database of the studies; SQLite in each run directory where None.
        trial_limit_s: Wall time of a trial, after which it is tried again.
        lease_s: So long after a server vanished another one runs its jobs.
    """

    def __init__(
        self,
        store: JobStore,
        data_root: Path,
        owner: str | None = None,
        *,
        jobs_at_once: int = 1,
        workers: int = 2,
        executor: ExecutorName = "local",
        address: str | None = None,
        gpus: float = 0.0,
        storage: str | None = None,
        trial_limit_s: float | None = None,
        lease_s: float = 30.0,
    ) -> None:
        self.store, self.jobs_at_once, self.lease_s = store, jobs_at_once, lease_s
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._template = Order(
            url=store.url,
            job="",
            owner=self.owner,
            data_root=data_root.resolve(),
            workers=workers,
            executor=executor,
            address=address,
            gpus=gpus,
            storage=storage,
            trial_limit_s=trial_limit_s,
            lease_s=lease_s,
        )
        self._context = fork_server(*LOADED)
        self._children: list[_Child] = []
        self._word: Word | None = None
        self._stop_by = 0.0
        self._swept = 0.0
        self._is_warm = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)

    @property
    def alive(self) -> dict[str, int]:
        """Trials under way of each job that this server runs."""
        return {child.job: child.said.n_workers for child in list(self._children)}

    @property
    def is_alive(self) -> bool:
        """Whether it takes jobs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        atexit.register(self._hang_up)
        threading.Thread(target=self._warm_up, name="fork server", daemon=True).start()
        self._thread.start()

    def stop(self, drain: bool = False) -> None:
        """Put all jobs back to the queue, where they go on later; blocks until that is done.

        Args:
            drain: Let trials that are under way end first. A second call without it cuts that short.
        """
        self._stop_by = time.monotonic() + GRACE_S
        self._word = "drain" if drain else "stop"
        if self._thread.is_alive():
            self._thread.join()
        atexit.unregister(self._hang_up)

    def _warm_up(self) -> None:
        """Have the fork server load everything: leases would not wait for that."""
        try:
            process = self._context.Process(target=os.getpid, name="first", daemon=True)
            process.start()
            process.join()
        finally:
            self._is_warm.set()

    def _hang_up(self) -> None:
        """End the runners: a process that ends waits for those it started."""
        for child in self._children:
            child.connection.close()

    def _work(self) -> None:
        told: Word | None = None
        while self._word is None or self._children:
            try:
                if self._word is not None and told != self._word:
                    told = self._word
                    self._tell(told)
                self._tick()
            except SQLAlchemyError as error:
                _log.warning("the database is away: %s", type(error).__name__)
            except Exception:
                _log.exception("the scheduler goes on after")
            time.sleep(TICK_S)

    def _tell(self, word: Word) -> None:
        for child in self._children:
            child.tell(word)

    def _tick(self) -> None:
        if self._word == "stop" and time.monotonic() > self._stop_by:
            for child in self._children:
                child.process.kill()
        for child in list(self._children):
            child.hear()
            if not child.process.is_alive():
                self._bury(child)
        if time.monotonic() - self._swept >= SWEEP_S:
            self._sweep()
            self._swept = time.monotonic()
        while self._word is None and self._has_room and self._claim():
            pass

    @property
    def _has_room(self) -> bool:
        return self._is_warm.is_set() and len(self._children) < self.jobs_at_once

    def _claim(self) -> bool:
        """Start the next job, if there is one."""
        owner = f"{self.owner}/{secrets.token_hex(4)}"
        job = self.store.claim(owner, self.lease_s)
        if job is None:
            return False
        ours, theirs = self._context.Pipe()
        order = self._template.model_copy(update={"job": job.name, "owner": owner})
        process = self._context.Process(target=_start, args=(order.model_dump_json(), theirs), name=f"job {job.name}")
        try:
            process.start()
        except (OSError, EOFError) as error:  # the fork server was killed just now; the next attempt has another
            reason = f"no runner could be started: {type(error).__name__}"
            self.store.release(job.name, owner, JobState.QUEUED, reason, badly=True)
            ours.close()
        else:
            self._children.append(_Child(job.name, owner, process, ours))
        theirs.close()
        return True

    def _bury(self, child: _Child) -> None:
        """See to the job of a runner that is gone, where that did not."""
        child.process.join()
        child.hear()
        if child.process.exitcode != LOST:
            stopping = self._word is not None
            reason = "its server stopped" if stopping else child.reason
            with contextlib.suppress(LeaseLostError):  # as a rule: the runner gave it back
                self.store.release(child.job, child.owner, JobState.QUEUED, reason, badly=not stopping)
        child.connection.close()
        self._children.remove(child)

    def _sweep(self) -> None:
        """Put back jobs that nobody holds, and end runners that hold none any more."""
        late = {job.name: job.message for job in self.store.take_over_expired()}
        for name, message in late.items():
            _log.warning("job %s: %s", name, message)
        for child in self._children:
            if child.job in late or self._is_stray(child):
                child.process.kill()

    def _is_stray(self, child: _Child) -> bool:
        """Whether a runner works on what is somebody else's, or does not end though it gave its job back."""
        try:
            job = self.store.get(child.job)
        except NoSuchJobError:
            return True
        if job.owner == child.owner:
            return False
        child.free_since = child.free_since or time.monotonic()
        return job.state == JobState.RUNNING or time.monotonic() - child.free_since > GRACE_S


def _start(order_json: str, connection: Connection) -> None:
    from taskgroup.service.runner import run

    run(order_json, connection)
