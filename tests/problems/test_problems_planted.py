"""Planted problems: what was planted is there, and every dial turns what it says."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from problem_tables import load, load_faults

from taskgroup.errors import InputError
from taskgroup.problems.planted import planted, truth
from taskgroup.problems.planted_config import Planted
from taskgroup.problems.problem import TEST, TRAIN, VAL, Problem
from taskgroup.problems.teacher import Teacher, n_sign_patterns, signs, smooth_directions
from taskgroup.problems.validate import validate

TARGET = "taskgroup.problems.planted:planted"


def left_over(problem: Problem, name: str, group: int) -> float:
    """Share of the variance of a task's labels that is not linear in the hidden features of ``group``."""
    plan = Planted.model_validate(problem.preprocessing["planted"])
    features = plan.teacher().features(problem.inputs, group)
    labels = problem.labels[:, problem.tasks.names.index(name)]
    known = ~np.isnan(labels)
    design = np.column_stack([features[known], np.ones(known.sum())])
    missed = labels[known] - design @ np.linalg.lstsq(design, labels[known])[0]
    return float(missed.var() / labels[known].var())


def group_of(name: str) -> int:
    return int(name[1]) - 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": [2, 3, 1], "overlap": 0.25},
        {"relation": "shared"},
        {"relation": "conflicting", "groups": [2, 2, 2]},
        {"inputs": "image"},
        {"inputs": "sequence", "length": 5, "width": 4},
    ],
    ids=str,
)
def test_tasks_are_linear_in_what_their_group_reads(options: dict[str, Any]) -> None:
    problem = planted(noise=0, n_rows=2000, **options)
    for name in problem.tasks.names:
        assert left_over(problem, name, group_of(name)) < 1e-9
        others = {group_of(n) for n in problem.tasks.names} - {group_of(name)}
        if options.get("relation") == "shared":
            assert left_over(problem, name, *others) < 1e-9
        else:
            assert min(left_over(problem, name, k) for k in others) > 0.05


def test_noise_is_what_the_group_does_not_explain() -> None:
    problem = planted(noise=0.5, n_rows=4000)
    found = [left_over(problem, name, group_of(name)) for name in problem.tasks.names]
    np.testing.assert_allclose(found, 0.25 / 1.25, rtol=0.15)


def product(options: Mapping[str, Any], first: int, second: int) -> NDArray[np.float64]:
    directions = Planted.model_validate(options).teacher().directions
    return np.asarray(directions[first].T @ directions[second])


def test_the_dial_of_orthogonal_groups() -> None:
    for overlap in (0, 0.3, 1):
        options = {"groups": [1, 1, 1], "overlap": overlap}
        np.testing.assert_allclose(product(options, 0, 0), np.eye(4), atol=1e-12)
        np.testing.assert_allclose(product(options, 0, 2), overlap * np.eye(4), atol=1e-12)
    np.testing.assert_allclose(product({}, 0, 1), 0, atol=1e-12)


def test_conflicting_groups_read_the_same_directions_from_other_sides() -> None:
    options = {"relation": "conflicting", "groups": [1, 1, 1], "dim": 4}
    np.testing.assert_allclose(product(options, 0, 1), -np.eye(4), atol=1e-12)
    np.testing.assert_allclose(product(options, 0, 2), np.diag([1, -1, 1, -1]), atol=1e-12)
    np.testing.assert_allclose(product({**options, "overlap": 0.3}, 0, 1), -0.3 * np.eye(4), atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 8])
def test_sign_patterns_differ(dim: int) -> None:
    patterns = [tuple(signs(g, dim)) for g in range(n_sign_patterns(dim))]
    assert len(set(patterns)) == len(patterns)
    assert {len(p) for p in patterns} == {dim}
    assert all(np.array_equal(a, -np.array(b)) for a, b in zip(patterns[::2], patterns[1::2], strict=True))


@pytest.mark.parametrize("shape", [(6,), (1, 8, 8), (3, 5)])
def test_smooth_directions_are_orthonormal_and_begin_with_the_mean(shape: tuple[int, ...]) -> None:
    found = smooth_directions(shape, 5)
    np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(found[:, 0], np.prod(shape) ** -0.5)


def test_smooth_directions_vary_slowly_along_every_axis() -> None:
    _, first, second = smooth_directions((1, 8, 8), 3).T.reshape(3, 8, 8)
    wave = np.cos(np.pi * (np.arange(8) + 0.5) / 8) / 4
    for found in (first, second.T):
        np.testing.assert_allclose(np.abs(found), np.abs(np.tile(wave, (8, 1)) / np.sqrt(2)), atol=1e-12)


def test_tasks_of_a_group_ask_different_questions() -> None:
    problem = planted(groups=[3], noise=0)
    between = np.abs(np.atleast_2d(np.corrcoef(problem.labels.T))[np.triu_indices(3, 1)])
    assert (between < 0.95).all()


def test_features_are_the_positive_part() -> None:
    teacher = Teacher(np.array([[[1.0], [0.0]], [[0.0], [-1.0]]]))
    rows = np.array([[2.0, 3.0], [-2.0, -3.0]], dtype=np.float32)
    np.testing.assert_array_equal(teacher.features(rows, 0), [[2], [0]])
    np.testing.assert_array_equal(teacher.features(rows, 1), [[0], [3]])


def equal(a: Problem, b: Problem) -> bool:
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.labels, b.labels, equal_nan=True)


def test_the_seed_decides() -> None:
    options: dict[str, Any] = {"own_rows": True, "unlabelled": 0.1, "kinds": ["binary", "regression"]}
    assert equal(planted(**options), planted(**options))
    assert not equal(planted(**options), planted(seed=1, **options))


def test_a_dial_leaves_the_other_draws_alone() -> None:
    plain, noisy = planted(noise=0.0), planted(noise=2.0)
    np.testing.assert_array_equal(plain.inputs, noisy.inputs)
    assert plain.tasks.names == noisy.tasks.names
    thin = planted(noise=0.0, unlabelled=0.5)
    known = ~np.isnan(thin.labels)
    full = plain.labels * [t.scale for t in plain.tasks] + [t.mean for t in plain.tasks]
    kept = thin.labels * [t.scale for t in thin.tasks] + [t.mean for t in thin.tasks]
    np.testing.assert_allclose(kept[known], full[known])


def test_the_truth() -> None:
    problem = planted(groups=[2, 3])
    assert set(truth(problem).groups) == {
        tuple(n for n in problem.tasks.names if n.startswith("g1")),
        tuple(n for n in problem.tasks.names if n.startswith("g2")),
    }
    assert sorted(problem.tasks.names) == ["g1_t1", "g1_t2", "g2_t1", "g2_t2", "g2_t3"]
    for options in ({"relation": "shared"}, {"overlap": 1}):
        assert len(truth(planted(**options))) == 1
    assert len(truth(planted(relation="conflicting"))) == 2
    json.dumps(dict(problem.preprocessing))


def test_the_order_does_not_give_the_groups_away() -> None:
    orders = {tuple(group_of(n) for n in planted(seed=s, n_rows=20).tasks.names) for s in range(8)}
    assert len(orders) > 3


def test_kinds_in_turn() -> None:
    problem = planted(groups=[3, 2], kinds=["binary", "regression"], noise=0)
    assert {t.name: t.kind for t in problem.tasks} == {
        "g1_t1": "binary",
        "g1_t2": "regression",
        "g1_t3": "binary",
        "g2_t1": "binary",
        "g2_t2": "regression",
    }
    binary = problem.labels[:, [t.kind == "binary" for t in problem.tasks]]
    assert set(binary.ravel()) == {0, 1}
    np.testing.assert_allclose(binary.mean(axis=0), 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("inputs", "shape", "trunk"),
    [("vector", (16,), "block1"), ("image", (1, 8, 8), "stem"), ("sequence", (8, 8), "embed")],
)
def test_inputs_and_their_trunks(inputs: str, shape: tuple[int, ...], trunk: str) -> None:
    problem = planted(inputs=inputs)
    assert problem.inputs.shape == (1000, *shape)
    assert problem.trunk.names[0] == trunk
    assert validate(problem) == []


def test_another_trunk() -> None:
    assert planted(trunk={"depth": 3}).trunk.names == ("block1", "block2", "block3")
    wide = planted(inputs="image", trunk={"name": "mlp"})
    assert wide.trunk.shapes(torch.zeros(1, 1, 8, 8))[0] == (64,)  # the trunk's own default


def counts(problem: Problem, split: int) -> dict[str, int]:
    known = ~np.isnan(problem.labels[problem.split == split])
    return dict(zip(problem.tasks.names, known.sum(axis=0).tolist(), strict=True))


def test_splits() -> None:
    problem = planted(n_rows=1003)
    assert [int((problem.split == k).sum()) for k in (TRAIN, VAL, TEST)] == [602, 200, 201]
    assert np.isfinite(problem.labels).all()


def test_tasks_of_unequal_size() -> None:
    problem = planted(groups=[2, 1], rows_per_task=[1, 0.5, 0.1])
    assert counts(problem, TRAIN) == {"g1_t1": 600, "g1_t2": 300, "g2_t1": 60}
    assert set(counts(problem, VAL).values()) == {200}


def test_rows_of_one_task_each() -> None:
    problem = planted(groups=[2, 1], own_rows=True, rows_per_task=[1, 0.5, 0.5])
    assert ((~np.isnan(problem.labels)).sum(axis=1) == 1).all()
    assert counts(problem, TRAIN) == {"g1_t1": 300, "g1_t2": 150, "g2_t1": 150}
    assert counts(problem, TEST) == {"g1_t1": 100, "g1_t2": 50, "g2_t1": 50}


def test_labels_missing_at_random() -> None:
    problem = planted(unlabelled=0.3, n_rows=5000)
    missing = np.isnan(problem.labels)
    np.testing.assert_allclose(missing.mean(axis=0), 0.3, atol=0.03)
    assert missing.all(axis=1).mean() < 0.01  # each task for itself


def test_from_a_config(tmp_path: Any) -> None:
    options = {"groups": [2, 2], "relation": "conflicting", "kinds": ["binary"], "trunk": {"width": 5}}
    problem = load(tmp_path, None, source="python", target=TARGET, options=options)
    assert equal(problem, planted(**options))
    assert problem.trunk_spec.options == options
    (fault,) = load_faults(tmp_path, None, source="python", target=TARGET, options={"relatoin": "shared"})
    assert fault == "problem.options: `relatoin` is not a known key, did you mean `relation`?"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"groups": [3, 0]}, "groups should hold the number of tasks of each, at least 1, found [3, 0]"),
        ({"groups": []}, "groups should hold the number of tasks of each, at least 1, found []"),
        ({"kinds": []}, "kinds should hold one kind at least, found none"),
        ({"relation": "shared", "overlap": 0.5}, "overlap is 1 where relation is shared, found 0.5; leave it out"),
        ({"overlap": 1.5}, "`overlap`: "),
        (
            {"dim": 9},
            "inputs should hold at least 18 numbers for 2 groups of dim 9, found 16",
        ),
        (
            {"relation": "conflicting", "groups": [1] * 3, "dim": 1},
            "groups should be 2 at most where 1 directions conflict, found 3",
        ),
        (
            {"rows_per_task": [1, 0.5]},
            "rows_per_task should hold a share above 0 and up to 1 for each of 6 tasks, found [1.0, 0.5]",
        ),
        ({"rows_per_task": [1, 1, 1, 1, 1, 0]}, "rows_per_task should hold a share above 0"),
        ({"kinds": ["multiclass"]}, "`kinds.0`: "),
        ({"unlabelled": 1}, "`unlabelled`: "),
        (
            {"trunk": {"name": "mpl"}},
            "trunk should be one of conv, conv1d, hf, mlp, text, transformer, found `mpl`, did you mean",
        ),
        ({"trunk": {"wdth": 3}}, "problem.options.trunk: `wdth` is not a known key, did you mean `width`?"),
        ({"trunk": {"name": "conv"}}, "trunk: conv takes images"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        planted(**options)
    assert len(caught.value.problems) == 1
    assert expected in caught.value.problems[0]
