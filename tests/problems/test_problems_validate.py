from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problem_tables import load
from torch import nn

from taskgroup.nn.trunk import Trunk
from taskgroup.problems.problem import Problem
from taskgroup.problems.validate import validate


@pytest.fixture
def good() -> Problem:
    return load(Path(), source="bundled", name="digits", tasks=["digit", "parity", "slant"])


def with_label(problem: Problem, row: int, column: int, value: float) -> Problem:
    labels = problem.labels.copy()
    labels[row, column] = value
    return replace(problem, labels=labels)


def test_a_good_problem_has_no_faults(good: Problem) -> None:
    assert validate(good) == []


def broken(problem: Problem, what: str) -> Problem:
    inputs, labels, split = problem.inputs.copy(), problem.labels.copy(), problem.split.copy()
    changes: dict[str, dict[str, Any]] = {
        "list": {"split": split.tolist()},
        "flat": {"inputs": inputs.ravel()},
        "double": {"inputs": inputs.astype(np.float64)},
        "labels": {"labels": labels[:, :2]},
        "labels32": {"labels": labels.astype(np.float32)},
        "short": {"split": split[:-1]},
        "words": {"split": np.where(split == 0, 5, split).astype(np.int8)},
        "spec": {"trunk_spec": problem.trunk_spec.model_copy(update={"stages": ("a",)})},
        "trunk": {"trunk": Trunk({"block1": nn.Identity(), "block2": nn.Flatten(0)})},
        "unscaled": {"labels": labels * [1, 1, 3]},
        "tokens": {"inputs": (10 * inputs).astype(np.int64)},
    }
    if what == "nan":
        inputs[7] = np.nan
        return replace(problem, inputs=inputs)
    return replace(problem, **changes[what])


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("list", "problem: inputs, labels and split should be numpy arrays"),
        (
            "flat",
            "problem.inputs: should be float32, or int64 for token ids, of shape (N, ...), found float32 of shape",
        ),
        ("double", "found float64 of shape (1797, 1, 8, 8)"),
        ("labels", "problem.labels: should be float64 of shape (N, T) = (1797, 3), found float64 of shape (1797, 2)"),
        ("labels32", "found float32 of shape (1797, 3)"),
        ("short", "problem.split: should be whole numbers of shape (N,) = (1797,), found int8 of shape (1796,)"),
        ("words", "problem.split: should hold 0 train, 1 val, 2 test and -1 unused, found [5]"),
        ("words", "problem.split: train should have labelled rows, found none"),
        ("spec", "problem.trunk_spec.stages: should be ('block1', 'block2') by trunk and inputs, found ('a',)"),
        ("trunk", "trunk: the last stage `block2` should give one vector of features a row"),
        ("unscaled", "problem.tasks.slant: training labels should have mean 0 and scale 1, found"),
        ("nan", "problem.inputs: should be finite, found otherwise in 1 rows, the first is row 7"),
        ("tokens", "problem.inputs: token ids should be 0 or more, found "),
        ("tokens", "problem.trunk_spec.input_dtype: should be int64 by trunk and inputs, found float32"),
    ],
)
def test_what_a_problem_made_by_hand_may_have_wrong(good: Problem, what: str, found: str) -> None:
    assert any(found in fault for fault in validate(broken(good, what)))


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        (0, 10, "problem.tasks.digit: labels should be class indexes 0 to 9, found 10"),
        (1, 0.5, "problem.tasks.parity: labels should be class indexes 0 to 1, found 0.5"),
        (1, -1, "problem.tasks.parity: labels should be class indexes 0 to 1, found -1"),
        (2, np.inf, "problem.tasks.slant: labels should be finite, or NaN where missing, found infinite ones"),
    ],
)
def test_what_labels_made_by_hand_may_have_wrong(good: Problem, column: int, value: float, found: str) -> None:
    assert validate(with_label(good, 3, column, value)) == [found]


def test_a_task_without_labels_in_a_split(good: Problem) -> None:
    labels = good.labels.copy()
    labels[good.split == 2, 2] = np.nan
    assert validate(replace(good, labels=labels)) == [
        "problem.tasks.slant: train, val and test should each have two different labels at least, "
        "found no labels in test"
    ]


def test_missing_labels_are_no_fault(good: Problem) -> None:
    assert validate(with_label(good, 3, 0, np.nan)) == []
