"""Read: from a set's file to the arrays of a problem."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import did_you_mean
from taskgroup.core.task import Task
from taskgroup.errors import InputError
from taskgroup.problems.config import SetConfig
from taskgroup.problems.faults import some
from taskgroup.problems.labels import split_fault
from taskgroup.problems.problem import SPLITS, TRAIN, UNUSED, VAL
from taskgroup.problems.sets.file import SetFile, read_file
from taskgroup.problems.sets.inputs import SetInputs, read_inputs
from taskgroup.problems.sets.labels import Labels, read_labels
from taskgroup.problems.sets.shapes import Form
from taskgroup.problems.sets.splits import completed, is_random, read_split


@dataclass(frozen=True)
class SetData:
    """A set, ready for a trunk.

    Attributes:
        name: Of the set.
        tasks: Those that are left.
        labels: Task → class index or number, NaN where missing, shape ``(N,)``.
        split: Shape ``(N,)``.
        inputs: As the trunk takes them.
        record: What was done, as plain data.
        random_split: Whether training and validation rows were told apart at random: by the split ``random``, or here.
    """

    name: str
    tasks: list[Task]
    labels: dict[str, NDArray[np.float64]]
    split: NDArray[np.int8]
    inputs: SetInputs
    record: dict[str, Any]
    random_split: bool


def read_set(config: SetConfig, folder: Path, wanted: Form | None = None) -> SetData:
    """The set that ``config`` names.

    Tasks that cannot be scored (one class only in some part of the split) are left out and named in
    ``record["left_out"]``; whatever else is unusual stands in ``record["notes"]``. Rows without a label of the tasks
    that are left are unused.

    Args:
        config: The config's ``problem`` section.
        folder: To which its path is relative.
        wanted: What the trunk takes, where one is given.

    Raises:
        InputError: The file is not such a set, or has no such tasks or split.
    """
    found = read_file(config.path, folder)
    labels = read_labels(found)
    split, called, notes = read_split(found, config.split, config.split_index)
    random_split = is_random(called) or not (split == VAL).any()
    split, carved = completed(split, _strata(found, labels), config.split_index)
    left_out = {t: fault for t in labels.tasks if (fault := _fault(labels, t, split))}
    tasks = _chosen(found, labels, left_out, config.tasks)
    columns = {t: np.where(split == UNUSED, np.nan, labels.columns[t]) for t in tasks}
    split[np.isnan(np.stack(list(columns.values()))).all(axis=0)] = UNUSED
    inputs = read_inputs(found, split == TRAIN, max_len=config.max_len, wanted=wanted)
    record = {
        **set_record(found, labels, called, inputs, tasks),
        "rows": {"read": found.n_rows, **{part: int((split == code).sum()) for part, code in SPLITS.items()}},
        "left_out": list(left_out),
        "notes": [*labels.notes, *notes, *carved, *inputs.notes, *left_out.values()],
    }
    return SetData(found.name, [labels.tasks[t] for t in tasks], columns, split, inputs, record, random_split)


def set_record(found: SetFile, labels: Labels, split: str, inputs: SetInputs, tasks: list[str]) -> dict[str, Any]:
    """Where a problem comes from and how its inputs and classes were encoded, as plain data."""
    record: dict[str, Any] = {"set": found.name, "split": split, "inputs": inputs.record}
    for key, known in (("groups", labels.groups), ("classes", labels.classes)):
        mine = {t: known[t] for t in tasks if t in known}
        record |= {key: mine} if mine else {}
    return record


def _strata(found: SetFile, labels: Labels) -> NDArray[np.int64]:
    """Rows of each task apart, where tasks have rows of their own, and its classes too."""
    strata = np.zeros(found.n_rows, dtype=np.int64)
    if not found.separate:
        return strata
    n_before = 1
    for name, column in labels.columns.items():
        mine = ~np.isnan(column)
        regression = labels.tasks[name].kind == "regression"
        strata[mine] = n_before + (0 if regression else column[mine].astype(np.int64))
        n_before = int(strata.max()) + 1
    return strata


def _fault(labels: Labels, task: str, split: NDArray[np.int8]) -> str:
    """Why a task cannot be trained or scored, empty where it can."""
    fault = split_fault(task, labels.tasks[task].kind, labels.columns[task], split)
    return fault.removeprefix("problem.tasks.")


def _chosen(found: SetFile, labels: Labels, left_out: dict[str, str], wanted: tuple[str, ...] | None) -> list[str]:
    """Names of the tasks to keep, in the file's order.

    Raises:
        InputError: The file has no such task, or one that is asked for cannot be scored, or none can.
    """
    known = list(labels.tasks)
    faults = [
        f"problem.tasks: {found.file} has no task `{t}`{did_you_mean(t, known) or f'; its tasks are {some(known)}'}"
        for t in dict.fromkeys(wanted or ())
        if t not in known
    ]
    faults += [f"problem.tasks.{left_out[t]}" for t in dict.fromkeys(wanted or ()) if t in left_out]
    tasks = [t for t in known if t not in left_out and (wanted is None or t in wanted)]
    if not tasks and not faults:
        faults = [f"problem.tasks.{fault}" for fault in left_out.values()] or [f"{found.file}: no task has any label"]
    if faults:
        raise InputError(faults)
    return tasks
