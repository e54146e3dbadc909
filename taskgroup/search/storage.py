"""Where the study is kept."""

from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from taskgroup.errors import InputError

Storage = optuna.storages.BaseStorage


def open_storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """SQLite in ``folder`` (write-ahead log, synchronous=NORMAL, patient), or any database ``url``.

    Raises:
        InputError: No such database, or no driver for it; passwords are not shown.
    """
    if url is not None and not url.startswith("sqlite"):
        return _open(url)
    storage = _open(url or f"sqlite:///{folder / 'study.db'}", connect_args={"timeout": 60})

    def tune(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", tune)
    storage.engine.dispose()  # the connections made so far were not tuned
    return storage


def _open(url: str, **options: Any) -> optuna.storages.RDBStorage:
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise InputError("storage: should be a database URL such as postgresql+psycopg://user@host/name") from None
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"storage: {shown} cannot be opened: {reason}") from error
