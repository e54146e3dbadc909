"""Values of the community method: benefits by hand, maxima against brute force, negative links that count."""

from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest
from planted_affinities import affinity_of, parts, planted_matrix, random_matrix

from taskgroup.core.affinity import Array
from taskgroup.groupers.community import Community, Null, communities, louvain, null_model, resolution_range
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.refine import refined, within

# Two pairs that help, a bit of harm between them, and more harm between a and d.
SIGNED = np.array([[0, 2, 0, -3], [2, 0, -1, 0], [0, -1, 0, 4], [-3, 0, 4, 0]], dtype=np.float64)


def partitions(n: int) -> Iterator[tuple[int, ...]]:
    """Every partition of n things, as labels."""
    if n == 0:
        yield ()
        return
    for labels in partitions(n - 1):
        for k in range(max(labels, default=-1) + 2):
            yield (*labels, k)


def signed_modularity(weights: Array, labels: tuple[int, ...]) -> float:
    """Gómez, Jensen and Arenas 2009, written out; links counted in both directions."""
    total, n_tasks = 0.0, len(weights)
    positive, negative = np.clip(weights, 0, None), np.clip(-weights, 0, None)
    for i in range(n_tasks):
        for j in range(n_tasks):
            if labels[i] == labels[j]:
                expected = positive[i].sum() * positive[j].sum() / positive.sum()
                expected -= negative[i].sum() * negative[j].sum() / negative.sum()
                total += weights[i, j] - expected
    return total / float(np.abs(weights).sum())


def test_partitions_are_as_many_as_bell_says() -> None:
    assert [len(set(partitions(n))) for n in (1, 2, 3, 4, 5)] == [1, 2, 5, 15, 52]


def test_within_by_hand() -> None:
    assert within(SIGNED, (0, 0, 1, 1)) == 6
    assert within(SIGNED, (0, 1, 0, 0)) == 1  # a-c 0, a-d -3, c-d 4
    assert within(SIGNED, (0, 0, 0, 0)) == 2


def test_constant_null_is_the_similarity_less_the_resolution() -> None:
    attraction, repulsion = null_model(SIGNED, "constant")
    np.testing.assert_array_equal(attraction - 0.5 * repulsion, SIGNED - 0.5)
    assert resolution_range(attraction, repulsion) == (-3, 4)


def test_configuration_null_is_the_signed_modularity() -> None:
    # The diagonal's terms are in every grouping, so differences of Q are what counts; 2 (w⁺ + w⁻) = 20.
    attraction, repulsion = null_model(SIGNED, "configuration")
    positive, negative = np.array([2, 2, 4, 4]), np.array([3, 1, 1, 3])
    expected = SIGNED - np.outer(positive, positive) / 12 + np.outer(negative, negative) / 8
    np.testing.assert_allclose(attraction - repulsion, expected)
    apart = signed_modularity(SIGNED, (0, 1, 2, 3))
    for labels in partitions(4):
        worth = 2 * within(attraction - repulsion, labels) / 20
        assert worth == pytest.approx(signed_modularity(SIGNED, labels) - apart)


def test_configuration_null_without_positive_links_has_no_range() -> None:
    assert resolution_range(*null_model(-np.abs(SIGNED), "configuration")) == (0, 0)


@pytest.mark.parametrize("null", ["constant", "configuration"])
@pytest.mark.parametrize("seed", range(10))
def test_finds_the_best_of_all_partitions_of_six_tasks(null: Null, seed: int) -> None:
    similarity = Pairs.of(affinity_of(random_matrix(6, seed))).similarity
    attraction, repulsion = null_model(similarity, null)
    for resolution in (0.0, 0.4, 1.0):
        benefit = attraction - resolution * repulsion
        best = max(within(benefit, labels) for labels in partitions(6))
        assert within(benefit, communities(benefit, 0)) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(5))
def test_no_move_and_no_merge_improves_the_end(seed: int) -> None:
    benefit = Pairs.of(affinity_of(random_matrix(9, seed))).similarity
    end = refined(benefit, louvain(benefit, 0))
    worth = within(benefit, end)
    n_groups = max(end) + 1
    for task in range(9):
        for group in range(n_groups + 1):
            assert within(benefit, (*end[:task], group, *end[task + 1 :])) <= worth + 1e-9
    for one in range(n_groups):
        for other in range(n_groups):
            assert within(benefit, [one if label == other else label for label in end]) <= worth + 1e-9


def test_local_moves_repair_what_louvain_cannot_see() -> None:
    # a and c are linked by b, and harm each other more than both help: with its negative link dropped, one group.
    benefit = np.array([[0, 2, -9], [2, 0, 3], [-9, 3, 0]], dtype=np.float64)
    assert louvain(benefit, 0) == (0, 0, 0)
    assert refined(benefit, louvain(benefit, 0)) == (0, 1, 1)


def test_merges_reach_what_single_moves_cannot() -> None:
    # Two pairs held together: moving any one task across loses, moving both wins.
    benefit = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 5], [1, 1, 5, 0]], dtype=np.float64)
    assert refined(benefit, (0, 0, 1, 1)) == (0, 0, 0, 0)


def test_louvain_is_that_of_networkx_on_positive_links() -> None:
    benefit = planted_matrix((4, 3, 5), 0.3, 0)[0]
    benefit = benefit - benefit.mean(axis=0)
    benefit += benefit.T
    graph = nx.from_numpy_array(np.where(np.triu(benefit, 1) > 0, np.triu(benefit, 1), 0))
    groups = nx.community.louvain_communities(graph, seed=3)
    labels = louvain(benefit, 3)
    assert {frozenset(np.flatnonzero(np.array(labels) == k).tolist()) for k in set(labels)} == set(
        map(frozenset, groups)
    )
    assert louvain(-np.ones((3, 3)), 0) == (0, 1, 2)


def test_from_the_affinity_to_the_groups_by_hand() -> None:
    # Similarities u within both pairs, -u between a-d and b-c, 0 between a-c and b-d, as in the hierarchical tests.
    found = Community()(affinity_of([[0, 6, 3, 0], [6, 0, 0, 3], [3, 0, 0, 6], [0, 3, 6, 0]], names="dbca"))
    assert found.proposals[0].source == "community, 2 groups"
    assert parts(found.proposals[0].grouping) == {frozenset("db"), frozenset("ca")}
    assert found.trees == ()


def test_the_seed_and_the_null_are_options_and_named() -> None:
    affinity = affinity_of(planted_matrix((3, 3), 0.1, 0)[0])
    names = [p.source for p in Community(null="configuration", symmetrization="centred-max")(affinity).proposals]
    assert names[0] == "community(configuration, centred-max), 2 groups"
    assert Community(seed=5)(affinity) == Community(seed=5)(affinity)


@pytest.mark.parametrize("null", ["constant", "configuration"])
def test_noisy_groups_are_mostly_recovered(null: Null) -> None:
    hits = 0
    for seed in range(6):
        matrix, labels = planted_matrix((4, 4, 4), 0.4, seed)
        found = Community(null=null, max_groups=3, tries=20)(affinity_of(matrix)).proposals[-1].grouping
        truth = {frozenset(name for name, k in zip(found.tasks, labels, strict=True) if k == g) for g in range(3)}
        hits += parts(found) == truth
    assert hits >= 5
