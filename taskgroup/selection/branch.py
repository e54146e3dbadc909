"""Branch and bound: proves a cover optimal, or says in time how far from the optimum it may be."""

from dataclasses import dataclass, field, replace
from time import monotonic

import numpy as np

from taskgroup.core.cover import Array
from taskgroup.selection.limits import Room
from taskgroup.selection.relaxation import Relaxed, relax
from taskgroup.selection.rows import Candidates, undominated

PAIRWISE = 400
"""Two networks of so many rows are tried out in full."""


@dataclass(frozen=True)
class Node:
    """A part of the search: covers of the rows ``taken`` and some of ``rows``.

    Attributes:
        rows: Rows that may still be taken; only entries that improve on ``covered``.
        covered: Least error of each task in the taken rows, shape ``(T,)``.
        room: What the limits leave.
        taken: Numbers of the taken rows.
        prices: Multipliers to start from, shape ``(T,)``.
        price: Multiplier of the budget to start from.
        bound: No cover of this part has a smaller total.
    """

    rows: Candidates
    covered: Array
    room: Room
    taken: tuple[int, ...]
    prices: Array
    price: float
    bound: float


@dataclass
class Incumbent:
    """The best cover so far.

    Attributes:
        total: Its total.
        taken: Numbers of its rows.
        tolerance: Totals that differ by less are equal.
    """

    total: float
    taken: tuple[int, ...]
    tolerance: float

    @property
    def target(self) -> float:
        """What a bound must come up to for a part to be left."""
        return self.total - self.tolerance

    def offer(self, total: float, taken: tuple[int, ...]) -> None:
        """Keep this cover if it is better."""
        if total < self.target:
            self.total, self.taken = total, taken


@dataclass
class Search:
    """Depth-first search of a tree: a row is in, or it is out.

    Attributes:
        best: The incumbent, which it lowers.
        deadline: Of ``time.monotonic``.
        visited: Nodes so far.
    """

    best: Incumbent
    deadline: float
    visited: int = 0
    stack: list[Node] = field(default_factory=list)

    def run(self, root: Node) -> float:
        """Search below ``root``; returns the bound, which is the incumbent's total once all is searched."""
        self.stack = [root]
        while self.stack:
            if monotonic() > self.deadline:
                return min(self.best.total, *(node.bound for node in self.stack))
            self._visit(self.stack.pop())
        return self.best.total

    def _visit(self, node: Node) -> None:
        self.visited += 1
        rows = node.rows.below(node.covered, node.room)
        self.best.offer(float(node.covered.sum()), node.taken)
        if not len(rows) or node.room.networks == 0 or node.bound >= self.best.target:
            return
        node = replace(node, rows=rows, room=node.room.within(rows.cost))
        if node.room.networks == 1:
            self._last_one(node)
        elif node.room.networks == 2 and len(rows) <= PAIRWISE:
            self._last_two(node)
        else:
            self._branch(node)

    def _last_one(self, node: Node) -> None:
        totals = node.covered.sum() + node.rows.sums(node.rows.error - node.covered[node.rows.task])
        at = int(totals.argmin())
        self.best.offer(float(totals[at]), (*node.taken, int(node.rows.number[at])))

    def _last_two(self, node: Node) -> None:
        rows, errors = node.rows, node.rows.dense(node.covered)
        for first in range(len(rows)):
            totals = np.minimum(errors[first], errors[first:]).sum(axis=1)
            totals[1:][rows.cost[first] + rows.cost[first + 1 :] > node.room.budget] = np.inf
            second = int(totals.argmin())
            pair = dict.fromkeys((int(rows.number[first]), int(rows.number[first + second])))
            self.best.offer(float(totals[second]), (*node.taken, *pair))

    def _branch(self, node: Node) -> None:
        """Rule rows out as far as the bound allows, then take the one of least reduced cost or leave it."""
        relaxed: Relaxed | None = None
        while relaxed is None:
            relaxed = relax(
                node.rows, node.covered, node.room, np.minimum(node.prices, node.covered), node.price,
                self.best.target, steps=40,
            )  # fmt: skip
            if relaxed.bound >= self.best.target:
                return
            self._try(node, relaxed)
            possible = relaxed.possible(node.room, self.best.target)
            few = possible.sum() < 0.8 * len(possible)
            node = replace(
                node,
                rows=node.rows.only(possible),
                prices=relaxed.prices,
                price=relaxed.price,
                bound=max(node.bound, relaxed.bound),
            )
            if not len(node.rows):
                return
            if few:
                relaxed = None
            else:
                self._split(node, int(relaxed.reduced[possible].argmin()))

    def _try(self, node: Node, relaxed: Relaxed) -> None:
        """The relaxation's own choice, where it keeps to the limits."""
        rows = relaxed.chosen
        if node.rows.cost[rows].sum() <= node.room.budget:
            chosen = node.rows.only(np.isin(np.arange(len(node.rows)), rows))
            covered = chosen.dense(node.covered).min(axis=0, initial=np.inf)
            total = float(np.minimum(covered, node.covered).sum())
            self.best.offer(total, (*node.taken, *(int(n) for n in chosen.number)))

    def _split(self, node: Node, at: int) -> None:
        rows = node.rows
        number, cost = int(rows.number[at]), float(rows.cost[at])
        own = rows.row == at
        covered = node.covered.copy()
        covered[rows.task[own]] = rows.error[own]
        others = np.arange(len(rows)) != at
        without = rows.only(others)
        self.stack.append(replace(node, rows=without))
        room = node.room.less(cost)
        within = undominated(without.below(covered, room), bool(np.isfinite(room.budget)))
        self.stack.append(replace(node, rows=within, covered=covered, room=room, taken=(*node.taken, number)))
