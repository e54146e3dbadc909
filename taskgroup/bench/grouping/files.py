"""Which files of a folder are tables, which belong together, and the groups that both of a pair know."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taskgroup.bench.group_tables import GroupTable, read_group_table
from taskgroup.bench.grouping.covers import Judged
from taskgroup.core.cover import Group, GroupScores
from taskgroup.errors import InputError

Rows = NDArray[np.int_]

CHEAP = "_earlystop"
"""Ending of files whose scores come from cut-short trainings: a signal to choose by, never a table of its own."""


@dataclass(frozen=True)
class Source:
    """A table's files: ``X_val.json`` with its partner ``X_test.json``, or any other file alone.

    Attributes:
        name: ``X``, or the file's name.
        val: The file to choose by.
        test: The file to report by; None where there is no partner.
    """

    name: str
    val: Path
    test: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Eight letters that change with the files."""
        digest = sha256(self.val.read_bytes())
        digest.update(self.test.read_bytes() if self.test else b"")
        return digest.hexdigest()[:8]


def sources(folder: Path) -> list[Source]:
    """The tables of a folder, by name; files of cut-short trainings are none.

    Raises:
        InputError: No such folder, or no table in it.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.json")) if not path.stem.endswith(CHEAP)}
    found = []
    for stem, path in paths.items():
        base, _, split = stem.rpartition("_")
        if split == "val" and base:
            found.append(Source(base, path, paths.get(f"{base}_test")))
        elif split != "test" or f"{base}_val" not in paths:
            found.append(Source(stem, path))
    if not found:
        raise InputError(
            f"{folder}: should be a folder of tables (JSON), found {'none' if folder.is_dir() else 'no'} such"
        )
    return found


def cut_short(folder: Path) -> list[Path]:
    """Files of cut-short trainings."""
    return sorted(folder.glob(f"*{CHEAP}.json"))


def perfect_score(path: Path) -> float | None:
    """What a perfect network scores: 0 for losses, 1 or 100 for what is at most that; None where it has no top.

    Args:
        path: Of a file that :func:`read_group_table` takes.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if not data["metric"]["higher_is_better"]:
        return 0.0
    most = max(value for row in data["subsets"] for value in row.get("scores", {}).values())
    return 1.0 if most <= 1 else 100.0 if most <= 100 else None


def read_source(source: Source) -> tuple[GroupTable, GroupTable]:
    """The table to choose by and the one to report by, the latter with the former's tasks and groups in their order.

    The second comes from the partner file, or from ``scores_test`` of the same file; else it is the first.

    Raises:
        InputError: A file is not a table, or the two have different tasks or no group in common.
    """
    val = read_group_table(source.val)
    if source.test is not None:
        return aligned(val, read_group_table(source.test))
    inside = any("scores_test" in row for row in json.loads(source.val.read_text(encoding="utf-8"))["subsets"])
    return (val, read_group_table(source.val, "test")) if inside else (val, val)


def aligned(val: GroupTable, test: GroupTable) -> tuple[GroupTable, GroupTable]:
    """Both tables with the groups that both hold, in the first one's order of tasks and groups."""
    if sorted(val.tasks) != sorted(test.tasks):
        raise InputError(f"{val.name}, {test.name}: should have the same tasks, found {val.tasks} and {test.tasks}")
    at = np.array([test.tasks.index(task) for task in val.tasks])
    mine, theirs = _common(val.scores, test.scores, at)
    if not len(mine):
        raise InputError(f"{val.name}, {test.name}: should have groups in common, found none")
    half, other_half = _common(val.halves, test.halves, at) if val.halves and test.halves else (None, None)
    return _taken(val, mine, np.arange(len(at)), half), _taken(test, theirs, at, other_half)


def _common(one: GroupScores, other: GroupScores, at: Rows) -> tuple[Rows, Rows]:
    """Rows of the groups that stand in both at the same cost; ``at`` brings the second's tasks in the first's order."""
    members = other.members[:, at]
    where = {(row.tobytes(), float(cost)): k for k, (row, cost) in enumerate(zip(members, other.cost, strict=True))}
    keys = [(row.tobytes(), float(cost)) for row, cost in zip(one.members, one.cost, strict=True)]
    mine = [k for k, key in enumerate(keys) if key in where]
    return np.array(mine, dtype=np.int_), np.array([where[keys[k]] for k in mine], dtype=np.int_)


def _taken(table: GroupTable, rows: Rows, at: Rows, half_rows: Rows | None) -> GroupTable:
    """Some rows of a table, its tasks in the order ``at``; affinities are not taken along."""
    tasks = tuple(table.tasks[k] for k in at)
    replicates = None if table.replicates is None else table.replicates[:, rows][:, :, at]
    halves = None if half_rows is None or table.halves is None else _part(table.halves, tasks, half_rows, at)
    scores = _part(table.scores, tasks, rows, at)
    return replace(table, tasks=tasks, scores=scores, halves=halves, replicates=replicates, affinity={})


def _part(scores: GroupScores, tasks: Group, rows: Rows, at: Rows) -> GroupScores:
    return GroupScores(tasks, scores.members[rows][:, at], scores.errors[rows][:, at], scores.cost[rows])


def judged(val: GroupTable, test: GroupTable) -> Judged:
    """The groups of full size, each once; of a group that stands twice the row with the smaller sum on ``val``."""
    full = np.flatnonzero(val.scores.cost == 1)
    sums = np.nansum(val.scores.errors[full], axis=1)
    by_sum = full[np.argsort(sums, kind="stable")]
    _, first = np.unique(val.scores.members[by_sum], axis=0, return_index=True)
    rows = np.sort(by_sum[first])
    return Judged(val.tasks, val.scores.members[rows], val.scores.errors[rows], test.scores.errors[rows])
