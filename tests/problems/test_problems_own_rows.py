from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from problem_tables import customers, load, load_faults, write

from taskgroup.problems.problem import TRAIN

INPUTS = ["age", "visits"]


def shops() -> dict[str, pd.DataFrame]:
    """Rows of two tasks."""
    frame = customers(60)
    return {"north": frame[:40].reset_index(drop=True), "south": frame[40:].reset_index(drop=True)}


def long_file(folder: Path, names: dict[str, Any]) -> str:
    parts = [part.assign(shop=names[shop]) for shop, part in shops().items()]
    return write(pd.concat(parts).drop(columns=["city", "day", "churn"]), folder / "long.csv")


def regressions() -> dict[str, dict[str, str]]:
    return {shop: {"kind": "regression"} for shop in shops()}


def test_long_form_and_files_of_their_own_give_the_same_problem(tmp_path: Path) -> None:
    split = {"column": "part"}
    long = load(
        tmp_path,
        path=long_file(tmp_path, {"north": "north", "south": "south"}),
        tasks=regressions(),
        task_column="shop",
        label_column="spend",
        split=split,
    )
    for shop, part in shops().items():
        write(part[["age", "visits", "spend", "part"]], tmp_path / f"{shop}.csv")
    tasks = {shop: {"kind": "regression", "path": f"{shop}.csv", "column": "spend"} for shop in shops()}
    files = load(tmp_path, tasks=tasks, split=split)
    np.testing.assert_array_equal(long.inputs, files.inputs)
    np.testing.assert_array_equal(long.labels, files.labels)
    np.testing.assert_array_equal(long.split, files.split)
    assert long.tasks == files.tasks
    known = ~np.isnan(files.labels)
    np.testing.assert_array_equal(known.sum(axis=1), files.split >= 0)
    assert known[:40, 0].sum() == 35
    assert not known[:40, 1].any()


def test_scalers_see_the_training_rows_of_all_tasks(tmp_path: Path) -> None:
    for shop, part in shops().items():
        write(part[["age", "spend"]], tmp_path / f"{shop}.csv")
    tasks = {shop: {"kind": "regression", "path": f"{shop}.csv", "column": "spend"} for shop in shops()}
    problem = load(tmp_path, tasks=tasks)
    age = pd.concat(shops().values())["age"].to_numpy()
    train = age[problem.split == TRAIN]
    np.testing.assert_allclose(problem.inputs[:, 0], (age - train.mean()) / train.std(), atol=1e-6)
    assert problem.tasks["north"].mean != problem.tasks["south"].mean


def test_one_task_in_the_shared_file_and_one_with_its_own(tmp_path: Path) -> None:
    parts = shops()
    write(parts["north"][["age", "churn"]], tmp_path / "shared.csv")
    write(parts["south"][["age", "spend"]], tmp_path / "own.csv")
    tasks = {"churn": {"kind": "binary"}, "spend": {"kind": "regression", "path": "own.csv"}}
    problem = load(tmp_path, path="shared.csv", tasks=tasks)
    np.testing.assert_array_equal(problem.labels[:40, 0], parts["north"]["churn"])
    assert np.isnan(problem.labels[40:, 0]).all()
    assert problem.preprocessing["rows"]["read"] == 60


@pytest.mark.parametrize(
    "marks", [{"north": 3, "south": 11}, {"north": 3.0, "south": 11.0}, {"north": "3", "south": "11"}]
)
def test_values_of_the_task_column_may_be_numbers(tmp_path: Path, marks: dict[str, Any]) -> None:
    section: dict[str, Any] = {"path": long_file(tmp_path, marks), "task_column": "shop", "label_column": "spend"}
    kind = {"kind": "regression"}
    named = load(tmp_path, tasks={"3": kind, "11": kind}, **section)
    valued = load(tmp_path, tasks={"north": {**kind, "value": 3}, "south": {**kind, "value": 11}}, **section)
    np.testing.assert_array_equal(np.isnan(named.labels), np.isnan(valued.labels))
    assert (~np.isnan(valued.labels)).sum(axis=0).tolist() == [40, 20]


def test_npz_long_form_leaves_out_the_rows_of_other_tasks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, task_id = rng.normal(size=(90, 2)), np.repeat([0, 1, 2], 30)
    np.savez(tmp_path / "a.npz", X=x, y=np.arange(90) % 2, task_id=task_id)
    kind = {"kind": "binary"}
    problem = load(tmp_path, path="a.npz", tasks={"2": kind, "0": kind}, task_column="task_id", label_column="y")
    assert problem.preprocessing["rows"] == {"read": 90, "train": 36, "val": 12, "test": 12}
    np.testing.assert_array_equal(np.isnan(problem.labels[:, 1]), np.arange(60) >= 30)
    kept = x[task_id != 1]
    train = kept[problem.split == TRAIN]
    np.testing.assert_allclose(problem.inputs, (kept - train.mean(axis=0)) / train.std(axis=0), atol=1e-6)


def test_missing_labels_in_long_form(tmp_path: Path) -> None:
    path = long_file(tmp_path, {"north": "north", "south": "south"})
    frame = pd.read_csv(tmp_path / path)
    frame.loc[[1, 45], "spend"] = None
    write(frame, tmp_path / path)
    problem = load(tmp_path, path=path, tasks=regressions(), inputs=INPUTS, task_column="shop", label_column="spend")
    assert (~np.isnan(problem.labels)).sum(axis=0).tolist() == [39, 19]
    np.testing.assert_array_equal(np.flatnonzero(problem.split < 0), [1, 45])


def test_a_task_without_rows_is_named(tmp_path: Path) -> None:
    path = long_file(tmp_path, {"north": "north", "south": "south"})
    tasks = {"nroth": {"kind": "regression"}, "south": {"kind": "regression"}, "x": {"kind": "regression"}}
    faults = load_faults(tmp_path, path=path, tasks=tasks, task_column="shop", label_column="spend")
    assert faults == (
        "long.csv: no row has `nroth` in task column `shop` for task `nroth`, did you mean `north`?",
        "long.csv: no row has `x` in task column `shop` for task `x`; its values are north, south",
    )


def test_files_should_have_the_same_inputs(tmp_path: Path) -> None:
    parts = shops()
    write(parts["north"][["age", "visits", "spend"]], tmp_path / "north.csv")
    write(parts["south"][["age", "city", "spend"]], tmp_path / "south.csv")
    tasks = {shop: {"kind": "regression", "path": f"{shop}.csv", "column": "spend"} for shop in parts}
    assert load_faults(tmp_path, tasks=tasks) == (
        "south.csv: inputs should be those of north.csv, found no `visits`, `city` besides",
    )
    assert load_faults(tmp_path, tasks=tasks, inputs=INPUTS) == (
        "south.csv: there is no column `visits`; the columns are age, city, spend",
    )
    assert load(tmp_path, tasks=tasks, inputs=["age"]).inputs.shape == (60, 1)


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    tasks = {"a": {"kind": "regression", "path": "a.csv"}, "b": {"kind": "binary"}}
    faults = load_faults(tmp_path, path="main.csv", tasks=tasks)
    assert [f.partition(":")[0] for f in faults] == ["main.csv", "a.csv"]


def test_another_tasks_rows_do_not_change_the_split(tmp_path: Path) -> None:
    path = long_file(tmp_path, {"north": "north", "south": "south"})
    section: dict[str, Any] = {"path": path, "inputs": INPUTS, "task_column": "shop", "label_column": "spend"}
    both = load(tmp_path, tasks=regressions(), **section)
    alone = load(tmp_path, tasks={"south": {"kind": "regression"}}, **section)
    np.testing.assert_array_equal(both.split[40:], alone.split)
