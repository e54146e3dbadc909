"""Fit: raw rows to the arrays of a problem, with everything learned from the training rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.problems.config import BUNDLED, BundledConfig, SplitConfig, TableConfig, TaskConfig
from taskgroup.problems.faults import Faults
from taskgroup.problems.inputs import Raw, checked, fitted
from taskgroup.problems.labels import Encoded, encoded, parsed
from taskgroup.problems.problem import SPLITS, TRAIN, UNUSED
from taskgroup.problems.rows import Rows
from taskgroup.problems.split import empty_splits, split_rows


@dataclass(frozen=True)
class Fitted:
    """Arrays of a problem.

    Attributes:
        inputs: As the trunk takes them, shape ``(N, ...)``.
        labels: Each task's, in order; regressions still in their own units.
        split: Shape ``(N,)``.
        record: What was done, as plain data.
    """

    inputs: NDArray[Any]
    labels: tuple[Encoded, ...]
    split: NDArray[np.int8]
    record: dict[str, Any]


def fit(config: BundledConfig | TableConfig, rows: Rows) -> Fitted:
    """Split, inputs and labels of ``rows``; what can be read without a split is checked even if that fails.

    Raises:
        InputError: With a sentence for each thing that is wrong.
    """
    faults, tasks = Faults(), task_configs(config)
    raw: Raw | None = None
    with faults.collect():
        raw = _checked(config, rows)
    ready, labels = {}, []
    for name, task in tasks.items():
        with faults.collect():
            ready[name] = parsed(name, task.kind, rows.labels[name])
    with faults.collect():
        split = split_rows(config.split, rows)
        faults.add(empty_splits(split) if (split != UNUSED).any() else [])  # else every task says that it has no labels
        for name, series in ready.items():
            with faults.collect():
                labels.append(encoded(name, tasks[name], series, split))
        if raw is not None and (split == TRAIN).any():
            with faults.collect():
                inputs, record = fitted(raw, split == TRAIN)
    faults.check()
    return Fitted(inputs, tuple(labels), split, {**_record(config, rows, split), "inputs": record})


def task_configs(config: BundledConfig | TableConfig) -> dict[str, TaskConfig]:
    """The tasks in order."""
    if isinstance(config, TableConfig):
        return dict(config.tasks)
    kinds = BUNDLED[config.name]
    return {n: TaskConfig(kind=kinds[n], weight=config.weights.get(n, 1.0)) for n in config.tasks or kinds}


def _checked(config: BundledConfig | TableConfig, rows: Rows) -> Raw:
    if isinstance(config, BundledConfig):
        return checked(rows.inputs)
    return checked(rows.inputs, categorical=config.categorical, shape=config.shape, tokens=config.tokens)


def _record(config: BundledConfig | TableConfig, rows: Rows, split: NDArray[np.int8]) -> dict[str, Any]:
    """Where the rows come from and how they were divided."""
    return {
        "problem": config.model_dump(mode="json", exclude={"split", "tasks"}, exclude_none=True),
        "split": _split_record(config.split),
        "rows": {"read": rows.record["rows_read"], **{n: int((split == code).sum()) for n, code in SPLITS.items()}},
    }


def _split_record(split: SplitConfig) -> dict[str, Any]:
    if split.column is not None:
        return {"column": split.column}
    return split.model_dump(mode="json", exclude_none=True, exclude={"seed"} if split.time is not None else set())
