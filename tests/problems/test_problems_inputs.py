import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from problem_tables import BOTH, CHURN, customers, load, load_faults, write

from taskgroup.problems.problem import TRAIN, Problem

SPLIT = {"column": "part"}


def from_csv(tmp_path: Path, frame: pd.DataFrame, **section: Any) -> Problem:
    return load(tmp_path, path=write(frame, tmp_path / "a.csv"), **{"tasks": BOTH, "split": SPLIT, **section})


def csv_faults(tmp_path: Path, frame: pd.DataFrame, **section: Any) -> tuple[str, ...]:
    return load_faults(tmp_path, path=write(frame, tmp_path / "a.csv"), **{"tasks": BOTH, "split": SPLIT, **section})


def test_numbers_are_standardized_by_the_training_rows_alone(tmp_path: Path) -> None:
    frame = customers()
    problem = from_csv(tmp_path, frame, inputs=["age"])
    train = frame["age"].to_numpy()[problem.split == TRAIN]
    np.testing.assert_allclose(problem.inputs[:, 0], (frame["age"] - train.mean()) / train.std(), atol=1e-6)


def test_validation_and_test_rows_do_not_move_what_training_rows_become(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[::7, "age"] = None
    first = from_csv(tmp_path, frame, inputs=["age", "city", "visits"])
    others = frame["part"] != "train"
    frame.loc[others, ["age", "visits", "spend"]] *= 50.0
    frame.loc[others, "city"] = "Oslo"
    second = from_csv(tmp_path, frame, inputs=["age", "city", "visits"])
    train = first.split == TRAIN
    np.testing.assert_array_equal(first.inputs[train], second.inputs[train])
    np.testing.assert_array_equal(first.labels[train], second.labels[train])
    assert first.preprocessing == second.preprocessing


def test_gaps_get_the_training_median_and_a_flag(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[[0, 5], "age"] = None  # a training and a test row
    problem = from_csv(tmp_path, frame, inputs=["age", "visits"])
    known = frame["age"][(problem.split == TRAIN) & frame["age"].notna()]
    np.testing.assert_allclose(
        problem.inputs[[0, 5], 0], (known.median() - known.mean()) / known.std(ddof=0), rtol=1e-5
    )
    np.testing.assert_array_equal(problem.inputs[:, 2], np.isin(np.arange(40), [0, 5]))
    assert problem.preprocessing["inputs"]["indicators"] == ["age"]


def test_categories_are_those_of_training_and_a_new_one_is_all_zero(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[3, "city"] = "Oslo"  # a validation row
    frame.loc[[0, 5], "city"] = None  # a training and a test row
    frame["member"] = frame["visits"] > 4
    problem = from_csv(tmp_path, frame, inputs=["city", "member"])
    kept = problem.preprocessing["inputs"]["categorical"]
    assert [c["categories"] for c in kept] == [["Aarhus", "Bergen", "Cork", None], ["False", "True"]]
    np.testing.assert_array_equal(problem.inputs[3, :4], np.zeros(4))
    np.testing.assert_array_equal(problem.inputs[[0, 5], :4], [[0, 0, 0, 1]] * 2)
    np.testing.assert_array_equal(problem.inputs[:, 5], frame["member"])


def test_numbers_can_be_declared_categories(tmp_path: Path) -> None:
    frame = customers()
    problem = from_csv(tmp_path, frame, inputs=["visits"], categorical=["visits"])
    seen = sorted({str(v) for v in frame["visits"][problem.split == TRAIN]})
    assert problem.preprocessing["inputs"]["categorical"] == [{"column": "visits", "categories": seen}]


def test_the_record_is_enough_to_repeat_it(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[::6, "age"] = None
    problem = from_csv(tmp_path, frame, inputs=["age", "visits", "city"])
    record = json.loads(json.dumps(problem.preprocessing))["inputs"]
    columns = []
    for part in record["numeric"]:
        filled = frame[part["column"]].fillna(part["median"])
        columns.append((filled - part["mean"]) / part["scale"])
    columns += [frame[name].isna() for name in record["indicators"]]
    columns += [frame[part["column"]] == c for part in record["categorical"] for c in part["categories"]]
    np.testing.assert_allclose(problem.inputs, np.stack(columns, axis=1), atol=1e-6)
    assert record["order"] == ["numeric", "indicators", "categorical"]


def test_a_shape_makes_images_under_one_scale(tmp_path: Path) -> None:
    frame = customers()
    pixels = [f"p{k}" for k in range(4)]
    frame[pixels] = np.random.default_rng(0).normal(3, [1, 2, 3, 4], (40, 4))
    problem = from_csv(tmp_path, frame, inputs=pixels, shape=[1, 2, 2])
    train = frame[pixels].to_numpy()[problem.split == TRAIN]
    expected = (frame[pixels].to_numpy() - train.mean()) / train.std()
    np.testing.assert_allclose(problem.inputs, expected.reshape(40, 1, 2, 2), atol=1e-5)
    assert problem.trunk_spec.input_shape == (1, 2, 2)


def test_tokens_stay_whole_numbers(tmp_path: Path) -> None:
    frame = customers()
    frame[["w0", "w1", "w2"]] = np.random.default_rng(0).integers(0, 11, (40, 3))
    problem = load(
        tmp_path,
        {"name": "transformer", "n_tokens": 11, "width": 4, "depth": 1},
        path=write(frame, tmp_path / "a.csv"),
        tasks=BOTH,
        split=SPLIT,
        inputs=["w0", "w1", "w2"],
        tokens=True,
    )
    np.testing.assert_array_equal(problem.inputs, frame[["w0", "w1", "w2"]])
    assert str(problem.inputs.dtype) == problem.trunk_spec.input_dtype == "int64"


@pytest.mark.parametrize(
    ("change", "section", "found"),
    [
        ({"age": np.inf}, {"inputs": ["age"]}, "problem.inputs: `age` should be finite, found 40 infinite values"),
        ({"age": None}, {"inputs": ["age", "visits"]}, "`age` should have a value in some training row, found none"),
        ({}, {"inputs": ["agee"]}, "a.csv: there is no column `agee`, did you mean `age`?"),
        ({}, {"inputs": ["age", "churn"]}, "problem.inputs: `churn` is a label, task or split column; leave it out"),
        ({}, {"inputs": ["age", "part"]}, "problem.inputs: `part` is a label, task or split column; leave it out"),
        ({}, {"inputs": ["age", "age"]}, "problem.inputs: `age` should be named once"),
        ({}, {"inputs": ["age"], "categorical": ["city"]}, "problem.categorical: `city` is not an input"),
        ({}, {"inputs": ["age", "city"], "shape": [2]}, "all should be numbers, found text in city"),
        (
            {},
            {"inputs": ["age", "visits"], "shape": [3]},
            "problem.shape: [3] should hold as many numbers as a row has",
        ),
        (
            {"age": None},
            {"inputs": ["age", "visits"], "shape": [1, 2]},
            "finite without gaps, found otherwise in 40 rows",
        ),
        ({}, {"inputs": ["age"], "tokens": True}, "problem.tokens: token ids should be whole numbers from 0"),
    ],
)
def test_what_inputs_may_not_be(tmp_path: Path, change: dict[str, Any], section: dict[str, Any], found: str) -> None:
    faults = csv_faults(tmp_path, customers().assign(**change), **section)
    assert len(faults) == 1
    assert found in faults[0]


def test_prose_is_no_category(tmp_path: Path) -> None:
    frame = pd.concat([customers()] * 75).assign(note=[f"note {k}" for k in range(3000)])
    faults = csv_faults(tmp_path, frame, inputs=["note"])
    assert faults == ("problem.inputs: `note` should have at most 1000 categories, found 1125; leave it out",)


def test_no_column_is_left(tmp_path: Path) -> None:
    faults = csv_faults(tmp_path, customers()[["churn", "part"]], tasks=CHURN)
    assert faults == ("a.csv: no column is left for the inputs beside labels and split",)
