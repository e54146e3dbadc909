"""The stopping rule: fires on structure that both halves show, and not on noise or on change."""

import itertools

import numpy as np
import pytest

from taskgroup.core.grouping import Grouping
from taskgroup.core.settled import Array, Settling, StopRule, best_labels, cross_regret, objective, settling, symmetric

NAN = float("nan")
BLOCKS: Array = np.asarray(np.kron(np.eye(3), np.ones((3, 3))), dtype=np.float64)
OTHER = BLOCKS[np.ix_([0, 3, 6, 1, 4, 7, 2, 5, 8], [0, 3, 6, 1, 4, 7, 2, 5, 8])]
RULE = StopRule(n_steps=100)


def looks(mean: Array, n: int, noise: float, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(mean + noise * rng.normal(size=(n, *mean.shape[-2:])))


def similarity_of(upper: list[float], n: int) -> Array:
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = upper
    return matrix + matrix.T


def test_objective_in_figures() -> None:
    similarity = similarity_of([3, -1, -2], 3)  # pairs 01, 02, 12
    assert objective(similarity, np.array([0, 0, 1])) == 3 + 1 + 2
    assert objective(similarity, np.array([0, 0, 0])) == 0
    assert objective(similarity, np.array([0, 1, 2])) == 0


def test_best_labels_is_the_best_cut() -> None:
    assert (
        best_labels(similarity_of([3, -1, -2], 3)).tolist()[:2] == [best_labels(similarity_of([3, -1, -2], 3))[0]] * 2
    )
    assert len(set(best_labels(similarity_of([3, -1, -2], 3)).tolist())) == 2
    assert len(set(best_labels(similarity_of([-1, -1, -1], 3)).tolist())) == 3
    assert len(set(best_labels(similarity_of([1, 1, 1], 3)).tolist())) == 1
    assert best_labels(np.zeros((1, 1))).tolist() == [0]


@pytest.mark.parametrize("seed", range(5))
def test_no_grouping_is_much_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = symmetric(rng.normal(size=(5, 5)) * (1 - np.eye(5)))
    every = [np.array(labels) for labels in itertools.product(range(5), repeat=5)]
    best = max(objective(similarity, labels) for labels in every)
    assert objective(similarity, best_labels(similarity)) >= 0.8 * best


def test_regret_in_figures() -> None:
    # Pairs 01, 02, 12. Groups of a: 01 and 2, worth 6 + 1 + 2 to itself; of b: 0 and 12, worth 3 + 1 + 4 to itself.
    a, b = similarity_of([6, -1, -2], 3), similarity_of([-3, -1, 4], 3)
    first = 1 - (-3 + 1 - 4) / (3 + 1 + 4)
    second = 1 - (-6 + 1 - 2) / (6 + 1 + 2)
    assert cross_regret(a, b) == pytest.approx((first + second) / 2)
    assert cross_regret(a, 5 * a) == 0
    assert np.isnan(cross_regret(a, np.zeros((3, 3))))


def test_symmetric_takes_the_direction_that_is_known() -> None:
    found = symmetric(np.array([[NAN, 2, NAN], [4, NAN, NAN], [5, NAN, NAN]]))
    np.testing.assert_array_equal(found, [[0, 3, 5], [3, 0, 0], [5, 0, 0]])


def test_clear_groups_settle() -> None:
    found = settling(looks(BLOCKS, 40, 1.0))
    assert found.halves < 0.1
    assert found.phases < 0.15
    assert RULE.is_met(found)
    assert settling(looks(BLOCKS, 40, 1.0)) == found


def test_noise_does_not() -> None:
    found = [settling(looks(np.zeros((9, 9)), 40, 1.0, seed)) for seed in range(20)]
    assert not any(RULE.is_met(one) for one in found)
    assert np.mean([one.halves for one in found]) > 0.5


def test_groups_that_change_in_the_course_do_not() -> None:
    found = settling(np.concatenate([looks(BLOCKS, 20, 0.1), looks(OTHER, 20, 0.1, 1)]))
    assert found.phases > 0.5
    assert not RULE.is_met(found)


def test_a_level_per_target_is_no_structure() -> None:
    level = np.arange(9.0)[None, :] * 100
    assert settling(looks(BLOCKS, 40, 1.0) + level).halves == pytest.approx(settling(looks(BLOCKS, 40, 1.0)).halves)


def test_one_look_gone_wild_and_missing_looks_do_not_matter() -> None:
    made = looks(BLOCKS, 40, 1.0)
    made[7] *= 1e6
    made[np.random.default_rng(1).random(made.shape) < 0.5] = NAN
    assert settling(made).halves < 0.15
    made[:, 0, :] = made[:, :, 0] = NAN  # a task never seen is neutral
    assert settling(made).halves < 0.15


@pytest.mark.parametrize("shape", [(40, 3, 3), (1, 9, 9)])
def test_too_little_to_tell(shape: tuple[int, ...]) -> None:
    found = settling(np.random.default_rng(0).normal(size=shape))
    assert np.isnan([found.halves, found.phases]).all()
    assert not RULE.is_met(found)


def test_the_grouping_is_one_of_the_tasks() -> None:
    labels = best_labels(symmetric(BLOCKS * (1 - np.eye(9)) - 0.3))
    assert Grouping(tasks=tuple("abcdefghi"), labels=tuple(labels.tolist())).groups == (
        ("a", "b", "c"),
        ("d", "e", "f"),
        ("g", "h", "i"),
    )


def test_when_it_is_looked_into() -> None:
    rule = StopRule(n_steps=600, min_looks=40)
    due = [n for n in range(1, 61) if rule.is_due(n, (n - 1) * 10, 10)]
    assert due == [42, 48, 54, 60]
    early = [n for n in range(1, 601) if StopRule(n_steps=600, min_looks=40).is_due(n, n - 1, 1)]
    assert early == [300, 360, 420, 480, 540, 600]  # not before half of the steps
    assert not any(StopRule(n_steps=12).is_due(n, n, 4) for n in range(4))


def test_both_regrets_count() -> None:
    assert RULE.is_met(Settling(0.15, 0.15))
    assert not RULE.is_met(Settling(0.16, 0.0))
    assert not RULE.is_met(Settling(0.0, 0.16))
    assert not RULE.is_met(Settling(0.0, NAN))
