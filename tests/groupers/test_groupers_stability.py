"""Redrawn affinities: the index by hand, what certainty and doubt look like, and permutations."""

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, clades, planted_matrix, random_matrix
from sklearn.metrics import adjusted_rand_score

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.groupers.cuts import Cuts, same_group
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.stability import Redrawn, adjusted_rand, consensus_tree, draws

HOW = "centred-mean"


def redrawn(affinity: Affinity, n: int = 40, seed: int = 0) -> Redrawn:
    return Redrawn.of(affinity, "trunk", "centred-mean", n, seed)


def test_adjusted_rand_by_hand_and_as_scikit_learn_has_it() -> None:
    # {ab}{cd} and {abc}{d}: 1 pair in common, p = 2, q = 3 of 6, E = 1, M = 5/2, so (1 - 1) / (5/2 - 1) = 0
    assert adjusted_rand(same_group([0, 0, 1, 1]), same_group([[0, 0, 0, 1]]).astype(float)).tolist() == [0.0]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 7))
    others = same_group(labels).astype(float)
    for row in labels:
        expected = [adjusted_rand_score(row, other) for other in labels]
        assert adjusted_rand(same_group(row), others) == pytest.approx(expected)


@pytest.mark.parametrize("row", [[0, 0, 0], [0, 1, 2]])
def test_adjusted_rand_of_two_ends_is_one(row: list[int]) -> None:
    assert adjusted_rand(same_group(row), same_group([row]).astype(float)).tolist() == [1.0]


def test_cuts_labels_and_sums_over_merges() -> None:
    rng = np.random.default_rng(2)
    similarity = rng.normal(size=(5, 7, 7))
    similarity = similarity + similarity.swapaxes(1, 2)
    cuts = Cuts.of(similarity)
    across = cuts.across(np.stack([similarity, np.ones_like(similarity)], axis=-1))
    inside = cuts.inside(across)
    for b in range(5):
        nodes: list[list[int]] = [[i] for i in range(7)]
        for k, (left, right) in enumerate(cuts.merges[b]):
            one, other = nodes[left], nodes[right]
            nodes.append(one + other)
            assert across[b, k] == pytest.approx([similarity[b][np.ix_(one, other)].sum(), len(one) * len(other)])
            within = [similarity[b][i, j] for side in (one, other) for i in side for j in side if i < j]
            assert inside[b, k] == pytest.approx([sum(within), len(within)])
            groups = Grouping(tasks=NAMES[:7], labels=tuple(int(x) for x in cuts.labels[b, 5 - k])).groups
            assert len(groups) == 6 - k
            assert tuple(sorted(NAMES.index(t) for g in groups if NAMES[one[0]] in g for t in g)) == tuple(
                sorted(nodes[-1])
            )


def test_draws_have_the_error_bars_and_start_alike() -> None:
    values = random_matrix(4, 1)
    errors = np.abs(random_matrix(4, 2))
    plain = affinity_of(values)
    affinity = Affinity(plain.tasks, plain.stages, plain.values, errors[None], plain.counts)
    many = np.concatenate(list(draws(affinity, ("trunk",), 20_000, 3)))[:, 0]
    order = np.argsort(plain.tasks)
    assert many.mean(axis=0) == pytest.approx(values[np.ix_(order, order)], abs=0.06)
    assert many.std(axis=0) == pytest.approx(errors[np.ix_(order, order)], rel=0.03)
    assert np.array_equal(np.concatenate(list(draws(affinity, ("trunk",), 5, 3)))[:, 0], many[:5])


def test_certain_groups_are_stable_and_doubtful_ones_are_not() -> None:
    matrix, labels = planted_matrix((3, 3, 2), 0.05, 0)
    truth = Grouping(tasks=NAMES[:8], labels=labels)
    other = Grouping(tasks=NAMES[:8], labels=(0, 1, 2, 0, 1, 2, 0, 1))
    ends = [Grouping.together(NAMES[:8]), Grouping.apart(NAMES[:8])]
    found = {}
    for bar in (1e-6, 0.3, 30.0):
        affinity = affinity_of(matrix, stderr=bar)
        stability, chance, *rest = redrawn(affinity).stabilities(Pairs.of(affinity), [truth, other, *ends])
        assert rest == [None, None]
        assert stability is not None
        assert chance is not None
        assert chance < 0.3
        found[bar] = stability
    assert found[1e-6] == 1
    assert found[30.0] < 0.3 < found[0.3] <= 1


def test_no_stability_without_error_bars_or_draws_or_tasks() -> None:
    matrix = random_matrix(5, 0)
    for affinity, n in (
        (affinity_of(matrix, stderr=np.nan), 9),
        (affinity_of(matrix), 0),
        (affinity_of(matrix[:2, :2]), 9),
    ):
        found = redrawn(affinity, n)
        assert found.trees is None
        assert found.stabilities(Pairs.of(affinity), [Grouping.together(affinity.tasks)]) == [None]


def test_co_assignment_of_one_sure_and_one_open_task() -> None:
    # a and b are sure, c and d are sure, e could go to either: its affinities are equal and uncertain
    block = np.kron(np.eye(2), np.ones((2, 2)))
    matrix = np.full((5, 5), 0.5)
    matrix[:4, :4] = block
    plain = affinity_of(matrix, names="abcde", stderr=0.01)
    errors = plain.stderr.copy()
    errors[0, 4, :] = errors[0, :, 4] = 0.5
    affinity = Affinity(plain.tasks, plain.stages, plain.values, errors, plain.counts)
    shares = redrawn(affinity, 200).together(2)
    assert np.array_equal(shares, shares.T)
    assert np.array_equal(np.diag(shares), np.ones(5))
    assert shares[0, 1] > 0.95
    assert 0.2 < shares[0, 4] < 0.8
    assert 0.2 < shares[2, 4] < 0.8
    tree = consensus_tree(Pairs.of(affinity), shares)
    assert {frozenset("ab"), frozenset("cd")} < {names for names, _ in clades(tree)}
    assert tree.heights[-1] == pytest.approx(1 - np.mean([shares[i, j] for i, j in _across(tree.cut(2))]), abs=1e-4)


def _across(grouping: Grouping) -> list[tuple[int, int]]:
    one, other = grouping.groups
    return [(grouping.tasks.index(a), grouping.tasks.index(b)) for a in one for b in other]


@pytest.mark.parametrize("seed", range(2))
def test_follows_a_permutation_of_the_tasks(seed: int) -> None:
    matrix = random_matrix(7, 2)
    at = np.random.default_rng(seed).permutation(7)
    before, after = affinity_of(matrix), affinity_of(matrix[np.ix_(at, at)], names=[NAMES[i] for i in at])
    assert np.array_equal(redrawn(before).together(3), redrawn(after).together(3))  # both in name order
    labels = (0, 1, 1, 2, 0, 2, 2)
    one = redrawn(before).stabilities(Pairs.of(before), [Grouping(tasks=NAMES[:7], labels=labels)])
    moved = Grouping(tasks=after.tasks, labels=tuple(labels[i] for i in at))
    assert redrawn(after).stabilities(Pairs.of(after), [moved]) == one
