"""Branch and bound without the help of local search: from a poor cover to the best one."""

import numpy as np
import pytest
from small_tables import best_total

from taskgroup.core.cover import GroupScores
from taskgroup.selection.branch import Incumbent, Node, Search
from taskgroup.selection.limits import Room
from taskgroup.selection.local import LocalSearch
from taskgroup.selection.relaxation import relax
from taskgroup.selection.rows import candidates, uncovered, undominated


def dense_table(seed: int) -> GroupScores:
    """Many groups of six tasks; better networks cost more."""
    rng = np.random.default_rng(seed)
    members = rng.random((18, 6)) < 0.5
    members[np.arange(18), np.arange(18) % 6] = True
    cost = rng.choice([0.5, 0.7, 1.0], 18)
    errors = rng.uniform(0, 1, members.shape) + 0.1 * members.sum(axis=1, keepdims=True) - 0.8 * cost[:, None]
    return GroupScores(tuple("abcdef"), members, np.where(members, errors, np.nan), cost)


ROOMS = [Room(2), Room(3), Room(6, 1.7 + 1e-9), Room(6, 2.2 + 1e-9), Room(3, 2.0 + 1e-9)]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("seed", range(8))
def test_from_a_poor_cover_to_the_best(seed: int, room: Room) -> None:
    scores = dense_table(seed)
    budget = room.budget if np.isfinite(room.budget) else None
    best = best_total(scores, room.networks, budget)
    worst = uncovered(scores)
    rows = undominated(candidates(scores).below(worst, room), budget is not None)
    poor = Incumbent(best + 1.0, (), 1e-9)
    search = Search(poor, np.inf)
    bound = search.run(Node(rows, worst, room, (), worst, 0.0, -np.inf))
    assert poor.total == pytest.approx(best, abs=1e-8) == pytest.approx(bound, abs=1e-8)
    taken = np.array(poor.taken)
    errors = np.where(scores.members[taken], scores.errors[taken], np.inf)
    assert errors.min(axis=0).sum() == pytest.approx(best, abs=1e-8)
    assert len(taken) <= room.networks
    assert scores.cost[taken].sum() <= room.budget


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_and_no_row_of_a_better_cover_is_ruled_out(seed: int, room: Room) -> None:
    scores = dense_table(seed)
    budget = room.budget if np.isfinite(room.budget) else None
    best, worst, rows = best_total(scores, room.networks, budget), uncovered(scores), candidates(scores)
    relaxed = relax(rows, worst, room, np.nanmin(scores.errors, axis=0), 0.0, best, steps=200)
    assert best - 0.8 < relaxed.bound <= best + 1e-9
    for row in np.flatnonzero(~relaxed.possible(room, best + 0.2)).tolist():
        assert _best_with(scores, row, room) > best + 0.2 - 1e-9


def _best_with(scores: GroupScores, row: int, room: Room) -> float:
    """Least total of covers that hold this row, used or not: the others improve on it."""
    start = np.where(scores.members[row], scores.errors[row], uncovered(scores))
    left = room.less(float(scores.cost[row]))
    if left.networks < 1:
        return float(start.sum())
    merged = np.minimum(np.where(scores.members, scores.errors, np.inf), start)
    full = GroupScores(scores.tasks, np.ones_like(scores.members), merged, scores.cost)
    budget = left.budget if np.isfinite(left.budget) else None
    return min(float(start.sum()), best_total(full, left.networks, budget))


@pytest.mark.parametrize("room", ROOMS)
def test_domination_loses_no_cover(room: Room) -> None:
    n_kept = []
    for seed in range(4):
        scores = dense_table(seed)
        kept = undominated(candidates(scores), np.isfinite(room.budget)).number
        fewer = GroupScores(scores.tasks, scores.members[kept], scores.errors[kept], scores.cost[kept])
        budget = room.budget if np.isfinite(room.budget) else None
        n_kept.append(len(kept))
        assert best_total(fewer, room.networks, budget) == best_total(scores, room.networks, budget)
    assert min(n_kept) < 18


def test_of_equal_rows_the_first_and_cheaper_stay() -> None:
    rows = [{"a": 1.0, "b": 1.0}, {"a": 1.0}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}]
    scores = GroupScores.of(("a", "b"), rows, [1.0, 1.0, 1.0, 0.5])
    assert undominated(candidates(scores), costs_bind=False).number.tolist() == [0]
    assert undominated(candidates(scores), costs_bind=True).number.tolist() == [3]


def test_local_search_takes_the_best_exchange() -> None:
    """The change that it reckons for its move is the change of the total, and no other move changes it more."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        scores = dense_table(seed)
        local = LocalSearch(candidates(scores), uncovered(scores), Room(3), 1e-12)
        chosen = [int(row) for row in rng.choice(18, 3, replace=False)]
        nearest, first, second = local._two_best(chosen)
        change, move = local._best_move(chosen, nearest, first, second, np.ones(18, dtype=bool))
        before = local.total(chosen)
        exchanged = {
            (row, at): local.total([*chosen[:at], row, *chosen[at + 1 :]]) for row in range(18) for at in range(3)
        }
        assert before + change == pytest.approx(min(*exchanged.values(), before))
        if move is not None:
            assert exchanged[move[0], move[1] or 0] == pytest.approx(before + change)
        assert local.total(local.improve(chosen)) <= before + change + 1e-9
