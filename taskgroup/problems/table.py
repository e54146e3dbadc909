"""Tables of the user's own: one file with a column a task, long form, or a file for each task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from taskgroup.core.table import did_you_mean
from taskgroup.problems.config import TableConfig
from taskgroup.problems.faults import Faults, some
from taskgroup.problems.rows import SHARED, Rows, joined
from taskgroup.problems.source import Source, plain, read


def read_table(config: TableConfig, folder: Path) -> Rows:
    """All rows that ``config`` names.

    Raises:
        InputError: With a sentence for every missing file or column.
    """
    faults, parts, files = Faults(), [], []
    own = {name: task.path for name, task in config.tasks.items() if task.path is not None}
    shared = {name: task.column or name for name, task in config.tasks.items() if task.path is None}
    if config.path is not None:
        with faults.collect():
            part = _long if config.task_column is not None else _wide
            parts.append(part(config, read(config.path, folder), shared))
            files.append(config.path)
    for name, path in own.items():
        with faults.collect():
            column = config.tasks[name].column or name
            parts.append(_wide(config, read(path, folder), {name: column}, owner=name))
            files.append(path)
    if parts:
        with faults.collect():
            rows = joined(parts, files)
    faults.check()
    return rows


def _wide(config: TableConfig, source: Source, columns: Mapping[str, str], owner: str = SHARED) -> Rows:
    """Rows of a file with one label column for each task in ``columns``."""
    faults, labels = Faults(), {}
    for task, column in columns.items():
        with faults.collect():
            labels[task] = present(source.column(column), config.missing)
    owners = np.full(source.n_rows, owner, dtype=object)
    return _rows(config, source, set(columns.values()), labels, owners, faults)


def _long(config: TableConfig, source: Source, columns: Mapping[str, str]) -> Rows:
    """Rows of a file in which each belongs to the task that ``task_column`` names; other tasks' rows are left out."""
    assert config.task_column is not None, "only called for the long form"
    assert config.label_column is not None, "the config model demands both"
    faults, labels = Faults(), {}
    owners = np.full(source.n_rows, SHARED, dtype=object)
    with faults.collect():
        marks = plain(source.column(config.task_column)).map(str)
        values = present(source.column(config.label_column), config.missing)
        for task in columns:
            own = config.tasks[task].value
            mine = marks.index[marks == str(task if own is None else own)]
            owners[mine] = task
            labels[task] = values[values.index.isin(mine)]
        faults.add(_unmarked(config, source.file, sorted(set(marks)), owners))
    rows = _rows(config, source, {config.task_column, config.label_column}, labels, owners, faults)
    return rows.take(np.flatnonzero(owners != SHARED))


def _unmarked(config: TableConfig, file: str, marks: list[str], owners: Any) -> list[str]:
    """A sentence for each task without rows."""
    faults = []
    for name, task in config.tasks.items():
        if not (owners == name).any():
            mark = str(name if task.value is None else task.value)
            hint = did_you_mean(mark, marks) or f"; its values are {some(marks)}"
            faults.append(f"{file}: no row has `{mark}` in task column `{config.task_column}` for task `{name}`{hint}")
    return faults


def _rows(
    config: TableConfig,
    source: Source,
    used: set[str],
    labels: dict[str, "pd.Series[Any]"],
    owners: Any,
    faults: Faults,
) -> Rows:
    by = config.split.column or config.split.time
    order = None
    if by is not None:
        with faults.collect():
            order = source.column(by)
    with faults.collect():
        inputs = source.inputs(config.inputs, used | ({by} if by is not None else set()))
        if isinstance(inputs, pd.DataFrame):
            faults.add(_input_faults(config, source.file, [str(c) for c in inputs.columns], used))
    faults.check()
    return Rows(inputs, labels, owners, order, {"rows_read": source.n_rows})


def _input_faults(config: TableConfig, file: str, columns: list[str], used: set[str]) -> list[str]:
    if not columns:
        return [f"{file}: no column is left for the inputs beside labels and split"]
    kept = used | ({config.split.column} if config.split.column is not None else set())
    faults = [f"problem.inputs: `{c}` is a label, task or split column; leave it out" for c in columns if c in kept]
    faults += [
        f"problem.inputs: `{c}` should be named once" for c in sorted({c for c in columns if columns.count(c) > 1})
    ]
    names = {*columns, *(c.partition("[")[0] for c in columns)}
    return faults + [
        f"problem.categorical: `{c}` is not an input{did_you_mean(c, columns)}"
        for c in config.categorical
        if c not in names
    ]


def present(values: "pd.Series[Any]", missing: object) -> "pd.Series[Any]":
    """Labels that are there, as Python objects, indexed by row number."""
    labels = plain(values)
    return labels if missing is None else labels[[label != missing for label in labels]]
