"""Climbs never lose, reach the best of small spaces, and every step is a valid topology."""

import itertools

import numpy as np
import pytest
from companion_examples import names, random_topology
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgroup.active.companions.climb import climb, climb_within
from taskgroup.active.companions.draws import Weights
from taskgroup.active.companions.evidence import Labels, labels_of
from taskgroup.active.companions.moves import canonical, half, neighbours
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.topology import Topology


def weights(n_tasks: int, n_stages: int, seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    pair = rng.normal(size=(n_stages, n_tasks, n_tasks)) * (1 - np.eye(n_tasks))
    single, size = rng.normal(size=(2, n_stages, n_tasks)) / 2
    return Weights((0.5, 1.0)[seed % 2], pair, single, size)


def valid(labels: Labels) -> bool:
    matrix = tuple(canonical_labels(row) for row in labels)
    return Topology(tasks=names(labels.shape[1], 1)[0], stages=names(1, len(labels))[1], matrix=matrix) is not None


def test_worth_of_a_topology_in_numbers() -> None:
    """Three tasks: two share, 1 + 2 + log 2 (0.5 + 0.25) + (3 + 4) / 1; the third is alone."""
    pair = np.array([[[0.0, 3.0, 9.0], [4.0, 0.0, 9.0], [9.0, 9.0, 0.0]]])
    found = Weights(1.0, pair, np.array([[1.0, 2.0, 9.0]]), np.array([[0.5, 0.25, 9.0]]))
    assert found.values(np.array([[[0, 0, 1]]]))[0] == pytest.approx(10 + 0.75 * np.log(2))
    all_three = 12 + 9.75 * np.log(3) + (3 + 4 + 4 * 9) / 2
    assert found.values(np.array([[[0, 0, 0]]]))[0] == pytest.approx(all_three)


@settings(max_examples=30, deadline=None)
@given(n_tasks=st.integers(1, 7), n_stages=st.integers(1, 4), seed=st.integers(0, 999))
def test_climbs_do_not_lose_and_stay_valid(n_tasks: int, n_stages: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = labels_of([random_topology(n_tasks, n_stages, rng) for _ in range(3)])
    drawn = [weights(n_tasks, n_stages, seed + d) for d in range(3)]
    found = climb(drawn, starts, rng)
    assert all(map(valid, found))
    for w, start, end in zip(drawn, starts, found, strict=True):
        assert w.values(end[None])[0] >= w.values(start[None])[0] - 1e-9


@settings(max_examples=30, deadline=None)
@given(n_tasks=st.integers(1, 7), n_stages=st.integers(1, 4), seed=st.integers(0, 999))
def test_neighbours_are_valid(n_tasks: int, n_stages: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = canonical(labels_of([random_topology(n_tasks, n_stages, rng)]))[0]
    found = neighbours(start, weights(n_tasks, n_stages, seed).pair, rng, 24)
    assert len(found) <= 24
    assert all(map(valid, found))


def all_partitions(n: int) -> list[tuple[int, ...]]:
    return sorted({canonical_labels(labels) for labels in itertools.product(range(n), repeat=n)})


def test_reaches_the_best_of_all() -> None:
    """Four tasks, two stages: under most weights one of a few climbs ends at the best topology there is."""
    nested = [
        np.array(pair)
        for pair in itertools.product(all_partitions(4), repeat=2)
        if len(set(zip(*pair, strict=True))) == max(pair[1]) + 1
    ]
    reached = []
    for seed in range(10):
        w, rng = weights(4, 2, seed), np.random.default_rng(seed)
        starts = np.stack([nested[i] for i in rng.integers(len(nested), size=6)])
        best = w.values(np.stack(nested)).max()
        reached.append(w.values(climb([w] * 6, starts, rng)).max() >= best - 1e-9)
    assert np.mean(reached) >= 0.9


def test_climbs_within_bounds_stay_there() -> None:
    w, rng = weights(6, 3, 0), np.random.default_rng(0)
    start = np.zeros((3, 6), dtype=np.int64)
    found = climb_within(w, start, lambda labels: len(np.unique(labels[-1])) <= 2, rng)
    values = w.values(np.stack([start, *found]))
    assert (np.diff(values) > 0).all()
    assert len(values) > 1
    assert all(len(np.unique(labels[-1])) <= 2 and valid(labels) for labels in found)


@pytest.mark.parametrize("seed", range(4))
def test_halves_part_enemies(seed: int) -> None:
    friends = np.where(np.arange(6)[:, None] % 2 == np.arange(6) % 2, 1.0, -1.0) * (1 - np.eye(6))
    assert half(friends, np.arange(6), np.random.default_rng(seed)).tolist() in ([0, 2, 4], [1, 3, 5])
    assert half(friends, np.array([1, 2, 3]), np.random.default_rng(seed)).tolist() in ([1, 3], [2])
