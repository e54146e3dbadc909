"""Chains over the stages: planted splits are found where they are, and noise parts nobody."""

from itertools import product

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, random_matrix

from taskgroup.core.affinity import Affinity
from taskgroup.core.record import Chain
from taskgroup.groupers.chains import best_splits, chain_over_stages
from taskgroup.groupers.cuts import Cuts
from taskgroup.groupers.separation import Noisy, branch_separations

ALL, TWO, THREE = [0] * 8, [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 2, 2]


def profile(rows: list[list[int]], noise: float, seed: int, bars: float | None = None) -> Affinity:
    """Slices with affinity 1 within the groups of each row, their mean as the trunk, noise and a level per target."""
    rng = np.random.default_rng(seed)
    slices = [1.0 * (np.array(row)[:, None] == np.array(row)) for row in rows]
    values = np.array([*slices, np.mean(slices, axis=0)])
    shape = values.shape
    measured = values + rng.normal(0, noise, shape) + rng.normal(0, 3, (shape[0], 1, shape[2]))
    return affinity_of(*measured, stderr=noise if bars is None else bars)


def chain(affinity: Affinity) -> Chain:
    found = chain_over_stages(affinity, "centred-mean", 0)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("seed", range(4))
def test_groups_that_part_at_stage_two_and_again_at_stage_three(seed: int) -> None:
    found = chain_over_stages(profile([ALL, TWO, THREE], 0.2, seed), "centred-mean", seed)
    assert found is not None
    planted, tree = found
    assert [list(row) for row in planted.topology.matrix] == [ALL, TWO, THREE]
    assert planted.topology.stages == ("s1", "s2", "s3")
    assert tree.splits_of(planted.topology) is not None
    assert planted.separation[0] < planted.threshold < min(planted.separation[1:])


def test_noise_parts_nobody() -> None:
    parted = [not chain(profile([ALL, ALL, ALL], 0.4, seed)).topology.is_shared for seed in range(20)]
    assert sum(parted) <= 3  # 1 in 20 by design; 4 or more of 20 come up in 1 of 60


def test_a_stage_that_does_not_tell_inherits() -> None:
    """Only the second of four stages separates."""
    found = chain(profile([ALL, TWO, ALL, ALL], 0.15, 0))
    assert [list(row) for row in found.topology.matrix] == [ALL, TWO, TWO, TWO]


def test_the_smallest_difference_is_no_reason_to_part() -> None:
    """Exactly measured: {a, b} are more alike than either is with c, but all three far more than with the rest."""
    similar = np.full((6, 6), -1.0)
    similar[:3, :3] = similar[3:, 3:] = 1.0
    similar[0, 1] = similar[1, 0] = 1.1
    found = chain(affinity_of(similar, similar, stderr=1e-4))
    assert found.topology.matrix == ((0, 0, 0, 1, 1, 1),)


@pytest.mark.parametrize(("between", "row"), [(-0.5, (0, 0, 0, 0, 1, 2)), (0.0, (0, 0, 0, 0, 1, 1))])
def test_two_loners_part_where_they_are_less_alike_than_most(between: float, row: tuple[int, ...]) -> None:
    """Of 0 nobody can tell: to either, the other is like everybody else."""
    similar = np.zeros((6, 6))
    similar[:4, :4] = 1.0
    similar[4, 5] = similar[5, 4] = between
    found = chain(affinity_of(similar, similar, stderr=0.05))
    assert found.topology.matrix == (row,)


def test_no_chain_without_stages_bars_or_tasks() -> None:
    matrix = random_matrix(5, 0)
    assert chain_over_stages(affinity_of(matrix), "centred-mean", 0) is None
    assert chain_over_stages(affinity_of(matrix, matrix, stderr=np.nan), "centred-mean", 0) is None
    small = affinity_of(matrix[:2, :2], matrix[:2, :2])
    assert chain_over_stages(small, "centred-mean", 0) is None


def test_follows_a_permutation_and_no_unit() -> None:
    affinity = profile([ALL, TWO, THREE], 0.4, 5)
    plain = chain(affinity)
    at = np.random.default_rng(0).permutation(8)
    moved = chain(affinity.reordered([NAMES[i] for i in at]))
    assert (moved.separation, moved.threshold, moved.source) == (plain.separation, plain.threshold, plain.source)
    for before, after in zip(plain.topology.matrix, moved.topology.matrix, strict=True):
        assert [[before[i] == before[j] for j in at] for i in at] == [[x == y for y in after] for x in after]
    scaled = Affinity(affinity.tasks, affinity.stages, 1e-3 * affinity.values, 1e-3 * affinity.stderr, affinity.counts)
    assert chain(scaled).topology == plain.topology


def test_branch_separations_by_hand() -> None:
    # a-b 3, c alone: within {a, b} 3 against across 0 and 1, mean 1/2 below the overall mean 4/3, v = 1
    similarity = np.array([[0, 3, 0], [3, 0, 1], [0, 1, 0]], dtype=float)
    seen = Noisy(similarity[None, None], np.ones((1, 1)), np.ones((1, 3, 3)))
    pair, root = branch_separations(Cuts.of(similarity[None]), seen)[0, :, 0]
    assert root == pytest.approx((3 - 0.5) / np.sqrt(1 + 2 / 4))
    # the pair is more alike than the mean pair: no reason to part, and (1/2 - 3) in standard errors against it
    assert pair == pytest.approx((0.5 - 3) / np.sqrt(1 + 2 / 4))


def test_equal_totals_go_to_the_later_split() -> None:
    merges = np.array([[0, 1], [2, 3]])
    assert best_splits(merges, np.full((2, 3), 1.5), 1.5) == (0.0, (3, 3))  # parting would gain nothing: never
    root = np.array([[0.0, 0.0, 0.0], [1.5, 4.0, 4.0]])
    assert best_splits(merges, root, 1.5) == (5.0, (3, 1))  # one stage earlier would give the same


@pytest.mark.parametrize("seed", range(20))
def test_splits_are_the_best_of_all(seed: int) -> None:
    """Against every choice of splits of four merges over three stages."""
    rng = np.random.default_rng(seed)
    similarity = rng.normal(size=(1, 5, 5))
    merges = Cuts.of(similarity + similarity.swapaxes(1, 2)).merges[0]
    z = rng.normal(0, 3, (4, 3))
    soft = np.sign(z) * np.maximum(np.abs(z) - 1.5, 0)
    parent = {int(child): k for k, pair in enumerate(merges) for child in pair}

    def total(splits: tuple[int, ...]) -> float:
        if any(5 + k in parent and splits[k] < splits[parent[5 + k]] for k in range(4)):
            return -np.inf
        return float(sum(soft[k, s:].sum() - max(0.0, 1.5 - z[k, s]) for k, s in enumerate(splits) if s < 3))

    best = max(total(splits) for splits in product(range(4), repeat=4))
    found, splits = best_splits(merges, z, 1.5)
    assert found == pytest.approx(best, abs=1e-8)
    assert total(splits) == pytest.approx(best, abs=1e-8)
