"""Where the study is kept."""

from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event


def open_storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """SQLite in ``folder`` (write-ahead log, synchronous=NORMAL, patient), or any database ``url``."""
    if url is not None and not url.startswith("sqlite"):
        return optuna.storages.RDBStorage(url)
    url = url or f"sqlite:///{folder / 'study.db'}"
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})

    def tune(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", tune)
    storage.engine.dispose()  # the connections made so far were not tuned
    return storage
