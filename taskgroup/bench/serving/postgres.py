"""A private PostgreSQL server: on loopback, in a temporary folder, gone when its user is."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

USER = "taskgroup"
PATIENCE_S = 60.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the machine will not lose power in a test; a killed server loses nothing by it
    "max_connections": "200",
}


class PostgresServer:
    """A server that can be stopped and started again; its port and its data stay.

    Args:
        binaries: Folder of ``postgres`` and ``initdb``.
        folder: For its data; belongs to whoever runs the server.
        account: System account that runs it; None for this one. PostgreSQL refuses to run as root.
    """

    def __init__(self, binaries: Path, folder: Path, account: str | None) -> None:
        self._binaries, self._data, self._log = binaries, folder / "data", folder / "log"
        self._prefix = _prefix(account)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._starter = ThreadPoolExecutor(1)  # the server ends with the thread that started it
        self._run("initdb", "--no-sync", "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C")

    def _run(self, program: str, *words: str) -> None:
        command = [*self._prefix, str(self._binaries / program), f"--pgdata={self._data}", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [*self._prefix, str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        self._process = self._starter.submit(self._started, [*command, *settings]).result()
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, "PostgreSQL does not answer"
            time.sleep(0.05)

    def _started(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd="/")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, whoever is connected; with ``kill`` as if the machine had failed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
        self._process.wait(PATIENCE_S)
        self._process = None

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start."""
        self.stop(kill=kill)
        self.start()

    def close(self) -> None:
        """Stop it if it runs."""
        if self._process is not None:
            self.stop(kill=True)
        self._starter.shutdown()

    def answers(self) -> bool:
        """Whether it takes connections."""
        import psycopg

        try:
            psycopg.connect(self._address("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Run a statement as the one who may do everything."""
        import psycopg

        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask_for_passwords(self, user: str) -> None:
        """From now on, of one user."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def url(self, password: str = "") -> str:
        """SQLAlchemy's URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        user = f"{USER}:{password}" if password else USER
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{name}"

    def _address(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"


def missing() -> str:
    """What there is not that a server needs, in words; empty where nothing is missing."""
    if importlib.util.find_spec("psycopg") is None:
        return "the extra `postgres` is not installed"
    if _binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to start it as another user"
    return ""


@contextlib.contextmanager
def private_postgres() -> Iterator[PostgresServer]:
    """A server that runs; for where nothing is :func:`missing`."""
    folder, account, binaries = Path(tempfile.mkdtemp(prefix="taskgroup-postgres-")), _account(), _binaries()
    assert binaries is not None, "see missing()"
    if account is not None:
        shutil.chown(folder, account)
    try:
        with contextlib.closing(PostgresServer(binaries, folder, account)) as server:
            server.start()
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(account: str | None) -> list[str]:
    """Words before a command: the account, and that it ends with this process, however that ends."""
    if shutil.which("setpriv") is None:
        return []
    words = ["setpriv", "--pdeathsig=QUIT"]
    return words if account is None else [*words, f"--reuid={account}", f"--regid={account}", "--clear-groups", "--"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _binaries() -> Path | None:
    found = shutil.which("postgres")
    versions = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((path for path in reversed(versions) if (path / "initdb").exists()), None)


def _account() -> str | None:
    """Who is to run the server where this is root.

    Raises:
        KeyError: There is neither the package's account nor one for nobody.
    """
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise KeyError("nobody")
