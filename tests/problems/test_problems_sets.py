"""Sets that describe themselves: labels, splits and what is left out, in every form that the format allows."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from set_files import BITS, CLASSES, KINDS, NAN, RNG, SPLIT, SPLITS, TWO, N, X, loaded, save

from taskgroup.core.task import METRICS
from taskgroup.errors import InputError
from taskgroup.problems.config import SetConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import TRAIN, UNUSED, Problem
from taskgroup.problems.sets.metrics import NEAREST, SAME, metric_of
from taskgroup.problems.validate import validate

DATA = Path(os.environ.get("TASKGROUP_SHARED", Path(__file__).parents[3] / "shared")) / "data"


def notes(problem: Problem) -> str:
    json.dumps(dict(problem.preprocessing))
    return "\n".join(problem.preprocessing["notes"])


def fault(folder: Path, **section: Any) -> str:
    with pytest.raises(InputError) as caught:
        loaded(folder, **section)
    return str(caught.value)


def test_tasks_on_shared_rows(tmp_path: Path) -> None:
    save(tmp_path)
    problem = loaded(tmp_path)
    assert validate(problem) == []
    assert (problem.name, problem.tasks.names) == ("one", ("a", "b"))
    assert [t.metric for t in problem.tasks] == ["auc", "auc"]
    np.testing.assert_array_equal(problem.split, SPLIT)
    np.testing.assert_array_equal(problem.labels[SPLIT != UNUSED], TWO[SPLIT != UNUSED])
    assert np.isnan(problem.labels[SPLIT == UNUSED]).all()
    assert notes(problem) == ""


def test_tasks_with_rows_of_their_own_and_a_gap_in_their_ids(tmp_path: Path) -> None:
    owner = np.repeat([0, 2], N // 2)  # no row of the second task
    kinds = {"one": "binary", "none": "binary", "two": "binary"}
    save(tmp_path, kinds, y=CLASSES, task_id=owner, known_groups=np.array([1, 1, 0]))
    problem = loaded(tmp_path)
    assert problem.tasks.names == ("one", "two")
    known = ~np.isnan(problem.labels[SPLIT != UNUSED])
    np.testing.assert_array_equal(known[:, 0], (owner == 0)[SPLIT != UNUSED])
    assert (known.sum(axis=1) == 1).all()
    assert problem.preprocessing["groups"] == {"one": 1, "two": 0}
    assert "task `none` has no labels and is left out" in notes(problem)


def test_ids_that_are_numbers_of_the_tasks(tmp_path: Path) -> None:
    save(tmp_path, y=CLASSES, task_id=np.repeat([7, 30], N // 2))
    problem = loaded(tmp_path)
    assert problem.tasks.names == ("a", "b")
    np.testing.assert_array_equal(np.isnan(problem.labels[:, 0]), (np.arange(N) >= N // 2) | (SPLIT == UNUSED))


def test_more_ids_than_tasks_that_are_named(tmp_path: Path) -> None:
    save(tmp_path, {"a": "binary"}, y=CLASSES, task_id=np.repeat([0, 1, 2], N // 3))
    problem = loaded(tmp_path)
    assert problem.tasks.names == ("a", "task1", "task2")
    assert "task_id goes to 2, meta lists 1 tasks" in notes(problem)


def test_mixed_kinds_and_missing_labels(tmp_path: Path) -> None:
    classes, numbers = RNG.integers(0, 3, N).astype(np.float32), RNG.normal(50, 7, N).astype(np.float32)
    yes = CLASSES.astype(np.float32)
    yes[1], yes[2], numbers[3], numbers[6] = -1, NAN, NAN, -40.0
    kinds = {"yes": "binary", "which": "multiclass", "much": "regression"}
    save(tmp_path, kinds, {"metric": None}, Y=np.stack([yes, classes, numbers], axis=1))
    problem = loaded(tmp_path)
    assert validate(problem) == []
    assert [t.metric for t in problem.tasks] == ["auc", "accuracy", "r2"]
    assert np.isnan(problem.labels[[1, 2], 0]).all()
    assert np.isnan(problem.labels[3, 2])
    much = problem.tasks["much"]
    assert problem.labels[6, 2] * much.scale + much.mean == pytest.approx(
        -40
    )  # a number below 0 is none that is missing
    assert problem.preprocessing["labels"]["much"] == {"mean": much.mean, "scale": much.scale}


def test_class_labels_with_gaps_are_numbered_afresh(tmp_path: Path) -> None:
    strange = np.array([10, 3, 250])[np.arange(N) // 6 % 3]
    save(tmp_path, {"a": "multiclass", "b": "binary"}, Y=np.stack([strange, 5 + 3 * CLASSES], axis=1))
    problem = loaded(tmp_path)
    assert problem.tasks["a"].n_classes == 3
    used = SPLIT != UNUSED
    np.testing.assert_array_equal(np.array([3, 10, 250])[problem.labels[used, 0].astype(int)], strange[used])
    np.testing.assert_array_equal(problem.labels[used, 1], CLASSES[used])
    assert problem.preprocessing["classes"] == {"a": [3, 10, 250], "b": [5, 8]}


def test_a_class_that_training_lacks_still_counts(tmp_path: Path) -> None:
    classes = np.where(SPLIT == 2, 2, CLASSES)
    classes[4] = 0
    save(tmp_path, {"a": "multiclass", "b": "binary"}, Y=np.stack([classes, CLASSES], axis=1))
    problem = loaded(tmp_path)
    assert problem.tasks["a"].n_classes == 3
    assert problem.tasks["a"].prior[2] == 0


def test_tasks_of_one_class_are_left_out_and_named(tmp_path: Path) -> None:
    never, rare = np.zeros(N), np.where(SPLIT == 2, 0, CLASSES)
    kinds = {**KINDS, "never": "binary", "rare": "binary"}
    save(tmp_path, kinds, Y=np.column_stack([TWO, never, rare]))
    problem = loaded(tmp_path)
    assert problem.tasks.names == ("a", "b")
    assert problem.preprocessing["left_out"] == ["never", "rare"]
    assert "rare: train, val and test should each have labels of two classes" in notes(problem)
    assert "problem.tasks.rare: train, val and test should each" in fault(tmp_path, tasks=("a", "rare"))


def test_nothing_that_can_be_scored(tmp_path: Path) -> None:
    save(tmp_path, Y=np.zeros((N, 2)))
    assert "problem.tasks.a: train, val and test should each have labels of two classes" in fault(tmp_path)


def test_some_tasks_and_only_their_rows(tmp_path: Path) -> None:
    labels = TWO.copy()
    labels[:60, 0] = -1
    save(tmp_path, Y=labels)
    problem = loaded(tmp_path, tasks=("a",))
    assert (problem.split[:60] == UNUSED).all()
    train = problem.split == TRAIN
    np.testing.assert_allclose(problem.inputs[train].mean(axis=0), 0, atol=1e-6)
    assert "has no task `aa`, did you mean `a`?" not in fault(tmp_path, tasks=("zz",))
    assert "one.npz has no task `zz`; its tasks are a, b" in fault(tmp_path, tasks=("zz",))


@pytest.mark.parametrize(
    ("column", "kind"),
    [(CLASSES, "binary"), (np.arange(N) % 5, "multiclass"), (np.arange(N), "regression"), (X[:, 0], "regression")],
)
def test_types_that_are_not_said(tmp_path: Path, column: Any, kind: str) -> None:
    save(tmp_path, None, Y=np.stack([column, CLASSES], axis=1))
    problem = loaded(tmp_path)
    assert problem.tasks.names == ("task0", "task1")
    assert problem.tasks["task0"].kind == kind
    assert f"task `task0` has no type in the file: taken for {kind}" in notes(problem)


@pytest.mark.parametrize(
    ("said", "column", "kind"),
    [
        ("binary", np.arange(N) // 6 % 3, "multiclass"),
        ("classification", CLASSES, "binary"),
        ("multiclass", X[:, 0], "regression"),
        ("regression", CLASSES, "regression"),
        ("multiclass", CLASSES, "multiclass"),
    ],
)
def test_types_against_labels(tmp_path: Path, said: str, column: Any, kind: str) -> None:
    save(tmp_path, {"a": said, "b": "binary"}, Y=np.stack([column, CLASSES], axis=1))
    problem = loaded(tmp_path)
    assert validate(problem) == []
    assert problem.tasks["a"].kind == kind
    assert ("taken for" in notes(problem)) == (said != kind)


def test_names_that_are_missing_or_twice(tmp_path: Path) -> None:
    save(tmp_path, None, {"tasks": ["a", {"name": "a", "type": "binary"}, {}]}, Y=np.column_stack([TWO, CLASSES]))
    assert loaded(tmp_path).tasks.names == ("a", "a_1", "task2")


def test_a_file_that_says_nothing_of_itself(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", X=X, Y=TWO, split_random=SPLIT)
    problem = loaded(tmp_path)
    assert (problem.name, problem.tasks.names) == ("one", ("task0", "task1"))
    assert validate(problem) == []


@pytest.mark.parametrize(
    ("said", "kind", "metric"),
    [
        ("roc_auc", "binary", "auc"),
        ("mean ROC-AUC", "binary", "auc"),
        ("nmse", "regression", "r2"),
        ("accuracy", "multiclass", "accuracy"),
        ("balanced accuracy", "binary", "balanced_accuracy"),
        ("MAE", "regression", "mae"),
    ],
)
def test_metrics_that_are_ours(said: str, kind: Any, metric: str) -> None:
    assert metric_of(said, kind) == (metric, "")


@pytest.mark.parametrize(
    ("said", "kind", "metric"),
    [
        ("rmse", "regression", "r2"),
        ("average_precision", "binary", "auc"),
        ("macro_f1", "multiclass", "balanced_accuracy"),
        ("roc_auc", "multiclass", "balanced_accuracy"),
        ("roc_auc", "regression", "r2"),
        ("nmse", "binary", "auc"),
        ("who knows", "multiclass", "accuracy"),
        (None, "binary", "auc"),
        (3, "regression", "r2"),
    ],
)
def test_metrics_that_come_nearest_are_told(said: Any, kind: Any, metric: str) -> None:
    found, note = metric_of(said, kind)
    assert found == metric
    assert note.endswith(f"{kind} tasks are judged by {metric}")


def test_every_metric_of_the_tables_is_one_of_ours() -> None:
    ours = {m for metrics in METRICS.values() for m in metrics}
    assert {*SAME.values(), *NEAREST.values()} <= ours
    assert not set(SAME) & set(NEAREST)


def test_metrics_of_tasks_and_kinds(tmp_path: Path) -> None:
    tasks = [{"name": "a", "type": "binary", "metric": "accuracy"}, {"name": "b", "type": "binary"}]
    save(tmp_path, None, {"tasks": tasks, "metric": {"binary": "balanced_accuracy"}})
    assert [t.metric for t in loaded(tmp_path).tasks] == ["accuracy", "balanced_accuracy"]


def test_splits_by_name_and_index(tmp_path: Path) -> None:
    other = np.roll(SPLIT, 1)
    save(tmp_path, split_time=other)
    np.testing.assert_array_equal(loaded(tmp_path, split_index=1).split, SPLITS[1])
    np.testing.assert_array_equal(loaded(tmp_path, split="time").split, other)
    np.testing.assert_array_equal(loaded(tmp_path, split="split_time").split, other)
    assert loaded(tmp_path, split_index=1).preprocessing["split"] == "split_random[1]"
    assert loaded(tmp_path, split="time").preprocessing["split"] == "split_time"
    assert "has the splits random, time, found `tme`, did you mean `time`?" in fault(tmp_path, split="tme")
    assert "split_index should be below 3" in fault(tmp_path, split_index=3)
    assert "split_index should be below 1" in fault(tmp_path, split="time", split_index=1)


@pytest.mark.parametrize("said", [None, "gone"])
def test_a_default_split_that_is_not_there(tmp_path: Path, said: str | None) -> None:
    save(tmp_path, meta={"default_split": said})
    problem = loaded(tmp_path)
    assert problem.preprocessing["split"] == "split_random[0]"
    assert "`random` is taken" in notes(problem)


def test_parts_that_are_missing_are_carved_from_training(tmp_path: Path) -> None:
    save(tmp_path, split_random=np.where(SPLIT == 1, 0, SPLIT))
    problem = loaded(tmp_path)
    n_train = int((SPLIT <= 1).sum() - (SPLIT == UNUSED).sum())
    assert (problem.split == 1).sum() == round(0.2 * n_train)
    np.testing.assert_array_equal(problem.split == 2, SPLIT == 2)
    assert "the split has no val rows: 20% of the training rows are taken, under seed 0" in notes(problem)
    np.testing.assert_array_equal(loaded(tmp_path).split, problem.split)


def test_a_file_without_a_split(tmp_path: Path) -> None:
    save(tmp_path, split_random=None)
    problem = loaded(tmp_path)
    assert [(problem.split == code).sum() for code in (0, 1, 2)] == [77, 19, 24]
    assert "the file has no split" in notes(problem)
    assert "has the splits none, found `random`" in fault(tmp_path, split="random")


def test_own_rows_are_carved_class_by_class(tmp_path: Path) -> None:
    """Without strata most of these tasks would lose their three positives to one part."""
    owner, labels = np.repeat(np.arange(6), 20), np.tile([1, 1, 1] + [0] * 17, 6)
    save(tmp_path, {f"t{k}": "binary" for k in range(6)}, y=labels, task_id=owner, split_random=None)
    problem = loaded(tmp_path)
    assert len(problem.tasks) == 6
    for k in range(6):
        assert [((problem.split == c) & (problem.labels[:, k] == 1)).sum() for c in (0, 1, 2)] == [1, 1, 1]


def test_what_is_no_such_set(tmp_path: Path) -> None:
    assert "one.npz: there is no such file" in fault(tmp_path)
    (tmp_path / "one.npz").write_text("no", encoding="utf-8")
    assert "should be an NPZ file of arrays" in fault(tmp_path)
    for arrays, sentence in (
        ({"X": X}, "should hold labels `Y`, or `y` with `task_id`, found neither"),
        ({"Y": TWO}, "should hold inputs X, X_num"),
        ({"Y": TWO, "X": X[:9]}, "array `X` should be about the 120 rows that have labels, found 9"),
        ({"Y": TWO, "X": X.astype(str)}, "array `X` should hold numbers, found <U"),
        ({"Y": TWO[:0], "X": X[:0]}, "the file should have rows, found none"),
        ({"Y": TWO, "X": X, "meta": np.frombuffer(b"{", dtype=np.uint8)}, "array `meta` should be JSON as bytes"),
        ({"Y": TWO, "X": X, "meta": np.frombuffer(b"[]", dtype=np.uint8)}, "should be a JSON object, found list"),
        ({"Y": TWO, "X": X, "split_a": SPLIT[:7]}, r"array `split_a` should have shape (N,) or (K, N) with N = 120"),
    ):
        np.savez(tmp_path / "one.npz", **arrays)
        assert sentence in fault(tmp_path)
    np.savez(tmp_path / "one.npz", Y=TWO, X=np.array([{}] * N))
    assert "array `X` should be numbers or text (no pickles)" in fault(tmp_path)


def test_faults_of_trunk_and_set_come_together(tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, {"name": "mlp", "wdth": 3}, split="tme")
    assert len(caught.value.problems) == 2


CARDS = {
    "bibtex": (159, (1836,), "mlp"),
    "census_kdd": (4, (480,), "mlp"),
    "fdu_mtl": (16, (200,), "text"),
    "fsdd": (3, (1, 48, 32), "conv"),
    "landmine": (29, (9,), "mlp"),
    "multimnist": (5, (1, 28, 28), "conv"),
    "omniglot8": (8, (1, 28, 28), "conv"),
    "rf1": (8, (120,), "mlp"),
    "sarcos": (7, (21,), "mlp"),
    "scene": (6, (294,), "mlp"),
    "school": (139, (28,), "mlp"),
    "sider": (27, (1024,), "mlp"),
    "tox21": (12, (1024,), "mlp"),
    "yeast": (14, (103,), "mlp"),
}


@pytest.mark.parametrize("name", CARDS)
def test_real_sets_against_their_cards(name: str) -> None:
    if not (DATA / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is not in {DATA}")
    problem = load_problem(SetConfig(path=f"{name}.npz"), None, DATA)
    n_tasks, shape, trunk = CARDS[name]
    assert validate(problem) == []
    assert (len(problem.tasks), problem.inputs.shape[1:], problem.trunk_spec.name) == (n_tasks, shape, trunk)
    assert len(problem.trunk.names) in (3, 4)
    assert notes(problem) == ""


def test_bits_are_not_read_beyond_their_number(tmp_path: Path) -> None:
    save(tmp_path, meta={"n_bits": 10}, X=None, X_bits=np.packbits(BITS, axis=1))
    np.testing.assert_array_equal(loaded(tmp_path).inputs > 0, BITS)
