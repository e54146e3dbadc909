"""Validate: what can be wrong in a problem, wherever it comes from."""

import numpy as np
import torch

from taskgroup.core.task import Task
from taskgroup.errors import InputError
from taskgroup.problems.labels import split_fault
from taskgroup.problems.problem import SPLITS, TRAIN, UNUSED, Problem, described
from taskgroup.problems.split import empty_splits

TOLERANCE = 0.05
"""How far the mean and scale of standardized training labels may be from 0 and 1."""


def validate(problem: Problem) -> list[str]:
    """A sentence for everything that would keep ``problem`` from being trained and scored; empty if nothing."""
    faults = _shape_faults(problem)
    if faults:
        return faults
    for column, task in enumerate(problem.tasks):
        faults += _label_faults(task, problem.labels[:, column], problem.split)
    return [*_input_faults(problem), *_split_faults(problem), *faults, *_trunk_faults(problem)]


def _shape_faults(problem: Problem) -> list[str]:
    inputs, labels, split = problem.inputs, problem.labels, problem.split
    if not all(isinstance(array, np.ndarray) for array in (inputs, labels, split)):
        return ["problem: inputs, labels and split should be numpy arrays"]
    faults = []
    if inputs.ndim < 2 or inputs.dtype not in (np.float32, np.int64):
        faults.append(
            "problem.inputs: should be float32, or int64 for token ids, of shape (N, ...), "
            f"found {inputs.dtype} of shape {inputs.shape}"
        )
    expected = (len(inputs), len(problem.tasks)) if inputs.ndim else (0, len(problem.tasks))
    if labels.shape != expected or labels.dtype != np.float64:
        faults.append(
            f"problem.labels: should be float64 of shape (N, T) = {expected}, "
            f"found {labels.dtype} of shape {labels.shape}"
        )
    if split.shape != expected[:1] or split.dtype.kind != "i":
        faults.append(
            f"problem.split: should be whole numbers of shape (N,) = {expected[:1]}, "
            f"found {split.dtype} of shape {split.shape}"
        )
    return faults


def _input_faults(problem: Problem) -> list[str]:
    if problem.inputs.dtype == np.int64:
        low = problem.inputs.min(initial=0)
        return [f"problem.inputs: token ids should be 0 or more, found {low}"] if low < 0 else []
    bad = ~np.isfinite(problem.inputs).reshape(len(problem.inputs), -1).all(axis=1)
    if bad.any():
        return [
            f"problem.inputs: should be finite, found otherwise in {bad.sum()} rows, the first is row {bad.argmax()}"
        ]
    return []


def _split_faults(problem: Problem) -> list[str]:
    unknown = sorted(set(problem.split.tolist()) - {*SPLITS.values(), UNUSED})
    faults = [f"problem.split: should hold 0 train, 1 val, 2 test and -1 unused, found {unknown}"] if unknown else []
    return faults + empty_splits(problem.split)


def _label_faults(task: Task, labels: np.ndarray, split: np.ndarray) -> list[str]:
    known = labels[~np.isnan(labels)]
    if np.isinf(known).any():
        return [f"problem.tasks.{task.name}: labels should be finite, or NaN where missing, found infinite ones"]
    if task.kind != "regression":
        n_classes = task.n_classes or 2
        wrong = known[(known != np.rint(known)) | (known < 0) | (known >= n_classes)]
        if len(wrong):
            return [
                f"problem.tasks.{task.name}: labels should be class indexes 0 to {n_classes - 1}, found {wrong[0]:g}"
            ]
    fault = split_fault(task.name, task.kind, labels, split)
    if fault:
        return [fault]
    train = labels[(split == TRAIN) & ~np.isnan(labels)]
    if task.kind == "regression" and len(train) and max(abs(train.mean()), abs(train.std() - 1)) > TOLERANCE:
        return [
            f"problem.tasks.{task.name}: training labels should have mean 0 and scale 1, found {train.mean():.3g} and "
            f"{train.std():.3g}; Problem.from_arrays standardizes them"
        ]
    return []


def _trunk_faults(problem: Problem) -> list[str]:
    faults = []
    spec = described(problem.trunk_spec, problem.trunk, problem.inputs)
    for field in ("stages", "input_shape", "input_dtype"):
        expected, found = getattr(spec, field), getattr(problem.trunk_spec, field)
        if found != expected:
            faults.append(f"problem.trunk_spec.{field}: should be {expected} by trunk and inputs, found {found}")
    try:
        problem.trunk.shapes(torch.tensor(problem.inputs[:2]))
    except InputError as error:
        faults += error.problems
    return faults
