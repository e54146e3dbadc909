"""Values of spectral grouping: the kernel, the cuts against brute force, and the bisection tree."""

from itertools import combinations

import numpy as np
import pytest
from planted_affinities import affinity_of, clades, parts, planted_matrix, random_matrix
from sklearn.metrics import adjusted_rand_score

from taskgroup.core.affinity import Array
from taskgroup.groupers.bisection import bisection_tree, thinnest_cut
from taskgroup.groupers.kernel import eigengaps, gaussian_kernel
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.spectral import Spectral

LEVELS = np.kron(np.eye(4), np.ones((2, 2))) * 2 + np.kron(np.eye(2), np.ones((4, 4)))


def test_kernel_by_hand() -> None:
    weights = gaussian_kernel(np.array([[0, 1, 2], [1, 0, 4], [2, 4, 0.0]]))  # the median distance is 2
    expected = np.exp([[0, -1 / 8, -1 / 2], [-1 / 8, 0, -2], [-1 / 2, -2, 0]])
    np.testing.assert_allclose(weights, expected)


def test_kernel_takes_the_mean_where_the_median_is_zero() -> None:
    distances = np.zeros((5, 5))
    distances[0, 1:] = distances[1:, 0] = 5  # 4 of 10 pairs: the mean is 2
    assert gaussian_kernel(distances)[0, 1] == pytest.approx(np.exp(-25 / 8))
    assert gaussian_kernel(distances)[1, 2] == 1
    np.testing.assert_array_equal(gaussian_kernel(np.zeros((3, 3))), np.ones((3, 3)))


def test_kernel_never_vanishes() -> None:
    distances = np.zeros((20, 20))
    distances[0, 1:] = distances[1:, 0] = 10  # 19 of 190 pairs: ten times the mean, exp(-50) without the floor
    assert gaussian_kernel(distances)[0, 1] == 1e-6


def ncut(weights: Array, side: tuple[int, ...]) -> float:
    inside = weights - np.diag(np.diag(weights))
    other = [i for i in range(len(weights)) if i not in side]
    cut = inside[np.ix_(side, other)].sum()
    return float(cut / inside[list(side)].sum() + cut / inside[other].sum())


@pytest.mark.parametrize("sizes", [(2, 3), (4, 4), (2, 5), (3, 3, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_thinnest_cut_is_the_least_of_all_on_planted_groups(sizes: tuple[int, ...], seed: int) -> None:
    matrix, _ = planted_matrix(sizes, 0.15, seed)
    weights = gaussian_kernel(Pairs.of(affinity_of(matrix)).distances())
    everyone = range(len(weights))
    left, right = thinnest_cut(weights, tuple(everyone))
    best = min(ncut(weights, side) for n in range(1, len(weights)) for side in combinations(everyone, n))
    assert ncut(weights, left) == pytest.approx(best)
    assert sorted(left + right) == list(everyone)


def test_thinnest_cut_looks_only_at_its_leaves() -> None:
    weights = np.full((6, 6), 0.1)
    for a, b in [(1, 4), (2, 5)]:
        weights[a, b] = weights[b, a] = 1
    assert thinnest_cut(weights, (1, 2, 4, 5)) == ((1, 4), (2, 5))


def test_bisection_finds_both_levels() -> None:
    names = "gacebdhf"
    tree = bisection_tree(Pairs.of(affinity_of(LEVELS, names=names)))
    expected = [{"a", "g"}, {"c", "e"}, {"b", "d"}, {"f", "h"}, {"a", "c", "e", "g"}, {"b", "d", "f", "h"}, set(names)]
    assert {below for below, _ in clades(tree)} == {frozenset(c) for c in expected}
    # Gains 3 in a pair, 1 in a half, 0 across, less their column mean 5/7; the unit is their rms.
    unit = np.sqrt(((3 - 5 / 7) ** 2 + 2 * (1 - 5 / 7) ** 2 + 4 * (5 / 7) ** 2) / 7)
    assert tree.heights == pytest.approx([0, 0, 0, 0, 2 / unit, 2 / unit, 3 / unit])


@pytest.mark.parametrize("seed", range(20))
def test_bisection_heights_do_not_decrease(seed: int) -> None:
    tree = bisection_tree(Pairs.of(affinity_of(random_matrix(9, seed))))
    assert list(tree.heights) == sorted(tree.heights)
    assert [len(tree.cut(k)) for k in range(1, 10)] == list(range(1, 10))


def test_a_group_left_empty_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def three_labels(weights: Array, n_groups: int) -> list[int]:
        return [min(i, n_groups - 1, 2) for i in range(len(weights))]

    monkeypatch.setattr("taskgroup.groupers.spectral._labels", three_labels)
    found = Spectral()(affinity_of(random_matrix(6, 0)))
    assert [p.source for p in found.proposals] == ["spectral, 2 groups", "spectral, 3 groups"]
    assert "left a group empty for 4, 5 groups: not proposed" in found.notes[0]


def test_weakly_linked_groups_raise_no_warning() -> None:
    far = np.kron(np.eye(3), np.full((3, 3), 1e6)) + random_matrix(9, 0) * 1e-3
    found = Spectral()(affinity_of(far))
    assert parts(found.proposals[1].grouping) == {frozenset(found.trees[0].tree.tasks[k : k + 3]) for k in (0, 3, 6)}


def test_noisy_groups_are_mostly_recovered() -> None:
    scores = []
    for seed in range(10):
        matrix, labels = planted_matrix((4, 4, 4), 0.5, seed)
        found = Spectral(max_groups=3)(affinity_of(matrix)).proposals[-1].grouping
        scores.append(float(adjusted_rand_score(labels, found.labels)))
    assert np.mean(scores) > 0.9


def test_eigengaps_by_hand() -> None:
    path = np.array([[7, 1, 0], [1, 7, 1], [0, 1, 7.0]])  # normalized Laplacian of a path of three: 0, 1, 2
    assert eigengaps(path) == pytest.approx([1, 1])
    complete = np.ones((5, 5))  # 0 and T / (T - 1), T - 1 times
    assert eigengaps(complete) == pytest.approx([1.25, 0, 0, 0])
    weighted = np.array([[0, 2, 1], [2, 0, 1], [1, 1, 0.0]])
    # D = 3, 3, 2: L has trace 3 and (1, -1, 0) as eigenvector with 1 + 2/3, so the eigenvalues are 0, 4/3, 5/3.
    assert eigengaps(weighted) == pytest.approx([4 / 3, 1 / 3])


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_eigengaps_of_one_and_two_tasks(n_tasks: int) -> None:
    assert eigengaps(np.ones((n_tasks, n_tasks))) == pytest.approx([2.0][: n_tasks - 1])


@pytest.mark.parametrize("sizes", [(3, 3), (4, 4), (4, 4, 4), (2, 2, 2, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_the_widest_eigengap_from_two_groups_on_counts_planted_groups(sizes: tuple[int, ...], seed: int) -> None:
    matrix, _ = planted_matrix(sizes, 0.1, seed)
    weights = gaussian_kernel(Pairs.of(affinity_of(matrix)).distances())
    gaps = eigengaps(weights)
    assert gaps.shape == (sum(sizes) - 1,)
    assert int(np.argmax(gaps[1:])) + 2 == len(sizes)
    assert eigengaps(7 * weights) == pytest.approx(gaps)
    assert eigengaps(weights[::-1, ::-1]) == pytest.approx(gaps)
    assert float(gaps.sum()) <= 2
    assert gaps.min() >= 0
