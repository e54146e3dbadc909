"""A server under test: ``taskgroup serve`` as a process of its own, killed and started again as one likes."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from taskgroup.bench.serving.processes import PATIENCE_S, descendants, generation, is_alive, wait_until
from taskgroup.errors import TrialError
from taskgroup.service.store import JobStore

RUNNER, NURSERY, WORKER = 2, 3, 4
"""Generations below the server; the first one is its fork server."""
LINGER_S = 60.0
"""So long processes below a server may take to notice that it is gone."""


class Server:
    """One server, always at the same address and with the same arguments.

    Args:
        root: Its data root; its output goes to ``server.log`` beside it.
        options: Of the command, beyond data root and port.
        storage: Database of jobs and studies; SQLite files under the data root where None.
    """

    def __init__(self, root: Path, *options: str, storage: str | None = None) -> None:
        self.root, self.storage, self._options = root, storage, options
        root.mkdir(parents=True, exist_ok=True)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.left_behind = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def database(self) -> str:
        """URL of the jobs' database."""
        return self.storage or f"sqlite:///{self.root.resolve() / 'service.db'}"

    def study_url(self, job: str) -> str:
        """URL of the database that has a job's study."""
        return self.storage or f"sqlite:///{self.root.resolve() / 'jobs' / job / 'study.db'}"

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it takes requests.

        Raises:
            TrialError: It ended instead.
        """
        storage = [] if self.storage is None else ["--storage", self.storage]
        own = ["--data-root", str(self.root), "--port", str(self._port), *storage]
        command = [*_dying_with_us(), sys.executable, "-m", "taskgroup", "serve", *own, *self._options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.root.parent / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_until(self._answers, what="the server")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise TrialError(f"the server ended with {self._process.returncode}; see {self.root.parent / 'server.log'}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5.0):
            return True
        return False

    def kill(self) -> None:
        """Kill -9, and wait until what it had started is gone too."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as an operator does; gives the exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.kill()

    def _end(self, number: signal.Signals) -> int:
        """Its exit code, once all that it started is gone too, or is not a while later."""
        assert self._process is not None, "it was not started"
        below = descendants(self.pid)
        self._process.send_signal(number)
        code, self._process = self._process.wait(PATIENCE_S), None
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not any(map(is_alive, below)), LINGER_S)
        self.left_behind += len([pid for pid in below if is_alive(pid)])
        return code

    def below(self, n: int) -> list[int]:
        """Its processes of a generation: ``RUNNER``, ``NURSERY`` or ``WORKER``."""
        return generation(self.pid, n)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[JobStore]:
    """Start a server, look into its database from outside, and end it in any case."""
    with contextlib.closing(server):
        server.start()
        with contextlib.closing(JobStore(server.database)) as store:
            yield store


def _dying_with_us() -> list[str]:
    """Words before a command that end it with this process, however that ends."""
    return ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
