"""Good covers without proof: rows added, exchanged and dropped for as long as the total falls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from taskgroup.core.cover import Array
from taskgroup.selection.limits import Room
from taskgroup.selection.rows import Candidates
from taskgroup.selection.sets import Masks, Rows


@dataclass(frozen=True)
class LocalSearch:
    """Greedy additions and exchanges of one row for another.

    Attributes:
        rows: To choose from.
        covered: Errors that stand for "not served", shape ``(T,)``.
        room: The limits.
        tolerance: Gains below it are none.
    """

    rows: Candidates
    covered: Array
    room: Room
    tolerance: float

    @cached_property
    def errors(self) -> Array:
        """Shape ``(n, T)``."""
        return self.rows.dense(self.covered)

    def total(self, chosen: Sequence[int]) -> float:
        """Sum over the tasks of the least error among the chosen rows."""
        return float(np.minimum(self.errors[list(chosen)].min(axis=0, initial=np.inf), self.covered).sum())

    def improve(self, chosen: Sequence[int], barred: Sequence[int] = ()) -> list[int]:
        """The cover at which the best addition or exchange no longer helps.

        Cost: a step takes the sum of the groups' sizes, and n times the number of chosen rows.

        Args:
            chosen: Positions of rows to start from; those that no longer fit the limits are left out.
            barred: Positions of rows that may not enter.
        """
        current = self._affordable(chosen)
        open_rows = np.ones(len(self.rows), dtype=bool)
        open_rows[list(barred)] = False
        while True:
            nearest, first, second = self._two_best(current)
            current, nearest = self._used(current, nearest)
            gain, move = self._best_move(current, nearest, first, second, open_rows)
            if move is None or gain >= -self.tolerance:
                return current
            entering, leaving = move
            if leaving is not None:
                current.pop(leaving)
            current.append(entering)

    def elsewhere(self, chosen: Sequence[int], rng: np.random.Generator) -> list[int]:
        """Another cover near by: a random third of the rows is replaced by others, and only then all may enter."""
        n_out = min(len(chosen), 8, 1 + len(chosen) // 3)
        out = {int(at) for at in rng.choice(len(chosen), size=n_out, replace=False)}
        kept = [row for at, row in enumerate(chosen) if at not in out]
        return self.improve(self.improve(kept, barred=[chosen[at] for at in out]))

    def _affordable(self, chosen: Sequence[int]) -> list[int]:
        """Rows in order, as many as the limits allow."""
        current: list[int] = []
        cost = 0.0
        for row in dict.fromkeys(int(row) for row in chosen):
            if len(current) < self.room.networks and cost + self.rows.cost[row] <= self.room.budget:
                current.append(row)
                cost += float(self.rows.cost[row])
        return current

    def _two_best(self, chosen: list[int]) -> tuple[Masks, Array, Array]:
        """For each task the position of its row among the chosen (their number: none), its error, the next best."""
        errors = np.vstack([self.errors[chosen], self.covered, self.covered])
        nearest = errors.argmin(axis=0)
        tasks = np.arange(errors.shape[1])
        first = errors[nearest, tasks]
        errors[nearest, tasks] = np.inf
        return nearest, first, errors.min(axis=0)

    def _used(self, chosen: list[int], nearest: Masks) -> tuple[list[int], Masks]:
        """Without rows that serve nothing."""
        used = np.bincount(nearest, minlength=len(chosen) + 1)[: len(chosen)] > 0
        place = np.append(np.cumsum(used) - 1, used.sum())
        return [row for row, kept in zip(chosen, used, strict=True) if kept], place[nearest]

    def _best_move(
        self, chosen: list[int], nearest: Masks, first: Array, second: Array, open_rows: Rows
    ) -> tuple[float, tuple[int, int | None] | None]:
        """Change of the total, and (row that enters, position of the one that leaves or None)."""
        rows, n = self.rows, len(chosen)
        if not len(rows):
            return 0.0, None
        at, slack = rows.task, self.room.budget - float(rows.cost[chosen].sum())
        lower = np.minimum(rows.error, first[at])
        added = rows.sums(lower - first[at])
        best: tuple[float, tuple[int, int | None] | None] = (0.0, None)
        if n < self.room.networks:
            fits = (rows.cost <= slack) & open_rows
            worth = added / rows.cost if np.isfinite(slack) else added  # most for the money
            entering = int(np.where(fits, worth, np.inf).argmin())
            if fits[entering]:
                best = (float(added[entering]), (entering, None))
        if n:
            loss = np.bincount(nearest, second - first, minlength=n + 1)[:n]
            saved = lower + second[at] - first[at] - np.minimum(rows.error, second[at])
            by_pair = np.bincount(rows.row * (n + 1) + nearest[at], saved, minlength=len(rows) * (n + 1))
            change = added[:, None] + loss - by_pair.reshape(len(rows), n + 1)[:, :n]
            change[(rows.cost[:, None] - rows.cost[chosen] > slack) | ~open_rows[:, None]] = np.inf
            entering, leaving = divmod(int(change.argmin()), n)
            if change[entering, leaving] < best[0]:
                best = (float(change[entering, leaving]), (entering, leaving))
        return best
