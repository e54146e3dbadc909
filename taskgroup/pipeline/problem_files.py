"""The files a problem was read from, so that a finished job does not answer for a table that has changed since."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from taskgroup.errors import ConflictError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.problems.config import SetConfig, TableConfig


def file_hashes(config: Config, base: Path) -> dict[str, str]:
    """SHA-256 of each file that the config names for its rows and that is there, by its name in the config."""
    return {name: _hash(base / name) for name in _names(config) if (base / name).is_file()}


def check_files(config: Config, base: Path, folder: Folder) -> None:
    """See that the files are those the job was prepared from; one that is gone is none that has changed.

    Raises:
        ConflictError: Naming those that have changed.
    """
    known: Mapping[str, str] = folder.state().get("files", {})
    changed = [name for name, now in file_hashes(config, base).items() if known.get(name, now) != now]
    if changed:
        raise ConflictError(
            f"{folder.path}: holds what was found on other data: {', '.join(changed)} changed since. "
            "Give the job another name or --out, or remove the folder"
        )


def _names(config: Config) -> list[str]:
    problem = config.problem
    if isinstance(problem, SetConfig):
        return [problem.path]
    if isinstance(problem, TableConfig):
        return [path for path in (problem.path, *(task.path for task in problem.tasks.values())) if path is not None]
    return []


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
