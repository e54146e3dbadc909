"""Files behind a problem: which count, and when they have changed."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from taskgroup.errors import ConflictError
from taskgroup.pipeline.config import Config, parse_config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.problem_files import check_files, file_hashes

BINARY = {"kind": "binary"}
OWN = {"y": {**BINARY, "path": "a.csv"}, "z": {**BINARY, "path": "b.csv"}}
PROBLEMS: dict[str, dict[str, Any]] = {
    "one table": {"source": "table", "path": "a.csv", "tasks": {"y": BINARY, "z": BINARY}},
    "a table for each task": {"source": "table", "tasks": OWN},
    "a set": {"source": "set", "path": "a.npz"},
    "bundled": {"source": "bundled", "name": "diabetes"},
}


def config(what: str) -> Config:
    return parse_config({"name": "job", "problem": PROBLEMS[what]}, "job.yaml", Path())


@pytest.mark.parametrize(
    ("what", "names"),
    [("one table", ["a.csv"]), ("a table for each task", ["a.csv", "b.csv"]), ("a set", ["a.npz"]), ("bundled", [])],
)
def test_files_of_a_problem_by_their_names_in_the_config(tmp_path: Path, what: str, names: list[str]) -> None:
    for name in ("a.csv", "b.csv", "a.npz", "c.csv"):
        (tmp_path / name).write_text(name)
    assert file_hashes(config(what), tmp_path) == {n: hashlib.sha256(n.encode()).hexdigest() for n in names}


def test_every_file_that_changed_is_named(tmp_path: Path) -> None:
    wanted, folder = config("a table for each task"), Folder(tmp_path / "job")
    folder.path.mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    check_files(wanted, tmp_path, folder)  # a job from before files were noted
    folder.note(files=file_hashes(wanted, tmp_path))
    check_files(wanted, tmp_path, folder)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("other")
    with pytest.raises(ConflictError, match=r"on other data: a\.csv, b\.csv changed since"):
        check_files(wanted, tmp_path, folder)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).unlink()
    check_files(wanted, tmp_path, folder)
