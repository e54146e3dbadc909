from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from problem_tables import customers, load, load_faults, write

from taskgroup.problems.problem import TRAIN, Problem

SPLIT = {"column": "part"}


def labelled(tmp_path: Path, values: list[Any], kind: str, **section: Any) -> Problem:
    frame = customers().assign(label=values)
    tasks = {"t": {"kind": kind, "column": "label"}}
    return load(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=tasks, inputs=["age"], split=SPLIT, **section)


def fault(tmp_path: Path, values: list[Any], kind: str) -> str:
    frame = customers().assign(label=values)
    tasks = {"t": {"kind": kind, "column": "label"}}
    faults = load_faults(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=tasks, inputs=["age"], split=SPLIT)
    (sentence,) = faults
    return sentence


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1], [0, 1]),
        ([1.0, 2.0], [1, 2]),
        ([True, False], [False, True]),
        (["yes", "no"], ["no", "yes"]),
        ([-0.5, 0.5], [-0.5, 0.5]),
        ([10, 9], [9, 10]),
    ],
)
def test_two_values_sorted_become_0_and_1(tmp_path: Path, values: list[Any], classes: list[Any]) -> None:
    problem = labelled(tmp_path, values * 20, "binary")
    assert problem.preprocessing["labels"]["t"]["classes"] == classes
    used = problem.split >= 0
    expected = [classes.index(v) for v in values * 20]
    np.testing.assert_array_equal(problem.labels[used, 0], np.array(expected)[used])
    assert (problem.tasks["t"].kind, problem.tasks["t"].n_classes) == ("binary", None)


def test_classes_are_sorted_by_size_or_text(tmp_path: Path) -> None:
    numbers = labelled(tmp_path, [10, 2, 30, 2] * 10, "multiclass")
    assert numbers.preprocessing["labels"]["t"]["classes"] == [2, 10, 30]
    np.testing.assert_array_equal(numbers.labels[:4, 0], [1, 0, 2, 0])
    words = labelled(tmp_path, ["b", "c", "a", "b", "c"] * 8, "multiclass")
    assert words.preprocessing["labels"]["t"]["classes"] == ["a", "b", "c"]
    assert words.tasks["t"].n_classes == 3


def test_regressions_are_standardized_by_training_labels(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(50, 7, 40)
    values[[0, 3]] = np.nan
    problem = labelled(tmp_path, values.tolist(), "regression")
    train = values[(problem.split == TRAIN) & ~np.isnan(values)]
    task, used = problem.tasks["t"], problem.split >= 0
    assert (task.mean, task.scale) == pytest.approx((train.mean(), train.std()))
    np.testing.assert_allclose(problem.labels[used, 0], ((values - train.mean()) / train.std())[used])
    record = problem.preprocessing["labels"]["t"]
    assert (record["mean"], record["scale"]) == (task.mean, task.scale)


def test_a_label_may_be_declared_missing(tmp_path: Path) -> None:
    values = [0, 1, -1, 0, 1] * 8
    problem = labelled(tmp_path, values, "binary", missing=-1)
    used = problem.split >= 0
    np.testing.assert_array_equal(np.isnan(problem.labels[used, 0]), (np.array(values) == -1)[used])
    assert "a label that means missing is named by `missing`" in fault(tmp_path, values, "binary")


def test_options_of_the_task_arrive(tmp_path: Path) -> None:
    tasks = {"t": {"kind": "regression", "column": "spend", "loss": "huber", "metric": "mae", "weight": 2.5}}
    path = write(customers(), tmp_path / "a.csv")
    (task,) = load(tmp_path, path=path, tasks=tasks, inputs=["age"], split=SPLIT).tasks
    assert (task.loss, task.metric, task.weight) == ("huber", "mae", 2.5)


def only_in(part: str, value: Any, other: Any = 0) -> list[Any]:
    return [value if p == part else other if k % 2 else 1 for k, p in enumerate(customers()["part"])]


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([0, 1, 2, 3] * 10, "binary", "a binary task should have two values, found 4: 0, 1, 2, 3; use kind multiclass"),
        ([0.5, 1, 2, 3] * 10, "binary", "found 4: 0.5, 1, 2, 3; use kind regression"),
        (
            [k / 7 for k in range(40)],
            "binary",
            "a binary task should have two values, found 35: 0, 0.1429, 0.2857 and 32 more; use kind regression",
        ),
        ([1] * 40, "binary", "a binary task should have at least two classes, found 1"),
        ([None] * 40, "multiclass", "a multiclass task should have at least two classes, found no labels"),
        (
            [0.5, 1, 2, 3] * 10,
            "multiclass",
            "should be text, whole numbers or true/false, found `0.5` in data row 1 and 9 more",
        ),
        (["3,5", *["1"] * 39], "regression", "should be finite numbers, found `3,5` in data row 1"),
        ([1.0, np.inf] * 20, "regression", "should be finite numbers, found `inf` in data row 2 and 19 more"),
        (
            only_in("test", 7),
            "multiclass",
            "every class should occur in the training rows, found 7 only in val or test",
        ),
        (only_in("val", 1), "binary", "two classes at least, found only class index 1 in val (10 labels)"),
        (
            [4.5] * 40,
            "regression",
            "found only the value 4.5 in train (15 labels), only the value 4.5 in val (10 labels) and",
        ),
    ],
)
def test_what_labels_may_not_be(tmp_path: Path, values: list[Any], kind: str, found: str) -> None:
    sentence = fault(tmp_path, values, kind)
    assert sentence.startswith("problem.tasks.t: ")
    assert found in sentence


def test_rows_for_no_split_do_not_count(tmp_path: Path) -> None:
    frame = customers()
    values = [9 if p == "" else k % 2 for k, p in enumerate(frame["part"])]
    assert labelled(tmp_path, values, "binary").preprocessing["labels"]["t"]["classes"] == [0, 1]


def test_faults_of_every_section_come_at_once(tmp_path: Path) -> None:
    frame = customers().assign(one=1, words="many", part=pd.Series(["train", "val"] * 20))
    tasks = {"churn": {"kind": "regression"}, "one": {"kind": "binary"}, "words": {"kind": "regression"}}
    faults = load_faults(
        tmp_path,
        {"name": "mlp", "widht": 3},
        path=write(frame.assign(age=np.inf), tmp_path / "a.csv"),
        tasks=tasks,
        inputs=["age"],
        split=SPLIT,
    )
    for found in (
        "did you mean `width`?",
        "`age` should be finite",
        "problem.tasks.words: regression labels should be finite numbers",
        "test should have labelled rows",
        "problem.tasks.churn: train, val and test should each have two different labels",
        "problem.tasks.one: a binary task should have at least two classes, found 1",
    ):
        assert sum(found in f for f in faults) == 1, faults
    assert len(faults) == 6


def test_every_missing_column_is_named(tmp_path: Path) -> None:
    tasks = {"chrun": {"kind": "binary"}, "spend": {"kind": "regression", "column": "spnd"}}
    path = write(customers(), tmp_path / "a.csv")
    faults = load_faults(tmp_path, path=path, tasks=tasks, inputs=["agee", "visits"], split={"column": "prat"})
    assert faults == (
        "a.csv: there is no column `chrun`, did you mean `churn`?",
        "a.csv: there is no column `spnd`, did you mean `spend`?",
        "a.csv: there is no column `prat`, did you mean `part`?",
        "a.csv: there is no column `agee`, did you mean `age`?",
    )


def test_a_split_without_labels_of_one_task_is_that_tasks_fault(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[frame["part"] == "test", "churn"] = None
    tasks = {"churn": {"kind": "binary"}, "spend": {"kind": "regression"}}
    faults = load_faults(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=tasks, inputs=["age"], split=SPLIT)
    assert faults == (
        "problem.tasks.churn: train, val and test should each have labels of two classes at least, "
        "found no labels in test",
    )


def test_a_split_without_any_label_is_said_once_and_hides_nothing(tmp_path: Path) -> None:
    frame = customers().assign(shade=[0, 1, 2, 3] * 10)
    frame.loc[frame["part"] == "test", ["churn", "shade"]] = None
    tasks = {"churn": {"kind": "binary"}, "shade": {"kind": "binary"}}
    faults = load_faults(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=tasks, inputs=["age"], split=SPLIT)
    assert faults == (
        "problem.split: test should have labelled rows, found none",
        "problem.tasks.shade: a binary task should have two values, found 4: 0, 1, 2, 3; use kind multiclass",
    )
