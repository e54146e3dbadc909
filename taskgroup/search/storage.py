"""Where the study is kept."""

import contextlib
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from taskgroup.errors import InputError
from taskgroup.search.patient import PatientStorage

Storage = optuna.storages.BaseStorage

MAX_OPENED = 5
"""Times that a database is opened: of several that make the tables at once, all but one fail."""


def open_storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """SQLite in ``folder`` (write-ahead log, synchronous=NORMAL, patient), or any database ``url``.

    Raises:
        InputError: No such database, or no driver for it; passwords are not shown.
    """
    if url is not None and not url.startswith("sqlite"):
        return _open(url, pool_pre_ping=True)
    storage = _open(url or f"sqlite:///{folder / 'study.db'}", connect_args={"timeout": 60})

    def tune(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", tune)
    storage.engine.dispose()  # the connections made so far were not tuned
    return storage


def forget_studies(url: str, job: str) -> None:
    """Remove a job's studies from a database, which are named by the job, a space and what it was to do.

    Raises:
        InputError: The database cannot be opened.
    """
    storage = open_storage(url, Path())
    try:
        for name in optuna.get_all_study_names(storage=storage):
            if name.startswith(f"{job} "):
                with contextlib.suppress(KeyError):  # somebody else did just then
                    optuna.delete_study(study_name=name, storage=storage)
    finally:
        storage.engine.dispose()


def _open(url: str, **options: Any) -> optuna.storages.RDBStorage:
    try:
        shown = shown_url(make_url(url))
    except (ArgumentError, ValueError):
        raise InputError("storage: should be a database URL such as postgresql+psycopg://user@host/name") from None
    for left in reversed(range(MAX_OPENED)):
        try:
            return PatientStorage(url, shown, options)
        except (SQLAlchemyError, ImportError, optuna.exceptions.StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
            if left and _is_race(cause):
                continue
            reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
            raise InputError(f"storage: {shown} cannot be opened: {reason}") from cause
    raise AssertionError("the last attempt returns or raises")


def _is_race(error: BaseException | None) -> bool:
    """Whether another process made the same table or row just then."""
    return isinstance(error, IntegrityError) or (isinstance(error, DBAPIError) and "already exists" in str(error.orig))


def shown_url(url: URL) -> str:
    """A database's address without passwords, which may also stand among the options."""
    hidden = {name: "***" if "pass" in name.lower() else value for name, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)
