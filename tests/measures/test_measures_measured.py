"""Measured matrices: closed forms, files right and wrong, and what both measures must keep."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from taskgroup.core.task import Task, TaskSet
from taskgroup.errors import InputError
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.measured.given import Given
from taskgroup.measures.measured.pairs import Pairs
from taskgroup.measures.measured.uninformed import Uninformed
from taskgroup.measures.views import FileView, RunsView

NAN = np.nan
NAMES = ("ink", "slant", "mass")
STAGES = ("stem", "top")
MATRIX = np.array([[NAN, 0.1, 0.2], [-0.3, NAN, NAN], [0.5, 0.6, 0.0]])


def task_set(names: Sequence[str] = NAMES) -> TaskSet:
    return TaskSet(tasks=tuple(Task(name=name, kind="regression") for name in names))


# pairs


def runs(alone: Any, pairs: Any, names: Sequence[str] = NAMES) -> RunsView:
    return RunsView(task_set(names), STAGES, np.array(alone, dtype=float), np.array(pairs, dtype=float))


def test_pairs_by_hand() -> None:
    pairs = [[NAN, 0.1, NAN], [0.25, NAN, 0.9], [NAN, 0.3, NAN]]  # [source, target]
    found = Pairs()(runs([0.5, 0.2, 0.6], pairs))
    expected = [[NAN, 0.5, NAN], [0.5, NAN, -0.5], [NAN, -0.5, NAN]]
    np.testing.assert_allclose(found, [expected] * 3, rtol=1e-12)


def test_pairs_without_an_error_to_compare_with() -> None:
    found = Pairs()(runs([0.0, NAN, 0.5], [[9.0, 0.1, np.inf], [0.1, 9.0, 0.1], [0.1, 0.1, 9.0]]))
    assert np.isnan(found[:, :, :2]).all()
    np.testing.assert_allclose(found[2, :, 2], [NAN, 0.8, NAN])


def test_the_order_of_the_tasks_does_not_matter_to_pairs() -> None:
    rng = np.random.default_rng(0)
    alone, pairs = rng.random(3), rng.random((3, 3))
    straight = Pairs()(runs(alone, pairs))
    for order in map(list, permutations(range(3))):
        permuted = Pairs()(runs(alone[order], pairs[np.ix_(order, order)], [NAMES[k] for k in order]))
        np.testing.assert_array_equal(permuted, straight[:, order, :][:, :, order])


# given


def given(folder: Path, name: str, names: Sequence[str] = NAMES) -> Any:
    return Given(path=name)(FileView(task_set(names), STAGES, str(folder)))


def faults(folder: Path, name: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        given(folder, name)
    return caught.value.problems


TEXT = "source,slant,ink,mass\nmass,0.6,0.5,0\nink,.1,,0.2\n\nslant,nan,-3e-1,\n"
"""``MATRIX`` with its rows and columns in other orders than the tasks."""


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_table_in_any_order(tmp_path: Path, order: Any) -> None:
    (tmp_path / "gains.csv").write_text(TEXT)
    found = given(tmp_path, "gains.csv", [NAMES[k] for k in order])
    np.testing.assert_array_equal(found, [MATRIX[np.ix_(order, order)]] * 3)


def test_a_table_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    (tmp_path / "gains.CSV").write_bytes(TEXT.replace("\n", " \r\n").replace(",", " , ").encode("utf-8-sig"))
    np.testing.assert_array_equal(given(tmp_path, "gains.CSV"), [MATRIX] * 3)


def test_arrays_with_and_without_names_and_stages(tmp_path: Path) -> None:
    stages = np.stack([MATRIX, MATRIX - 1, MATRIX + 1])
    np.savez(tmp_path / "plain.npz", values=MATRIX)
    np.savez(tmp_path / "stages.npz", values=stages)
    order = [2, 0, 1]
    names = np.array(NAMES)[order]
    np.savez(tmp_path / "named.npz", values=stages[:, order][:, :, order], tasks=names)
    np.testing.assert_array_equal(given(tmp_path, "plain.npz"), [MATRIX] * 3)
    np.testing.assert_array_equal(given(tmp_path, "stages.npz"), stages)
    np.testing.assert_array_equal(given(tmp_path, "named.npz"), stages)


def test_a_path_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "gains.csv").write_text(TEXT)
    np.testing.assert_array_equal(given(Path("elsewhere"), str(tmp_path / "gains.csv")), [MATRIX] * 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the first row should be `source` and the names of the target tasks, found an empty file"]),
        (",ink,slant,mass\n", ["the first row should be `source` and the names of the target tasks, found ``"]),
        (
            TEXT.replace("\nmass", "\nmas").replace(",slant,", ",slnt,"),
            [
                "target task `slnt` is not a task of the problem, did you mean `slant`?",
                "every task should be a target task, found none called `slant`",
                "source task `mas` is not a task of the problem, did you mean `mass`?",
                "every task should be a source task, found none called `mass`",
            ],
        ),
        (TEXT + "ink,1,2,3\n", ["source task `ink` should come once, found 2 times"]),
        (TEXT.replace(",0.2", ""), ["row `ink` should have 3 values, one for each target, found 2"]),
        (
            TEXT.replace("0.5", "half").replace("0.2", "0,2"),
            ["row `ink` should have 3 values, one for each target, found 4"],
        ),
        (
            TEXT.replace("0.5", "half").replace("0.2", "?"),
            [
                "row `mass`, column `ink` should be a number or empty, found `half`",
                "row `ink`, column `mass` should be a number or empty, found `?`",
            ],
        ),
        (TEXT.replace("0.5", "inf"), ["values should be finite, or empty where unknown, found infinite ones"]),
    ],
)
def test_what_a_table_may_not_be(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "gains.csv").write_text(text)
    assert faults(tmp_path, "gains.csv") == tuple(f"gains.csv: {sentence}" for sentence in expected)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"gains": MATRIX}, "should hold an array `values`, found gains"),
        (
            {"values": MATRIX[:2]},
            "`values` should have shape (3, 3) (source, target) or (3, 3, 3) (stages and trunk, source, target), "
            "found (2, 3)",
        ),
        ({"values": np.full((3, 3), "a")}, "`values` should hold numbers, found <U1"),
        ({"values": np.full((3, 3), None)}, "should be an NPZ file of plain arrays, found: Object arrays cannot"),
        ({"values": np.full((3, 3), np.inf)}, "values should be finite"),
        (
            {"values": MATRIX, "tasks": np.array(["ink", "slant", "masses"])},
            "given task `masses` is not a task of the problem, did you mean `mass`?",
        ),
    ],
)
def test_what_arrays_may_not_be(tmp_path: Path, arrays: dict[str, Any], expected: str) -> None:
    np.savez(tmp_path / "gains.npz", **arrays)
    assert faults(tmp_path, "gains.npz")[0].startswith(f"gains.npz: {expected}")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no")
    (tmp_path / "empty.npz").write_bytes(b"")
    with (tmp_path / "array.npz").open("wb") as handle:
        np.save(handle, MATRIX)
    for name in ("text.npz", "empty.npz", "array.npz"):
        assert faults(tmp_path, name)[0].startswith(f"{name}: should be an NPZ file of plain arrays, found: ")
    (tmp_path / "latin.csv").write_bytes("source,hôtel\n".encode("latin-1"))
    assert faults(tmp_path, "latin.csv")[0].startswith("latin.csv: should be CSV in UTF-8, found: ")
    assert faults(tmp_path, "gains.xlsx") == (
        "gains.xlsx: a given matrix should be a .csv or .npz file, found `.xlsx`",
    )
    for name in ("none.csv", "none.npz"):
        assert faults(tmp_path, name) == (
            f"{name}: should be a file that can be read, found: No such file or directory",
        )


# what both keep


@pytest.mark.parametrize(("name", "options"), [("pairs", {}), ("given", {"path": "gains.csv"})])
def test_frozen_and_named_in_the_table(name: str, options: dict[str, Any]) -> None:
    measure: Measure = MEASURES.create(name, options)
    assert isinstance(measure, BaseModel)
    assert MEASURES[name].__name__ == type(measure).__name__
    assert type(measure).model_validate(measure.model_dump()) == measure
    assert not measure.symmetric
    assert measure.meaning
    with pytest.raises(ValidationError):
        measure.method = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        MEASURES.create(name, {**options, "folder": "."})


def test_given_needs_a_path() -> None:
    for options in ({}, {"path": ""}):
        with pytest.raises(ValidationError):
            MEASURES.create("given", options)


def test_uninformed_numbers_follow_from_the_seed_alone() -> None:
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="binary") for k in range(12)))
    view = FileView(tasks, ("low", "high"), "nowhere")
    found = Uninformed()(view)
    assert found.shape == (3, 12, 12)
    np.testing.assert_array_equal(found, Uninformed()(view))
    assert np.abs(found - Uninformed(seed=1)(view)).max() > 1
    assert abs(found.mean()) < 0.2
    assert found.std() == pytest.approx(1, abs=0.15)
    assert abs(np.corrcoef(found[0].ravel(), found[0].T.ravel())[0, 1]) < 0.3  # no symmetry
    assert MEASURES.create("uninformed", {"method": "uninformed", "seed": 1}) == Uninformed(seed=1)
