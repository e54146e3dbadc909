"""Rows to choose from, held sparsely: only the tasks that a row serves better than what is chosen already."""

from dataclasses import dataclass

import numpy as np

from taskgroup.core.cover import Array, GroupScores
from taskgroup.selection.limits import Room, total_spread
from taskgroup.selection.sets import Masks, Rows


@dataclass(frozen=True)
class Candidates:
    """Rows with one or more entries (task, error) each.

    Attributes:
        number: The rows' numbers in the scores, shape ``(n,)``.
        cost: Of each row, shape ``(n,)``.
        start: Where each row's entries begin, shape ``(n,)``.
        row: Position of each entry's row, ascending, shape ``(nnz,)``.
        task: Task of each entry, shape ``(nnz,)``.
        error: Error of each entry, shape ``(nnz,)``.
        n_tasks: T.
    """

    number: Masks
    cost: Array
    start: Masks
    row: Masks
    task: Masks
    error: Array
    n_tasks: int

    def __len__(self) -> int:
        return len(self.number)

    def only(self, keep: Rows, entries: Rows | None = None) -> "Candidates":
        """The rows of ``keep``, shape ``(n,)``, and of them these entries; rows left without an entry go."""
        kept = keep[self.row] if entries is None else keep[self.row] & entries
        present = np.flatnonzero(np.bincount(self.row[kept], minlength=len(self)))
        place = np.zeros(len(self), dtype=np.int64)
        place[present] = np.arange(len(present))
        row = place[self.row[kept]]
        start = np.searchsorted(row, np.arange(len(present)))
        return Candidates(
            self.number[present], self.cost[present], start, row, self.task[kept], self.error[kept], self.n_tasks
        )

    def below(self, covered: Array, room: Room) -> "Candidates":
        """Those that serve some task better than ``covered``, shape ``(T,)``, and that the budget allows."""
        return self.only(self.cost <= room.budget, self.error < covered[self.task])

    def dense(self, outside: Array) -> Array:
        """Errors with ``outside``, shape ``(T,)``, where a row has no entry; shape ``(n, T)``."""
        errors = np.tile(outside, (len(self), 1))
        errors[self.row, self.task] = self.error
        return errors

    def sums(self, of_entries: Array) -> Array:
        """Sum over each row's entries, shape ``(n,)``."""
        return np.add.reduceat(of_entries, self.start) if len(self) else np.zeros(0)


def candidates(scores: GroupScores) -> Candidates:
    """Every row of the scores."""
    row, task = np.nonzero(scores.members)
    start = np.searchsorted(row, np.arange(len(scores.cost)))
    numbers = np.arange(len(scores.cost))
    return Candidates(numbers, scores.cost, start, row, task, scores.errors[row, task], len(scores.tasks))


def uncovered(scores: GroupScores) -> Array:
    """Errors that stand for "not served": so large that any full cover has a smaller total; shape ``(T,)``."""
    spread = total_spread(scores)
    worst: Array = np.nanmax(scores.errors, axis=0) + (2.0 * spread if spread > 0 else 1.0)
    return worst


def undominated(rows: Candidates, costs_bind: bool) -> Candidates:
    """Without the rows that another can replace: its entries hold all their tasks, nowhere worse, and it costs no more.

    Of equal rows the first stays. Cost: ``n^2 T`` for the comparison of the sets of tasks, by matrix product.
    """
    inside = np.zeros((len(rows), rows.n_tasks), dtype=np.float32)
    inside[rows.row, rows.task] = 1.0
    errors = rows.dense(np.full(rows.n_tasks, np.inf))
    sizes = inside.sum(axis=1)
    keep = np.ones(len(rows), dtype=bool)
    step = max(1, (1 << 22) // max(1, len(rows)))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        worse, better = np.nonzero(inside[part] @ inside.T == sizes[part, None])
        worse = worse + begin
        other = worse != better
        worse, better = worse[other], better[other]
        replaced = _replaced(errors, rows.cost, worse, better, costs_bind)
        keep[worse[replaced]] = False
    return rows.only(keep)


def _replaced(errors: Array, cost: Array, worse: Masks, better: Masks, costs_bind: bool) -> Rows:
    """Whether the row ``better`` can stand for ``worse``, for each pair; equals fall to the first."""
    found = np.zeros(len(worse), dtype=bool)
    step = max(1, (1 << 22) // errors.shape[1])
    for begin in range(0, len(worse), step):
        a, b = worse[begin : begin + step], better[begin : begin + step]
        no_worse = (errors[b] <= errors[a]).all(axis=1)
        same = (errors[b] == errors[a]).all(axis=1)
        if costs_bind:
            no_worse &= cost[b] <= cost[a]
            same &= cost[b] == cost[a]
        found[begin : begin + step] = no_worse & (~same | (b < a))
    return found
