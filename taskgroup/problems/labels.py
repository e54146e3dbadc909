"""Labels: from what the file says to class indexes and numbers, and the rules that every split keeps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.core.task import Kind, Task
from taskgroup.errors import InputError
from taskgroup.problems.config import TaskConfig
from taskgroup.problems.faults import few
from taskgroup.problems.problem import SPLITS, TRAIN, UNUSED


@dataclass(frozen=True)
class Encoded:
    """One task's labels.

    Attributes:
        task: Its definition.
        values: Class index or number, NaN where missing, shape ``(N,)``.
        record: How to read new labels, as plain data.
    """

    task: Task
    values: NDArray[np.float64]
    record: dict[str, Any]


def parsed(name: str, kind: Kind, labels: "pd.Series[Any]") -> "pd.Series[Any]":
    """``labels`` as numbers (regression) or as they are (classes), after checking that each can be read.

    Raises:
        InputError: A regression label that is no finite number; a class that is neither text, whole number nor boolean.
    """
    if kind == "regression":
        numbers = pd.to_numeric(labels, errors="coerce").astype(np.float64)
        bad = labels[~np.isfinite(numbers)]
        rule = "finite numbers"
    else:
        numbers = labels
        bad = labels[[not _is_class(v, kind) for v in labels]]
        rule = "text, whole numbers or true/false" if kind == "multiclass" else "two numbers, words or true/false"
    if len(bad):
        raise InputError(
            f"problem.tasks.{name}: {kind} labels should be {rule}, found `{bad.iloc[0]}` in data row "
            f"{bad.index[0] + 1}{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}"
        )
    return numbers


def _is_class(value: object, kind: Kind) -> bool:
    if isinstance(value, float):
        return kind == "binary" and math.isfinite(value)
    return isinstance(value, bool | int | str)


def encoded(name: str, config: TaskConfig, labels: "pd.Series[Any]", split: NDArray[np.int8]) -> Encoded:
    """Labels that :func:`parsed` let pass, as one column; classes are sorted and numbered from 0.

    Raises:
        InputError: A binary task without exactly two values, a class that training lacks, an unscorable split.
    """
    values = np.full(len(split), np.nan)
    rows = labels.index.to_numpy()
    given = {"name": name, "kind": config.kind, "loss": config.loss, "metric": config.metric, "weight": config.weight}
    record: dict[str, Any] = {"column": config.column or name, "kind": config.kind}
    if config.kind == "regression":
        values[rows] = labels.to_numpy(dtype=np.float64)
    else:
        classes = _classes(name, config.kind, labels, split[rows])
        index = {c: k for k, c in enumerate(classes)}
        values[rows] = [index.get(c, math.nan) for c in labels]
        record["classes"] = classes
        given["n_classes"] = len(classes) if config.kind == "multiclass" else None
    values[split == UNUSED] = np.nan
    fault = split_fault(name, config.kind, values, split)
    if fault:
        raise InputError(fault)
    return Encoded(Task.model_validate(given), values, record)


def _classes(name: str, kind: Kind, labels: "pd.Series[Any]", split: NDArray[np.int8]) -> list[Any]:
    """Classes in order: numbers by size, anything else by its text."""
    used = set(labels[split != UNUSED])
    numeric = all(isinstance(v, bool | int | float) for v in used)
    classes = sorted(used, key=None if numeric else str)
    if kind == "binary" and len(classes) > 2:
        raise InputError(
            f"problem.tasks.{name}: a binary task should have two values, found {len(classes)}: {few(classes)}; "
            f"{_remedy(classes)}"
        )
    if len(classes) < 2:
        raise InputError(
            f"problem.tasks.{name}: a {kind} task should have at least two classes, found {few(classes) or 'no labels'}"
        )
    trained = set(labels[split == TRAIN])
    unseen = [c for c in classes if c not in trained]
    if unseen and trained:
        raise InputError(
            f"problem.tasks.{name}: every class should occur in the training rows, found {few(unseen)} only in val or "
            "test; choose another split or leave those rows out"
        )
    return classes


def _remedy(classes: Sequence[Any]) -> str:
    """What to do about a binary task with more than two values."""
    if -1 in classes:
        return "a label that means missing is named by `missing`"
    broken = any(isinstance(c, float) for c in classes)  # whole numbers arrive as integers
    return "use kind regression" if broken else "use kind multiclass"


def split_fault(name: str, kind: Kind, values: NDArray[np.float64], split: NDArray[np.int8]) -> str:
    """What keeps a task from being trained or scored in some split, as one sentence; empty if nothing.

    Each of train, val and test needs labels of two classes at least, or two different numbers. A split that has no rows
    for any task is not the task's fault.
    """
    found = []
    for part, code in SPLITS.items():
        labels = values[(split == code) & ~np.isnan(values)]
        if not len(labels):
            found += [f"no labels in {part}"] if (split == code).any() else []
        elif len(np.unique(labels)) < 2:
            what = "the value" if kind == "regression" else "class index"
            found.append(f"only {what} {labels[0]:g} in {part} ({len(labels)} labels)")
    if not found:
        return ""
    rule = "two different labels" if kind == "regression" else "labels of two classes"
    return f"problem.tasks.{name}: train, val and test should each have {rule} at least, found {_and(found)}"


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
