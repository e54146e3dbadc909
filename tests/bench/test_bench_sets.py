"""Public sets as problems: small files of the same form, and the real ones against their cards where they are."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskgroup.bench.sets import SETS, read_set
from taskgroup.errors import InputError
from taskgroup.problems.problem import TRAIN, Problem
from taskgroup.problems.validate import validate

DATA = Path(os.environ.get("TASKGROUP_SHARED", Path(__file__).parents[3] / "shared")) / "data"
NAN = np.nan
RNG = np.random.default_rng(0)
SPLIT = np.tile([0, 0, 0, 1, 2, -1], 20).astype(np.int8)
X = RNG.normal(3, 2, size=(120, 2)).astype(np.float32)


def save(folder: Path, name: str, tasks: dict[str, str], **arrays: Any) -> None:
    meta: dict[str, Any] = {"name": name, "metric": "roc_auc" if "binary" in tasks.values() else "nmse"}
    meta["kind"] = "separate" if "task_id" in arrays else "shared"
    meta["tasks"] = [{"name": n, "type": t, "n_classes": 2} for n, t in tasks.items()]
    meta |= {"n_bits": 10} if "X_bits" in arrays else {}
    splits = np.stack([SPLIT, SPLIT[::-1], SPLIT])
    packed = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(folder / f"{name}.npz", meta=packed, split_random=splits, **arrays)


def test_numbers_labelled_for_all_tasks(tmp_path: Path) -> None:
    inputs, labels = X.copy(), RNG.normal(50, 7, size=(120, 2)).astype(np.float32)
    inputs[5, 1] = labels[7, 0] = NAN  # row 5 is unused
    save(tmp_path, "sarcos", {"a": "regression", "b": "regression"}, X=inputs, Y=labels)
    problem = read_set("sarcos", tmp_path)
    assert validate(problem) == []
    np.testing.assert_array_equal(problem.split, SPLIT)
    train = problem.split == TRAIN
    np.testing.assert_allclose(problem.inputs[train].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(problem.inputs[train].std(axis=0), 1, atol=1e-6)
    back = problem.labels * [t.scale for t in problem.tasks] + [t.mean for t in problem.tasks]
    np.testing.assert_allclose(back, labels)
    assert [t.metric for t in problem.tasks] == ["r2", "r2"]
    assert np.isfinite(problem.inputs).all()


def test_bits_and_codes_for_missing_labels(tmp_path: Path) -> None:
    bits = RNG.integers(0, 2, size=(120, 10)).astype(np.uint8)
    labels = np.stack([np.arange(120) // 6 % 2, RNG.integers(-1, 2, 120), np.zeros(120)], axis=1).astype(np.int8)
    kinds = {"a": "binary", "b": "binary", "never": "binary"}
    save(tmp_path, "tox21", kinds, X_bits=np.packbits(bits, axis=1), Y=labels)
    problem = read_set("tox21", tmp_path)
    assert validate(problem) == []
    assert problem.tasks.names == ("a", "b")
    assert problem.preprocessing["left_out"] == ["never"]
    np.testing.assert_array_equal(problem.labels[:, 1], np.where(labels[:, 1] < 0, NAN, labels[:, 1]))
    np.testing.assert_array_equal(problem.inputs > 0, bits)
    assert len(np.unique(problem.inputs)) == 2
    assert problem.tasks["a"].metric == "auc"


def separate(folder: Path) -> None:
    owner, labels = np.repeat([0, 1], 60), np.tile([0, 1, 1, 0, 1, 0, 1, 0], 15)
    kinds = {"one": "binary", "two": "binary"}
    save(folder, "landmine", kinds, X=X, y=labels.astype(np.int8), task_id=owner, known_groups=np.array([1, 0]))


def test_rows_of_one_task_each_and_known_groups(tmp_path: Path) -> None:
    separate(tmp_path)
    problem = read_set("landmine", tmp_path)
    known = ~np.isnan(problem.labels)
    np.testing.assert_array_equal(known[:, 0], np.arange(120) < 60)
    assert (known.sum(axis=1) == 1).all()
    assert problem.preprocessing["groups"] == {"one": 1, "two": 0}
    json.dumps(dict(problem.preprocessing))


def test_some_tasks_and_another_trunk(tmp_path: Path) -> None:
    separate(tmp_path)
    problem = read_set("landmine", tmp_path, {"width": 8, "depth": 3}, tasks=["two"])
    assert problem.tasks.names == ("two",)
    assert problem.preprocessing["groups"] == {"two": 0}
    assert problem.trunk.names == ("block1", "block2", "block3")
    assert problem.trunk_spec.options["width"] == 8
    assert read_set("landmine", tmp_path).trunk_spec.options["width"] == 64


def test_what_is_not_there(tmp_path: Path) -> None:
    separate(tmp_path)
    for arguments, expected in (
        (("landmines", tmp_path), "set should be one of bibtex, .* did you mean `landmine`?"),
        (("yeast", tmp_path), "yeast.npz: should be the file of the public set yeast, found none"),
        (("landmine", tmp_path, {"wdth": 3}), "trunk: `wdth` is not a known key, did you mean `width`?"),
        (("landmine", tmp_path, {"name": "conv"}), "trunk: conv takes images"),
    ):
        with pytest.raises(InputError, match=expected):
            read_set(*arguments)
    with pytest.raises(InputError, match=r"set landmine: has no task `ones`, did you mean `one`\?"):
        read_set("landmine", tmp_path, tasks=["ones"])


CARDS = {
    "bibtex": ((7395, 1836), 159),
    "landmine": ((14820, 9), 29),
    "rf1": ((9125, 64), 8),
    "sarcos": ((4449, 21), 7),
    "scene": ((2407, 294), 6),
    "school": ((15362, 28), 139),
    "sider": ((1427, 1024), 27),
    "tox21": ((7823, 1024), 12),
    "yeast": ((2417, 103), 14),
}


def real(name: str) -> Problem:
    if not (DATA / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is not in {DATA}")
    return read_set(name, DATA)


def test_every_set_has_its_card() -> None:
    assert tuple(CARDS) == SETS


@pytest.mark.parametrize("name", SETS)
def test_real_sets_against_their_cards(name: str) -> None:
    problem = real(name)
    (n_rows, n_inputs), n_tasks = CARDS[name]
    assert len(problem.inputs) == n_rows
    assert problem.inputs.shape[1] >= n_inputs  # rf1: flags of gaps besides
    assert len(problem.tasks) == n_tasks
    assert problem.preprocessing["left_out"] == []
    assert validate(problem) == []


def test_landmine_has_its_groups() -> None:
    groups = real("landmine").preprocessing["groups"]
    assert len({groups[f"field{k}"] for k in range(1, 16)}) == 1
    assert {groups[f"field{k}"] for k in range(16, 30)} == set(groups.values()) - {groups["field1"]}


def test_tox21_lacks_what_its_card_says() -> None:
    assert np.isnan(real("tox21").labels).mean() == pytest.approx(0.171, abs=5e-4)
