from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problem_tables import BOTH, CHURN, customers, load, load_faults, write

from taskgroup.problems.problem import TEST, TRAIN, UNUSED, VAL

INPUTS = ["age", "visits"]


def test_a_column_names_the_split(tmp_path: Path) -> None:
    frame = customers()
    words = {"train": "Train", "val": "validation", "test": " test"}
    frame["part"] = frame["part"].map(lambda p: words.get(p, p))
    problem = load(
        tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=CHURN, inputs=INPUTS, split={"column": "part"}
    )
    np.testing.assert_array_equal(problem.split[:8], [TRAIN, TRAIN, TRAIN, VAL, VAL, TEST, TEST, UNUSED])
    assert np.isnan(problem.labels[problem.split == UNUSED]).all()


def test_a_column_may_hold_codes(tmp_path: Path) -> None:
    frame = customers()
    frame["part"] = [0, 0, 0, 1, 1, 2, 2, -1] * 5
    problem = load(
        tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=CHURN, inputs=INPUTS, split={"column": "part"}
    )
    np.testing.assert_array_equal(problem.split, frame["part"])


def test_unknown_words_in_a_split_column_are_named(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[:1, "part"] = ["trian", "holdout"]
    faults = load_faults(
        tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=CHURN, inputs=INPUTS, split={"column": "part"}
    )
    assert faults == (
        "problem.split.column: `part` should hold train, val, test (or be empty where unused), "
        "found `holdout`, `trian`",
    )


def test_a_split_without_rows_is_named(tmp_path: Path) -> None:
    frame = customers().replace({"part": {"val": "train"}})
    faults = load_faults(
        tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=CHURN, inputs=INPUTS, split={"column": "part"}
    )
    assert faults == ("problem.split: val should have labelled rows, found none",)


@pytest.mark.parametrize("column", ["day", "hour"])
def test_time_order_cuts_earliest_from_latest_and_ties_keep_file_order(tmp_path: Path, column: str) -> None:
    frame = customers(8)
    frame["day"] = ["2024-03-01", "2024-01-01", "2024-02-01", "2024-02-01"] * 2
    frame["hour"] = [30, 1, 4, 4] * 2
    split = {"time": column, "train": 0.5, "val": 0.25, "test": 0.25}
    frame["churn"] = [0, 0, 1, 0, 1, 1, 1, 0]
    path = write(frame, tmp_path / "a.csv")
    problem = load(tmp_path, path=path, tasks={"spend": {"kind": "regression"}}, inputs=INPUTS, split=split)
    # in order: rows 1, 5 (January), 2, 3, 6, 7 (February), 0, 4 (March)
    np.testing.assert_array_equal(problem.split, [TEST, TRAIN, TRAIN, TRAIN, TEST, TRAIN, VAL, VAL])


def test_many_ties_keep_file_order_too(tmp_path: Path) -> None:
    frame = customers(200).assign(day=np.arange(200) % 3)
    path = write(frame, tmp_path / "a.csv")
    problem = load(tmp_path, path=path, tasks={"spend": {"kind": "regression"}}, inputs=INPUTS, split={"time": "day"})
    ordered = [row for day in range(3) for row in range(day, 200, 3)]
    np.testing.assert_array_equal(problem.split[ordered], [TRAIN] * 120 + [VAL] * 40 + [TEST] * 40)


def test_what_a_time_column_may_not_hold(tmp_path: Path) -> None:
    frame = customers()
    split = {"time": "day"}
    frame["day"] = "soon"
    faults = load_faults(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=CHURN, inputs=INPUTS, split=split)
    assert faults == ("problem.split.time: `day` should hold numbers or dates like 2024-01-31, found `soon`",)
    frame["day"] = [None, None, *["2024-01-31"] * 38]
    faults = load_faults(tmp_path, path=write(frame, tmp_path / "b.csv"), tasks=CHURN, inputs=INPUTS, split=split)
    assert faults == (
        "problem.split.time: `day` should have a time in every labelled row, found 2 without, the first is data row 1",
    )


def test_the_split_column_is_never_an_input(tmp_path: Path) -> None:
    path = write(customers().drop(columns="day"), tmp_path / "a.csv")
    problem = load(tmp_path, path=path, tasks=BOTH, split={"column": "part"})
    record = problem.preprocessing["inputs"]
    assert [c["column"] for c in record["numeric"] + record["categorical"]] == ["age", "visits", "city"]


def test_fractions_are_kept_within_each_tasks_own_rows(tmp_path: Path) -> None:
    frame = pd.concat([customers(20).assign(shop="a"), customers(10).assign(shop="b")])
    problem = load(
        tmp_path,
        path=write(frame, tmp_path / "a.csv"),
        tasks={"a": {"kind": "regression"}, "b": {"kind": "regression"}},
        inputs=INPUTS,
        task_column="shop",
        label_column="spend",
    )
    for column, counts in ((0, [12, 4, 4]), (1, [6, 2, 2])):
        own = problem.split[~np.isnan(problem.labels[:, column])]
        assert [int((own == s).sum()) for s in (TRAIN, VAL, TEST)] == counts


def test_rows_without_any_label_are_unused(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[:9, ["churn", "spend"]] = None
    frame.loc[10:14, "churn"] = None
    problem = load(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=BOTH, inputs=INPUTS)
    assert (problem.split[:10] == UNUSED).all()
    assert (problem.split[10:] != UNUSED).all()
    np.testing.assert_array_equal(np.isnan(problem.labels[:, 0]), np.arange(40) < 15)
