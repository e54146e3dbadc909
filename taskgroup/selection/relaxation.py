"""Lagrangian relaxation: a bound below every cover, and reduced costs that rule rows out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from taskgroup.core.cover import Array
from taskgroup.selection.limits import Room
from taskgroup.selection.rows import Candidates
from taskgroup.selection.sets import Masks, Rows

PATIENCE = 8
"""Steps without a better bound before the step length is halved."""


@dataclass(frozen=True)
class Relaxed:
    """The best multipliers found.

    Attributes:
        bound: No cover made of the chosen rows and these candidates has a smaller total.
        prices: λ, what each task may cost, shape ``(T,)``.
        price: μ, of a unit of budget.
        reduced: Reduced cost of each row: negative if it serves its tasks for less than their prices, shape ``(n,)``.
        chosen: Rows that the relaxation takes.
    """

    bound: float
    prices: Array
    price: float
    reduced: Array
    chosen: Masks

    def possible(self, room: Room, total: float) -> Rows:
        """Rows that may stand in a cover with a total below ``total``, shape ``(n,)``."""
        marginal = 0.0
        if 0 < room.networks < len(self.reduced):
            marginal = min(0.0, float(np.partition(self.reduced, room.networks - 1)[room.networks - 1]))
        kept: Rows = self.bound + np.maximum(self.reduced - marginal, 0.0) < total
        return kept


def relax(
    rows: Candidates,
    covered: Array,
    room: Room,
    prices: Array,
    price: float,
    target: float,
    *,
    steps: int,
    length: float = 1.0,
    look: Callable[[int, Masks], float] | None = None,
) -> Relaxed:
    """Subgradient ascent of the bound.

    ``L(λ, μ) = sum_t min(λ_t, v_t) - μ C + sum of the at most B smallest of min(0, ρ_g)`` with reduced costs
    ``ρ_g = μ c_g + sum_{t ∈ g} min(0, e_gt - λ_t)`` and v what each task costs already. Its maximum is the bound of the
    linear relaxation.

    Args:
        rows: To choose from, one or more.
        covered: v, shape ``(T,)``.
        room: B and C that are left.
        prices: First λ, shape ``(T,)``.
        price: First μ.
        target: A total that is known to be reached; the ascent ends where the bound comes up to it.
        steps: At most.
        length: First step length, in units of Polyak's ``(target - L) / |gradient|^2``.
        look: Told each step and the rows it takes; returns the target from then on.
    """
    binds = np.isfinite(room.budget)
    best = Relaxed(-np.inf, prices, price, np.zeros(len(rows)), np.zeros(0, dtype=np.int64))
    stalled = 0
    for step in range(steps):
        found, slope, of_budget = _evaluate(rows, covered, room, prices, price, binds)
        stalled = 0 if found.bound > best.bound + 1e-4 * max(0.0, target - best.bound) else stalled + 1
        best = found if found.bound > best.bound else best
        if look is not None:
            target = look(step, found.chosen)
        steepness = float(slope @ slope) + of_budget**2
        if best.bound >= target or steepness == 0 or length < 0.02:
            break
        if stalled >= PATIENCE:
            length, stalled, prices, price = length / 2, 0, best.prices, best.price
            continue
        move = length * (target - found.bound) / steepness
        prices, price = prices + move * slope, max(0.0, price + move * of_budget)
    return best


def _evaluate(
    rows: Candidates, covered: Array, room: Room, prices: Array, price: float, binds: bool
) -> tuple[Relaxed, Array, float]:
    """The bound at some prices, and its slope in λ and μ."""
    savings = np.minimum(rows.error - prices[rows.task], 0.0)
    reduced = rows.sums(savings)
    if binds:
        reduced = reduced + price * rows.cost
    top = np.arange(len(rows))
    if room.networks < len(rows):
        top = np.argpartition(reduced, room.networks)[: room.networks]
    top = top[reduced[top] < 0]
    taken = np.zeros(len(rows), dtype=bool)
    taken[top] = True
    bound = np.minimum(prices, covered).sum() + reduced[top].sum() - (price * room.budget if binds else 0.0)
    serving = taken[rows.row] & (savings < 0)
    served = np.bincount(rows.task[serving], minlength=len(prices)) + (covered < prices)
    of_budget = float(rows.cost[top].sum() - room.budget) if binds else 0.0
    if price == 0 and of_budget < 0:
        of_budget = 0.0
    slope: Array = 1.0 - served.astype(np.float64)
    return Relaxed(float(bound), prices, price, reduced, top), slope, of_budget
