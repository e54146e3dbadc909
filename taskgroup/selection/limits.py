"""What a cover may hold, and sentences for the user where no cover can keep to it."""

from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from taskgroup.core.cover import Array, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.sets import Masks

SLACK = 1e-9
"""Relative: costs such as 0.1 + 0.2 keep to a budget of 0.3."""


@dataclass(frozen=True)
class Room:
    """How much may still be chosen.

    Attributes:
        networks: Number of rows, 0 or more.
        budget: Sum of their costs; infinite where costs do not bind.
    """

    networks: int
    budget: float = inf

    def less(self, cost: float) -> "Room":
        """What is left after a row of this cost."""
        return Room(self.networks - 1, self.budget - cost)

    def within(self, costs: Array) -> "Room":
        """The same, with no more networks than the budget allows of rows with these costs."""
        if not isfinite(self.budget):
            return self
        spent = np.cumsum(np.sort(costs)[: self.networks])
        return Room(int(np.searchsorted(spent, self.budget, side="right")), self.budget)


def room(scores: GroupScores, networks: int | None, budget: float | None) -> Room:
    """The limits, brought to a number of networks alone where all rows cost the same.

    Raises:
        InputError: ``networks`` below 1, ``budget`` not above 0 or below every cost, or tasks that no group trains.
    """
    faults = []
    if networks is not None and networks < 1:
        faults.append(f"`networks` should be 1 or more, found {networks}")
    if budget is not None and not budget > 0:
        faults.append(f"`budget` should be positive, found {budget}")
    if faults:
        raise InputError(faults)
    untrained(scores)
    most = min(len(scores.tasks), networks or len(scores.tasks))
    if budget is None or budget == inf:
        return Room(most)
    allowed, cheapest = budget * (1 + SLACK), float(scores.cost.min())
    if cheapest > allowed:
        raise InputError(f"no cover costs {budget:g} or less; the cheapest group costs {cheapest:g}")
    if scores.cost.max() <= cheapest * (1 + SLACK):
        return Room(min(most, int(allowed / cheapest)))
    return Room(most, allowed)


def untrained(scores: GroupScores) -> None:
    """Raises InputError where no group trains some task."""
    trained = scores.members.sum(axis=0)
    missing = [task for task, n in zip(scores.tasks, trained, strict=True) if not n]
    if missing:
        raise InputError(f"every task should be trained by some group, found none for {', '.join(missing)}")


def fewest_sentence(networks: int, fewest: int) -> str:
    """Why there is no cover with so many networks."""
    return f"no cover has {networks} or fewer networks; the fewest that train every task are {fewest}"


def by_preference(scores: GroupScores, rows: Masks) -> Masks:
    """Rows in the order in which ties are broken: the cheaper, the larger group, the first."""
    sizes = scores.members[rows].sum(axis=1)
    return rows[np.lexsort((rows, -sizes, scores.cost[rows]))]


def serving(scores: GroupScores, rows: Masks) -> tuple[int, ...]:
    """The row that serves each task: of these rows the one with the least error, shape ``(T,)``."""
    ordered = by_preference(scores, rows)
    best = np.where(scores.members[ordered], scores.errors[ordered], np.inf).argmin(axis=0)
    return tuple(int(row) for row in ordered[best])


def total_spread(scores: GroupScores) -> float:
    """How far two covers' totals may lie apart: sum over tasks of largest less least error."""
    return float((np.nanmax(scores.errors, axis=0) - np.nanmin(scores.errors, axis=0)).sum())
