"""The database: SQLite tuned for several processes, or PostgreSQL; transactions that survive its restarts."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError

from taskgroup.errors import InputError
from taskgroup.service.store import tables

T = TypeVar("T")

PATIENCE_S = 15.0
"""So long a database may be away before what was asked of it fails."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0
LOCK = 7_203_117
"""Advisory lock of PostgreSQL that writers hold, so that event ids become visible in their order."""
POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 56, "pool_timeout": 30}

_POSTGRES: dict[str, Any] = {
    "pool_pre_ping": True,  # connections that a restart cut are replaced
    "connect_args": {
        "connect_timeout": 5,
        # who stops in the middle of a transaction does not hold up everybody else
        "options": "-c lock_timeout=15000 -c idle_in_transaction_session_timeout=15000",
    },
}


class Database:
    """Runs transactions, one writer at a time; what fails because the database is away or busy is tried again.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.

    Attributes:
        url: The same, with its password.

    Raises:
        InputError: No such database, no driver for it, or tables of a newer version; passwords are not shown.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = _parsed(url)
        shown = parsed.render_as_string(hide_password=True)
        try:
            self._engine = _engine(parsed)
            self._create()
        except (SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise InputError(f"database: {shown} cannot be opened: {reason}") from error

    def _create(self) -> None:
        try:
            self._write(tables.create)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def is_ready(self) -> bool:
        """Whether the database answers; asked once."""
        try:
            with self._engine.connect() as connection:
                connection.execute(select(tables.schema.c.version))
        except SQLAlchemyError:
            return False
        return True

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._patiently(work, writes=False)

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._patiently(work, writes=True)

    def _patiently(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        until, wait = time.monotonic() + PATIENCE_S, FIRST_WAIT_S
        while True:
            try:
                return self._once(work, writes)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() + wait > until or not self._may_pass(error):
                    raise
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _may_pass(self, error: SQLAlchemyError) -> bool:
        """Whether it may go well later: a file that cannot be opened stays so."""
        return self._is_postgres or "locked" in str(error)

    def _once(self, work: Callable[[Connection], T], writes: bool) -> T:
        with self._engine.connect() as plain:
            connection = plain.execution_options(writes=writes)
            with connection.begin():
                if writes and self._is_postgres:
                    connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
                return work(connection)

    @property
    def _is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _now(self, connection: Connection) -> float:
        """Unix seconds by the clock that everybody who shares the database shares."""
        if self._is_postgres:
            return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        return time.time()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError("database: should be a URL such as postgresql+psycopg://user@host/name") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(f"database: should be SQLite or PostgreSQL, found {parsed.get_backend_name()}")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError(
            "database: should be a file (sqlite:///FILE), found one in memory, which processes cannot share"
        )
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, **POOL, **_POSTGRES)
    engine = create_engine(url, **POOL, connect_args={"timeout": 10})
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


def _tune(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says so
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin(connection: Connection) -> None:
    """Writers wait for their turn here; one that began by reading could be refused later."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
