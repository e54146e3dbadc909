"""The number of groups: the three figures by hand, the rule, and how often noise is taken for groups."""

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, parts, planted_matrix, random_matrix

from taskgroup.core.affinity import Affinity, Array
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import GroupCount, Proposals
from taskgroup.groupers.constraints import Constraints
from taskgroup.groupers.cuts import Cuts
from taskgroup.groupers.hierarchical import Hierarchical
from taskgroup.groupers.number import best_count, clarity, group_counts
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.propose import propose
from taskgroup.groupers.separation import Noisy, cut_separations, observed, pair_variance
from taskgroup.groupers.stability import Redrawn

HOW = "centred-mean"


def counted(affinity: Affinity) -> tuple[GroupCount, ...]:
    redrawn = Redrawn.of(affinity, "trunk", "centred-mean", 30, 0)
    return group_counts(affinity, Pairs.of(affinity), "trunk", "centred-mean", redrawn)


def answer(affinity: Affinity, seed: int = 0) -> Proposals:
    return propose(affinity, [Hierarchical()], n_resampled=0, n_draws=20, seed=seed)


def noisy(matrix: Array, noise: float, seed: int) -> Affinity:
    """The matrix measured with this noise, which its error bars know."""
    measured = matrix + np.random.default_rng(seed).normal(0, noise, matrix.shape)
    return affinity_of(measured, stderr=noise)


def test_variance_of_a_pair_by_hand() -> None:
    values = np.array([[9.0, 1.0, 1.0], [1.0, 9.0, 1.0], [np.nan, np.nan, 9.0]])
    bars = np.array([[9.0, 3.0, 2.0], [1.0, 9.0, np.sqrt(5)], [9.0, 9.0, 9.0]])
    expected = [[0, (9 + 1) / 4, 4], [(9 + 1) / 4, 0, 5], [4, 5, 0]]
    assert pair_variance(values, bars) == pytest.approx(np.array(expected))


def test_separation_by_hand() -> None:
    # s = 1 within {a, b} and {c, d}, 0 across; v = 0.04: z = (1 - 0) / sqrt(2 · 0.04 / 4 + 4 · 0.04 / 16)
    similarity = np.kron(np.eye(2), np.ones((2, 2)))[None, None] * (1 - np.eye(4))
    seen = Noisy(similarity, np.full((1, 1), 2.0), np.full((1, 4, 4), 0.04 * 4))  # in units of a spread of 2
    two, three = cut_separations(Cuts.of(similarity[:, 0]), seen)[0]
    assert two == pytest.approx(1 / np.sqrt(0.02 + 0.01))
    assert three == pytest.approx((1 - 1 / 5) / np.sqrt(0.04 + 5 * 0.04 / 25))


def test_spread_makes_separations_free_of_units() -> None:
    matrix = random_matrix(6, 0)
    one, other = (observed(affinity_of(x * matrix, stderr=x * 0.3), ("trunk",), "centred-mean") for x in (1.0, 1e-4))
    cuts = Cuts.of(one.similarity[:, 0])
    assert cut_separations(cuts, one) == pytest.approx(cut_separations(cuts, other), rel=1e-6)


def test_counts_by_hand_on_two_pairs() -> None:
    """d, c, b, a as in the test of the silhouette: distances 0 within {d, b} and {c, a}, u and 2u across."""
    matrix = np.array([[0, 6, 3, 0], [6, 0, 0, 3], [3, 0, 0, 6], [0, 3, 6, 0]], dtype=float)
    rows = counted(affinity_of(matrix, names="dbca", stderr=1e-9))
    assert [row.n_groups for row in rows] == [1, 2, 3]
    assert [row.silhouette for row in rows] == [None, 1.0, 0.5]
    assert [row.stability for row in rows[:2]] == [None, 1.0]
    # w = e^-1/2 for u, e^-2 for 2u (σ, the median distance, is u) and 1 within: a circulant Laplacian
    near, far = np.exp(-0.5), np.exp(-2.0)
    eigenvalues = sorted(
        1 - (a + b * near + c * far) / (1 + near + far)
        for a, b, c in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
    )
    assert [row.eigengap for row in rows] == pytest.approx(np.diff(eigenvalues), abs=1e-8)


def row(k: int, silhouette: float, eigengap: float, stability: float | None) -> GroupCount:
    return GroupCount(n_groups=k, silhouette=silhouette, eigengap=eigengap, stability=stability)


def test_the_best_mean_rank_decides() -> None:
    one = GroupCount(n_groups=1, eigengap=9.0)
    # ranks 1 2 2, 2 1 1, 3 3 3: two groups have 5/3, three 4/3
    rows = [one, row(2, 0.6, 0.2, 0.7), row(3, 0.5, 0.3, 0.8), row(4, 0.1, 0.1, 0.1)]
    assert best_count(rows, 8) == 3
    assert best_count([one, row(2, 0.6, 0.2, None), row(3, 0.5, 0.3, None)], 8) == 2  # a tie: the larger silhouette
    assert best_count([one, row(2, 0.5, 0.3, None), row(3, 0.5, 0.3, None)], 8) == 2  # a full tie: fewer groups
    assert best_count([one], 2) is None


def test_numbers_above_half_the_tasks_take_part_only_alone() -> None:
    rows = [row(k, 0.1 * k, 0.1 * k, 0.1 * k) for k in range(2, 6)]
    assert best_count(rows, 6) == 3
    assert best_count(rows, 7) == 4
    assert best_count(rows[2:], 6) == 5


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_one_and_two_tasks_are_all_together(n_tasks: int) -> None:
    found = answer(affinity_of(random_matrix(n_tasks, 0)))
    assert found.recommended == Grouping.together(NAMES[:n_tasks])
    assert found.counts[0].n_groups == len(found.counts) == 1
    assert found.reason.startswith("All together: ")
    assert (found.together, found.consensus, found.chain) == ((), None, None)


def test_constant_evidence_is_all_together_with_the_reason() -> None:
    found = answer(affinity_of(np.ones((5, 5))))
    assert found.recommended == Grouping.together(NAMES[:5])
    assert found.reason == "All together: all pairs of tasks are equally similar."


def test_without_error_bars_nobody_can_tell() -> None:
    matrix, labels = planted_matrix((3, 3), 0.1, 0)
    found = answer(affinity_of(matrix, stderr=np.nan))
    assert found.recommended is not None
    assert parts(found.recommended) == parts(Grouping(tasks=NAMES[:6], labels=labels))
    assert found.reason.startswith("2 groups, of 2 to 3 the number with the best mean rank of silhouette and eigengap.")
    assert "no error bars, so nobody can tell" in found.reason
    assert (found.n_draws, found.together) == (0, ())


def test_exact_evidence_is_clear() -> None:
    matrix, _ = planted_matrix((3, 3), 0.0, 0)
    affinity = affinity_of(matrix, stderr=0.0)
    clear = clarity(affinity, "trunk", "centred-mean", counted(affinity), 0)
    assert clear is not None
    assert (clear.threshold, clear.is_clear) == (0, True)


N_TRIES = 60


@pytest.mark.parametrize("n_tasks", [4, 8])
def test_noise_is_seldom_taken_for_groups(n_tasks: int) -> None:
    """1 in 20 by design; of 60, more than 8 would come up in 1 of 500 runs of another seed."""
    speed = np.random.default_rng(1).normal(0, 3, n_tasks)  # a constant for each target is no structure
    seen = [noisy(np.tile(speed, (n_tasks, 1)), 0.5, seed) for seed in range(N_TRIES)]
    found = [clarity(affinity, "trunk", "centred-mean", counted(affinity), k) for k, affinity in enumerate(seen)]
    assert sum(clear is not None and clear.is_clear for clear in found) <= 8


def test_noise_is_told_to_be_noise() -> None:
    found = answer(noisy(np.zeros((6, 6)), 0.5, 3))
    assert found.recommended == Grouping.together(NAMES[:6])
    assert "does not separate groups beyond its error bars" in found.reason
    assert found.proposals[0].source.startswith("all together")
    assert len(found.proposals) > 3  # still there for search to try


@pytest.mark.parametrize("sizes", [(3, 3), (2, 2, 2), (2, 3, 4), (4, 4, 4)])
def test_planted_groups_are_found_at_clear_signal(sizes: tuple[int, ...]) -> None:
    """Noise of a quarter of the difference: the planted partition itself, in at least 9 of 10."""
    hits = 0
    for seed in range(10):
        matrix, labels = planted_matrix(sizes, 0.0, seed)
        found = answer(noisy(matrix, 0.25, seed), seed)
        assert found.recommended is not None
        hits += parts(found.recommended) == parts(Grouping(tasks=NAMES[: len(labels)], labels=labels))
    assert hits >= 9


def test_the_recommendation_is_of_one_unit_and_level() -> None:
    matrix, _ = planted_matrix((2, 3, 2), 0.3, 1)
    one = answer(affinity_of(matrix, stderr=0.3))
    other = answer(affinity_of(1e-3 * matrix + np.random.default_rng(0).normal(size=7), stderr=0.3e-3))
    assert (one.recommended, one.reason) == (other.recommended, other.reason)
    assert [p.grouping for p in one.proposals] == [p.grouping for p in other.proposals]


def test_constraints_change_the_words_and_not_the_evidence() -> None:
    matrix, _ = planted_matrix((3, 3), 0.1, 0)
    free = answer(affinity_of(matrix))
    bound = propose(affinity_of(matrix), [Hierarchical()], n_resampled=0, seed=0, constraints=Constraints(n_groups=3))
    assert bound.reason.startswith("3 groups, the best number within the constraints, with stability ")
    assert "Without the constraints 2 groups would do best." in bound.reason
    assert bound.reason.endswith(free.reason.split(". ", 1)[1])
    one = propose(affinity_of(matrix), [Hierarchical()], n_resampled=0, seed=0, constraints=Constraints(n_groups=1))
    assert one.reason == "All together: the constraints allow no other."
