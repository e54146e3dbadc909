"""Tables of group performance as JSON files: what networks trained on groups of tasks really reached."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskgroup.core.cover import Array, GroupScores
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError


@dataclass(frozen=True)
class GroupTable:
    """What one table says on one split.

    Attributes:
        name: Of the table.
        split: ``val``, ``test`` or what the file calls it.
        tasks: Task names, shape ``(T,)``.
        scores: The groups and their errors; scores of which higher is better have their sign turned.
        halves: Single-task networks of half the size, at their own cost; None where the table has none.
        replicates: Every seed, in the unit of ``scores.errors``, shape ``(R, G, T)``, NaN for tasks outside the group
            and for seeds that a group lacks; None where the table has none.
        exhaustive: Whether the table says that it holds every subset of the tasks.
        affinity: Name (``affinity``, ``affinity_cosine``) → matrix ``[source, target]``, NaN where unknown, shape
            ``(T, T)``; higher helps.
    """

    name: str
    split: str
    tasks: tuple[str, ...]
    scores: GroupScores
    halves: GroupScores | None
    replicates: Array | None
    exhaustive: bool
    affinity: Mapping[str, Array]


class _Matrix(BaseModel):
    matrix: list[list[float | None]]
    rows: str = "receiver"
    cols: str = "giver"


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")  # scores_test, replicates_val, ...

    tasks: list[str] = Field(min_length=1)
    scores: dict[str, float] | None = None
    cost: float = Field(default=1.0, gt=0)


class _Metric(BaseModel):
    higher_is_better: bool


class _File(BaseModel):
    name: str
    tasks: list[str] = Field(min_length=1)
    metric: _Metric
    split: str = "val"
    exhaustive: bool = False
    subsets: list[_Row] = Field(min_length=1)
    half_cost_singles: list[_Row] | None = None
    affinity: _Matrix | None = None
    affinity_cosine: _Matrix | None = None


def read_group_table(path: Path, split: str | None = None) -> GroupTable:
    """Read a table, see ``../shared/tables/README.md`` for the form.

    Args:
        path: Of the JSON file.
        split: Another split that the same file holds, under ``scores_SPLIT`` and ``replicates_SPLIT``; by default the
            file's own, under ``scores``.

    Raises:
        InputError: No such file, not JSON, a key missing or of the wrong type, a group with an unknown task or without
            a finite score for each of its tasks, a matrix that is not tasks by tasks, or no such split.
    """
    file = _parsed(Path(path))
    if len(set(file.tasks)) < len(file.tasks):
        raise InputError(f"{path}: `tasks` should be different names, found {file.tasks}")
    wanted = split or file.split
    sign = -1.0 if file.metric.higher_is_better else 1.0
    half_rows = file.half_cost_singles or []
    rows = [_score(row, "scores", wanted, wanted == file.split) for row in file.subsets]
    halves = [_score(row, "scores", wanted, wanted == file.split) for row in half_rows]
    faults = _faults(file, "subsets", file.subsets, rows, wanted)
    faults += _faults(file, "half_cost_singles", half_rows, halves, wanted)
    for key, matrix in (("affinity", file.affinity), ("affinity_cosine", file.affinity_cosine)):
        faults += _matrix_faults(file, key, matrix)
    if faults:
        raise InputError([f"{path}: {fault}" for fault in faults])
    return GroupTable(
        name=file.name,
        split=wanted,
        tasks=tuple(file.tasks),
        scores=_group_scores(file, file.subsets, rows, sign),
        halves=_group_scores(file, half_rows, halves, sign) if half_rows else None,
        replicates=_replicates(file, wanted, sign, path),
        exhaustive=file.exhaustive,
        affinity=_affinities(file),
    )


def _parsed(path: Path) -> _File:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: should be a table of groups (JSON), found no such file") from error
    except ValueError as error:
        raise InputError(f"{path}: should be JSON, found {error}") from error
    try:
        return _File.model_validate(data)
    except ValidationError as error:
        raise InputError(sentences(error, _File, str(path))) from error


def _score(row: _Row, kind: str, split: str, own: bool) -> Any:
    """What a row says under ``KIND_SPLIT``, or of the file's own split under ``KIND``; None where it says nothing."""
    found = (row.model_extra or {}).get(f"{kind}_{split}")
    if found is None and own:
        return row.scores if kind == "scores" else (row.model_extra or {}).get(kind)
    return found


def _faults(file: _File, place: str, rows: Sequence[_Row], scores: Sequence[Any], split: str) -> list[str]:
    """A sentence for each row whose tasks or scores are not what they should be."""
    found = []
    for at, (row, values) in enumerate(zip(rows, scores, strict=True)):
        strangers = [task for task in row.tasks if task not in file.tasks]
        if strangers:
            found.append(f"`{place}.{at}.tasks` should be tasks of the table, found {', '.join(strangers)}")
        elif not isinstance(values, dict):
            found.append(f"`{place}.{at}` should have `scores` of split {split}, found none")
        elif sorted(values) != sorted(set(row.tasks)) or not all(_finite(value) for value in values.values()):
            rule = f"should hold a finite number for each of {row.tasks} and for no other"
            found.append(f"`{place}.{at}.scores` {rule}, found {values}")
    return found


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _group_scores(file: _File, rows: Sequence[_Row], values: Sequence[Mapping[str, float]], sign: float) -> GroupScores:
    errors = [{task: sign * float(value) for task, value in row.items()} for row in values]
    return GroupScores.of(file.tasks, errors, [row.cost for row in rows])


def _replicates(file: _File, split: str, sign: float, path: Path) -> Array | None:
    """Every seed of every group, shape ``(R, G, T)``; None where no row has any."""
    found = [_score(row, "replicates", split, split == file.split) or {} for row in file.subsets]
    try:
        lists = [{task: np.asarray(seeds, dtype=np.float64) for task, seeds in row.items()} for row in found]
    except (TypeError, ValueError, AttributeError) as error:
        rule = "should be task → list of numbers, one a seed"
        raise InputError(f"{path}: `replicates_{split}` {rule}, found {error}") from error
    n_seeds = max((len(seeds) for row in lists for seeds in row.values()), default=0)
    if not n_seeds:
        return None
    array = np.full((n_seeds, len(found), len(file.tasks)), np.nan)
    for at, (row, of) in enumerate(zip(lists, file.subsets, strict=True)):
        for task, seeds in row.items():
            if task not in of.tasks or seeds.ndim != 1:
                rule = f"should be lists of numbers for tasks of {of.tasks}"
                raise InputError(f"{path}: `subsets.{at}.replicates_{split}` {rule}, found {task}: {seeds.tolist()}")
            array[: len(seeds), at, file.tasks.index(task)] = sign * seeds
    return array


def _matrix_faults(file: _File, key: str, found: _Matrix | None) -> list[str]:
    if found is None:
        return []
    n, faults = len(file.tasks), []
    if len(found.matrix) != n or any(len(row) != n for row in found.matrix):
        lengths = sorted({len(row) for row in found.matrix})
        faults.append(f"`{key}.matrix` should be {n} by {n}, found {len(found.matrix)} rows of {lengths}")
    if {found.rows, found.cols} != {"receiver", "giver"}:
        rule = "`rows` and `cols` should be receiver and giver, one each"
        faults.append(f"`{key}`: {rule}, found {found.rows} and {found.cols}")
    return faults


def _affinities(file: _File) -> dict[str, Array]:
    """The matrices as ``[source, target]``: the giver is the source."""
    found = {}
    for key, matrix in (("affinity", file.affinity), ("affinity_cosine", file.affinity_cosine)):
        if matrix is not None:
            values = np.array(matrix.matrix, dtype=np.float64)
            found[key] = values.T.copy() if matrix.rows == "receiver" else values
    return found
