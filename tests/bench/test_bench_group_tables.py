"""Tables of groups as files: sign, orientation, splits, and sentences for what is wrong."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskgroup.bench.group_tables import read_group_table
from taskgroup.errors import InputError

TABLES = Path(os.environ.get("TASKGROUP_SHARED", Path(__file__).parents[3] / "shared")) / "tables"
SMALL: dict[str, Any] = {
    "name": "small",
    "tasks": ["a", "b"],
    "metric": {"name": "loss", "higher_is_better": False},
    "subsets": [
        {"tasks": ["a"], "scores": {"a": 1}},
        {"tasks": ["b", "a"], "scores": {"b": 2.5, "a": 3.0}, "cost": 2.0},
    ],
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "small.json"
    path.write_text(json.dumps({**SMALL, **changes}), encoding="utf-8")
    return path


def test_only_what_is_needed(tmp_path: Path) -> None:
    table = read_group_table(write(tmp_path))
    assert (table.name, table.split, table.tasks, table.exhaustive) == ("small", "val", ("a", "b"), False)
    np.testing.assert_array_equal(table.scores.errors, [[1.0, np.nan], [3.0, 2.5]])
    assert table.scores.cost.tolist() == [1.0, 2.0]
    assert table.halves is None
    assert table.replicates is None
    assert table.affinity == {}


def test_signs_of_scores_that_should_be_high(tmp_path: Path) -> None:
    halves = [{"tasks": ["a"], "scores": {"a": 0.5}, "cost": 0.5}]
    rows = [{**row, "replicates": {task: [v, v + 1] for task, v in row["scores"].items()}} for row in SMALL["subsets"]]
    path = write(tmp_path, metric={"higher_is_better": True}, half_cost_singles=halves, subsets=rows)
    table = read_group_table(path)
    np.testing.assert_array_equal(table.scores.errors, [[-1.0, np.nan], [-3.0, -2.5]])
    assert table.halves is not None
    assert (table.halves.errors[0, 0], table.halves.cost[0]) == (-0.5, 0.5)
    assert table.replicates is not None
    np.testing.assert_array_equal(table.replicates[1], [[-2.0, np.nan], [-4.0, -3.5]])


def test_givers_are_sources_whatever_way_the_matrix_lies(tmp_path: Path) -> None:
    """What a (giver) does to b (receiver) is 2."""
    by_receiver = {"matrix": [[None, 5.0], [2.0, None]], "rows": "receiver", "cols": "giver"}
    by_giver = {"matrix": [[None, 2.0], [5.0, None]], "rows": "giver", "cols": "receiver"}
    table = read_group_table(write(tmp_path, affinity=by_receiver, affinity_cosine=by_giver))
    for matrix in (table.affinity["affinity"], table.affinity["affinity_cosine"]):
        np.testing.assert_array_equal(matrix, [[np.nan, 2.0], [5.0, np.nan]])


def test_another_split_of_the_same_file(tmp_path: Path) -> None:
    rows = [
        {"tasks": ["a"], "scores": {"a": 1.0}, "scores_test": {"a": 1.5}, "replicates_test": {"a": [1.0, 2.0, 1.5]}},
        {"tasks": ["b"], "scores": {"b": 2.0}, "scores_test": {"b": 2.5}, "replicates_test": {"b": [2.5]}},
    ]
    table = read_group_table(write(tmp_path, subsets=rows), "test")
    assert table.split == "test"
    assert [table.scores.errors[0, 0], table.scores.errors[1, 1]] == [1.5, 2.5]
    assert table.replicates is not None
    assert table.replicates.shape == (3, 2, 2)
    assert table.replicates[:, 0, 0].tolist() == [1.0, 2.0, 1.5]
    assert np.isnan(table.replicates[1:, 1, 1]).all()
    assert read_group_table(write(tmp_path, subsets=rows)).replicates is None
    with pytest.raises(InputError, match="should have `scores` of split train, found none"):
        read_group_table(write(tmp_path, subsets=rows), "train")


ROW = {"tasks": ["a"], "scores": {"a": 1.0}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tasks": ["a", "a"]}, "`tasks` should be different names"),
        ({"tasks": "a"}, "`tasks`: should be a list"),
        ({"metric": {"name": "loss"}}, r"`metric\.higher_is_better` is missing"),
        ({"subsets": []}, "`subsets`: should have at least 1 entry"),
        ({"subsets": [{"scores": {"a": 1.0}}]}, r"`subsets\.0\.tasks` is missing"),
        ({"subsets": [{"tasks": ["c"], "scores": {"c": 1.0}}]}, r"`subsets\.0\.tasks` should be tasks .* found c"),
        ({"subsets": [{"tasks": ["a", "b"], "scores": {"a": 1.0}}]}, "a finite number for each of"),
        ({"subsets": [{"tasks": ["a"], "scores": {"a": float("nan")}}]}, "a finite number for each of"),
        ({"subsets": [{**ROW, "cost": 0}]}, r"`subsets\.0\.cost`"),
        ({"subsets": [{**ROW, "replicates": {"a": ["x"]}}]}, "`replicates_val` should be task → list of numbers"),
        ({"subsets": [{**ROW, "replicates": {"b": [1.0]}}]}, "should be lists of numbers for tasks of"),
        ({"half_cost_singles": [{"tasks": ["a"], "scores": {}}]}, r"`half_cost_singles\.0\.scores`"),
        ({"affinity": {"matrix": [[1.0]]}}, r"`affinity\.matrix` should be 2 by 2, found 1 rows"),
        ({"affinity": {"matrix": [[1.0, 1.0]] * 2, "rows": "giver"}}, "should be receiver and giver, one each"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        read_group_table(write(tmp_path, **changes))
    assert all(problem.startswith(str(tmp_path / "small.json")) for problem in error.value.problems)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_group_table(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="should be JSON"):
        read_group_table(tmp_path / "bad.json")


@pytest.mark.skipif(not TABLES.is_dir(), reason=f"the shared tables are not in {TABLES}")
def test_every_shared_table_is_read() -> None:
    tables = {path.stem: read_group_table(path) for path in sorted(TABLES.glob("*.json"))}
    assert all(table.name == stem for stem, table in tables.items())
    digits = tables["own_digits8"]
    assert digits.exhaustive
    assert digits.replicates is not None
    assert digits.replicates.shape == (8, 255, 8)
    np.testing.assert_allclose(digits.replicates.mean(axis=0), digits.scores.errors, atol=1e-6)
    assert tables["tag_celeba9_pairs"].scores.errors[0, 0] == -92.28
    assert tables["tag_taskonomy5_pairs"].affinity["affinity"][0, 1] == pytest.approx(0.41355850961858076)
