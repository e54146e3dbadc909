"""Labels: every task's kind, metric and labels, whatever the file leaves unsaid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import Kind, Task
from taskgroup.problems.sets.file import SetFile, whole
from taskgroup.problems.sets.metrics import metric_of

MAX_CLASSES = 20
"""Where no type is given, whole numbers with more different values than this are quantities."""

Column = NDArray[np.float64]


@dataclass
class Labels:
    """The tasks of a set with their labels.

    Attributes:
        tasks: All tasks of the file that have any label, in its order.
        columns: Task → class index or number, NaN where missing, shape ``(N,)``.
        classes: Task → the file's label of each class index, where these differ.
        groups: Task → its group, where the file knows groups.
        notes: What was not as the format says.
    """

    tasks: dict[str, Task] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    classes: dict[str, list[float]] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_labels(found: SetFile) -> Labels:
    """Labels of all tasks."""
    labels = Labels()
    raw = _separate(found, labels.notes) if found.separate else _shared(found)
    entries = _entries(found.meta, len(raw))
    known = found.arrays.get("known_groups", np.empty(0))
    for k, (name, entry) in enumerate(zip(_names(entries), entries, strict=True)):
        column = raw[k].astype(np.float64)
        kind = _kind(entry.get("type"), column, labels.notes, name)
        column = _indexed(name, kind, column, labels)
        if np.isnan(column).all():
            labels.notes.append(f"task `{name}` has no labels and is left out")
            continue
        metric, note = metric_of(_metric(found.meta, entry, name, kind), kind)
        labels.notes += [note] if note and note not in labels.notes else []
        n_classes = max(2, len(np.unique(column[~np.isnan(column)]))) if kind == "multiclass" else None
        labels.tasks[name] = Task(name=name, kind=kind, metric=metric, n_classes=n_classes)
        labels.columns[name] = column
        if known.shape == (len(raw),):
            labels.groups[name] = int(known[k])
    return labels


def _shared(found: SetFile) -> list[NDArray[Any]]:
    matrix = found.arrays["Y"].reshape(found.n_rows, -1)
    return list(matrix.T)


def _separate(found: SetFile, notes: list[str]) -> list[NDArray[Any]]:
    """A column for each task; the ids count the tasks of ``meta``, or are as many other numbers in their order."""
    owner, n_tasks = whole(found.arrays["task_id"].reshape(-1)), len(_listed(found.meta))
    ids = [int(i) for i in np.unique(owner) if i >= 0]
    if ids and ids[-1] >= n_tasks and len(ids) != n_tasks:
        notes += [f"task_id goes to {ids[-1]}, meta lists {n_tasks} tasks"] if n_tasks else []
        n_tasks = ids[-1] + 1
    order = ids if ids and ids[-1] >= n_tasks else list(range(n_tasks))
    values = found.arrays["y"].reshape(-1).astype(np.float64)
    return [np.where(owner == i, values, np.nan) for i in order]


def _listed(meta: Mapping[str, Any]) -> list[Any]:
    tasks = meta.get("tasks")
    return tasks if isinstance(tasks, list) else []


def _entries(meta: Mapping[str, Any], n_tasks: int) -> list[Mapping[str, Any]]:
    """What ``meta`` says of each task; a task may be given as its name alone, or not at all."""
    given: list[Mapping[str, Any]] = [t if isinstance(t, dict) else {"name": str(t)} for t in _listed(meta)[:n_tasks]]
    return given + [{}] * (n_tasks - len(given))


def _names(entries: list[Mapping[str, Any]]) -> list[str]:
    """A name for each task, none twice."""
    names: list[str] = []
    for k, entry in enumerate(entries):
        name = str(entry.get("name") or f"task{k}")
        names.append(name if name not in names else f"{name}_{k}")
    return names


def _kind(said: Any, column: Column, notes: list[str], name: str) -> Kind:
    """The kind that the file names, where the labels are such; else the one that they look like."""
    present = column[np.isfinite(column)]
    if said == "regression":
        return "regression"
    broken = bool((present != np.rint(present)).any())
    n_values = len(np.unique(present[present >= 0]))
    likely: Kind = "binary" if n_values <= 2 else "multiclass"
    if said in get_args(Kind) and not (broken or (said == "binary" and n_values > 2)):
        return "multiclass" if said == "multiclass" else "binary"
    quantity = broken or bool((present < -1).any()) or (said is None and n_values > MAX_CLASSES)
    found: Kind = "regression" if quantity else likely
    notes.append(f"task `{name}` has {f'type `{said}`' if said else 'no type'} in the file: taken for {found}")
    return found


def _indexed(name: str, kind: Kind, column: Column, labels: Labels) -> Column:
    """Class labels as indexes from 0 in the order of their numbers; missing and infinite ones as NaN."""
    column = np.where(np.isfinite(column), column, np.nan)
    if kind == "regression":
        return column
    column = np.where(column < 0, np.nan, column)
    known = ~np.isnan(column)
    classes = np.unique(column[known])
    if kind == "binary" and set(classes) <= {0.0, 1.0}:
        return column
    column[known] = np.searchsorted(classes, column[known])
    if not np.array_equal(classes, np.arange(len(classes))):
        labels.classes[name] = classes.tolist()
    return column


def _metric(meta: Mapping[str, Any], entry: Mapping[str, Any], name: str, kind: Kind) -> Any:
    """The word for one task: its own, else the set's, which may tell tasks or kinds apart."""
    said = entry.get("metric", meta.get("metric"))
    return said.get(name, said.get(kind)) if isinstance(said, Mapping) else said
