"""Tables beside a config file: sent along when it is submitted to a server."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from taskgroup.service.views import UploadView

CHUNK = 1 << 20

Upload = Callable[[Path, str], UploadView]


def with_tables(config: Any, folder: Path, upload: Upload) -> Any:
    """The config with the paths of tables that lie in ``folder`` replaced by those of uploads.

    Args:
        config: Plain data; what is no config is given back, for the server to complain about.
        folder: From which paths start.
        upload: Sends a file under a name.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("problem"), Mapping):
        return config
    problem = dict(config["problem"])
    tasks = problem.get("tasks")
    if isinstance(tasks, Mapping):
        problem["tasks"] = {name: dict(task) if isinstance(task, Mapping) else task for name, task in tasks.items()}
    for section in _sections(problem):
        path = section.get("path")
        if isinstance(path, str) and (folder / path).is_file():
            section["path"] = f"uploads/{upload(folder / path, name_by_content(folder / path)).name}"
    return {**config, "problem": problem}


def _sections(problem: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that may name a table."""
    yield problem
    tasks = problem.get("tasks")
    if isinstance(tasks, dict):
        yield from (task for task in tasks.values() if isinstance(task, dict))


def name_by_content(path: Path) -> str:
    """A name that another content does not have: ``visits-1f0c2a9b.csv``."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return f"{path.stem}-{digest.hexdigest()[:8]}{path.suffix}"
