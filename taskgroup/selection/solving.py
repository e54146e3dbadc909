"""From the rows to a cover and a bound: domination, local search, relaxation, branch and bound, in this order."""

from dataclasses import dataclass
from time import monotonic

import numpy as np

from taskgroup.core.cover import Array, GroupScores
from taskgroup.selection.branch import Incumbent, Node, Search
from taskgroup.selection.feasible import some_cover
from taskgroup.selection.limits import Room, total_spread
from taskgroup.selection.local import LocalSearch
from taskgroup.selection.relaxation import Relaxed, relax
from taskgroup.selection.rows import Candidates, candidates, uncovered, undominated
from taskgroup.selection.sets import Masks

LARGE = 100_000
"""Entries in the chosen rows' table of exchanges above which local search is called less often."""


def solve(scores: GroupScores, room: Room, deadline: float, *, prove: bool) -> tuple[tuple[int, ...], float]:
    """A cover within the limits.

    Args:
        scores: Every task is trained by some row.
        room: The limits.
        deadline: Of ``time.monotonic``.
        prove: Whether to go on with branch and bound where local search and relaxation do not meet.

    Returns:
        Numbers of its rows, and a total below which there is no cover.

    Raises:
        InputError: No cover keeps to the limits.
    """
    every, worst = candidates(scores), uncovered(scores)
    rows = undominated(every.below(worst, room), bool(np.isfinite(room.budget)))
    local = LocalSearch(rows, worst, room, 1e-11 * (total_spread(scores) or 1.0))
    start = _start(local, every, deadline)
    ascent = _Ascent(local, Incumbent(local.total(start), _numbers(rows, start), local.tolerance), start, deadline)
    relaxed = ascent.run(rounds=20 if prove else 50)
    best = ascent.best
    bound = min(best.total, relaxed.bound)
    if prove and bound < best.target:
        possible = rows.only(relaxed.possible(room, best.target))
        root = Node(possible, worst, room, (), relaxed.prices, relaxed.price, relaxed.bound)
        bound = Search(best, deadline).run(root)
    return best.taken, best.total if bound >= best.target else bound


def _numbers(rows: Candidates, chosen: list[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in rows.number[chosen])


def _start(local: LocalSearch, every: Candidates, deadline: float) -> list[int]:
    """A first cover: greedy, or where that leaves tasks out, from a set cover."""
    chosen = local.improve([])
    if chosen and (local.errors[chosen].min(axis=0) < local.covered).all():
        return chosen
    found = some_cover(local.rows, every, local.room, max(1.0, deadline - monotonic()))
    return local.improve([int(row) for row in found])


@dataclass
class _Ascent:
    """The relaxation, with local search from what it chooses on the way.

    Attributes:
        local: The rows and moves.
        best: The incumbent, which it lowers.
        chosen: Positions of the incumbent's rows.
        deadline: Of ``time.monotonic``.
    """

    local: LocalSearch
    best: Incumbent
    chosen: list[int]
    deadline: float

    def run(self, rounds: int) -> Relaxed:
        """Up to the deadline: 300 steps of ascent, ``rounds`` perturbations of the best cover, 200 steps."""
        relaxed = self._relax(_first_prices(self.local), 0.0, 300, 2.0)
        rng = np.random.default_rng(0)
        for _ in range(rounds):
            if relaxed.bound >= self.best.target or monotonic() > self.deadline:
                break
            self._offer(self.local.elsewhere(self.chosen, rng))
        if relaxed.bound >= self.best.target:
            return relaxed
        again = self._relax(relaxed.prices, relaxed.price, 200, 1.0)
        return again if again.bound > relaxed.bound else relaxed

    def _relax(self, prices: Array, price: float, steps: int, length: float) -> Relaxed:
        local = self.local
        return relax(
            local.rows, local.covered, local.room, prices, price, self.best.target,
            steps=steps, length=length, look=self._look,
        )  # fmt: skip

    def _look(self, step: int, chosen: Masks) -> float:
        """Local search from the relaxation's choice, now and then; the target, which past the deadline ends it."""
        if monotonic() > self.deadline:
            return -np.inf
        size = len(self.local.rows) * max(1, len(self.chosen))
        if step % (50 if size > LARGE else 6) == 0:
            self._offer(self.local.improve([int(row) for row in chosen]))
        return self.best.target

    def _offer(self, chosen: list[int]) -> None:
        total = self.local.total(chosen)
        if total < self.best.target:
            self.chosen = chosen
        self.best.offer(total, _numbers(self.local.rows, chosen))


def _first_prices(local: LocalSearch) -> Array:
    """The third least error of each task, or the least where fewer than three rows train it."""
    some = np.partition(local.errors, min(2, len(local.errors) - 1), axis=0)
    third = some[min(2, len(some) - 1)]
    prices: Array = np.where(third < local.covered, third, local.errors.min(axis=0))
    return prices
