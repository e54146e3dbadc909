"""Keeper: holds a runner's lease, hears what users and server want, and ends the runner when its time is up."""

import os
import threading
import time
from multiprocessing.connection import Connection

from sqlalchemy.exc import SQLAlchemyError

from taskgroup.pipeline.controls import Controls
from taskgroup.service.model import Job
from taskgroup.service.orders import LOST, Order, Said
from taskgroup.service.store import JobStore, LeaseLostError
from taskgroup.service.telling import Telling

TICK_S = 0.4
"""Between two looks at the job's row, and at the server."""


class Line:
    """The line to the server: its words become controls, its end is the runner's.

    Also watches the lease, by a thread that asks nobody: one that hangs in the database would not notice.

    Args:
        connection: To the server.
        controls: Of the job.
        lease_s: How long the runner goes on unless :meth:`extend` is called.
    """

    def __init__(self, connection: Connection, controls: Controls, lease_s: float) -> None:
        self._connection, self._controls, self._lease_s = connection, controls, lease_s
        self._lock = threading.Lock()
        self._until = time.monotonic() + lease_s
        self._n_told = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def extend(self, since: float) -> None:
        """The lease was renewed by what was asked at ``since``, by the monotonic clock."""
        self._until = since + self._lease_s

    def give_reason(self, reason: str) -> None:
        """Tell the server why the runner ends."""
        self._say(Said(reason=reason))

    def _listen(self) -> None:
        """Ends the process, without a word to the store, when server or lease are gone."""
        while time.monotonic() < self._until:
            try:
                if self._connection.poll(TICK_S):
                    self._controls.stop(finish=self._connection.recv_bytes() == b"drain")
            except (EOFError, OSError):
                os._exit(1)
            if self._controls.n_running != self._n_told:
                self._n_told = self._controls.n_running
                self._say(Said(n_workers=self._n_told))
        os._exit(LOST)

    def _say(self, said: Said) -> None:
        with self._lock:
            try:
                self._connection.send_bytes(said.model_dump_json().encode())
            except OSError:
                os._exit(1)


class Keeper:
    """Renews the lease, and puts what users edit into the controls, by a thread of its own.

    Args:
        store: Where the job is.
        order: Of the run.
        controls: Of the job.
        telling: Tells progress that waits.
        line: Is told of every renewal.
    """

    def __init__(self, store: JobStore, order: Order, controls: Controls, telling: Telling, line: Line) -> None:
        self._store, self._order, self._controls, self._telling, self._line = store, order, controls, telling, line
        self._over = threading.Event()
        self._renewed = time.monotonic()
        self._counted = False
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the job to who called."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(TICK_S):
            try:
                self._look()
            except LeaseLostError:
                os._exit(LOST)
            except SQLAlchemyError:  # it may be back before the lease ends
                continue

    def _look(self) -> None:
        job = self._current()
        if job.owner != self._order.owner:
            raise LeaseLostError(job.name)
        self._controls.edit(job.trials, job.workers)
        if job.wanted != "run":
            self._controls.stop()
        if self._controls.n_finished and not self._counted:
            self._store.got_further(job.name, self._order.owner)
            self._counted = True
        self._telling.flush()

    def _current(self) -> Job:
        """The job's row, the lease renewed where that is due."""
        name, owner, lease_s = self._order.job, self._order.owner, self._order.lease_s
        now = time.monotonic()
        if now - self._renewed < lease_s / 4:
            return self._store.get(name)
        job = self._store.renew(name, owner, lease_s)
        self._renewed = now
        self._line.extend(now)
        return job
