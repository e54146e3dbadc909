"""Sets of tasks as bit masks (bit t stands for task t), and the plans by which arrays over them are worked through."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.cover import Array

Masks = NDArray[np.int64]
Rows = NDArray[np.bool_]

CHUNK = 1 << 16
"""Numbers worked on at once: about the size of a processor's cache."""
BLOCK = 1 << 22
"""Served sets in a block of rows: bounds the memory of a plan."""


def subsets(mask: int) -> Masks:
    """All subsets of a set of tasks, ascending, so the empty one first; shape ``(2^n,)``."""
    found = np.zeros(1, dtype=np.int64)
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            found = np.concatenate([found, found + (1 << bit)])
    return found


@dataclass(frozen=True)
class Pairs:
    """All pairs (set, subset of it) over n tasks, by set.

    Attributes:
        subset: Shape ``(3^n,)``.
        rest: The set less its subset, same shape.
        starts: Where the subsets of a set begin, and the end, shape ``(2^n + 1,)``: those over fewer tasks come first.
    """

    subset: Masks
    rest: Masks
    starts: Masks

    def chunks(self, n_sets: int, width: int) -> Iterator[tuple[int, int]]:
        """Ranges of sets below ``n_sets`` whose pairs hold about ``CHUNK / width`` entries."""
        first = 0
        while first < n_sets:
            limit = self.starts[first] + max(1, CHUNK // width)
            last = max(first + 1, int(np.searchsorted(self.starts, limit, side="right")) - 1)
            yield first, min(last, n_sets)
            first = last


@lru_cache(maxsize=4)
def pairs(n_tasks: int) -> Pairs:
    """The pairs over ``n_tasks`` tasks."""
    full, subset = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for bit in range(n_tasks):
        high = np.int64(1 << bit)
        full = np.concatenate([full, full + high, full + high])
        subset = np.concatenate([subset, subset, subset + high])
    order = np.argsort(full, kind="stable")
    full, subset = full[order], subset[order]
    return Pairs(subset, full - subset, np.searchsorted(full, np.arange((1 << n_tasks) + 1)))


@dataclass(frozen=True)
class RowsOfOneSize:
    """The sets that some rows, all of n tasks, can serve.

    Attributes:
        rows: Their numbers, shape ``(R,)``.
        tasks: The tasks of each, shape ``(R, n)``.
        order: Sorts the ``R 2^n`` pairs (row, subset) by their set.
        starts: Where each set begins in that order.
        sets: Bit mask of each set that occurs, same shape as ``starts``.
    """

    rows: Masks
    tasks: Masks
    order: Masks
    starts: Masks
    sets: Masks

    def lower(self, minima: Array, errors: Array) -> None:
        """Lower ``minima``, shape ``(B, 2^T)``, to what these rows reach; ``errors`` have shape ``(B, G, T)``."""
        own = errors[:, self.rows[:, None], self.tasks]
        sums = np.zeros((*own.shape[:2], 1))
        for at in range(own.shape[2]):
            sums = np.concatenate([sums, sums + own[:, :, at : at + 1]], axis=2)
        reached = np.minimum.reduceat(sums.reshape(len(sums), -1)[:, self.order], self.starts, axis=1)
        minima[:, self.sets] = np.minimum(minima[:, self.sets], reached)


@lru_cache(maxsize=8)
def rows_by_size(members: bytes, n_tasks: int) -> tuple[RowsOfOneSize, ...]:
    """Plan for the rows of ``members`` (its bytes, row by row), in blocks of bounded size."""
    inside = np.frombuffer(members, dtype=np.bool_).reshape(-1, n_tasks)
    sizes = inside.sum(axis=1)
    found = []
    for size in np.unique(sizes[sizes > 0]):
        rows = np.flatnonzero(sizes == size)
        step = max(1, BLOCK >> int(size))
        found += [_block(inside, rows[at : at + step], int(size)) for at in range(0, len(rows), step)]
    return tuple(found)


def _block(inside: Rows, rows: Masks, size: int) -> RowsOfOneSize:
    tasks = np.nonzero(inside[rows])[1].reshape(len(rows), size)
    masks = np.zeros((len(rows), 1), dtype=np.int64)
    for at in range(size):
        masks = np.concatenate([masks, masks + (1 << tasks[:, at : at + 1])], axis=1)
    flat = masks.reshape(-1)
    order = np.argsort(flat, kind="stable")
    sets, starts = np.unique(flat[order], return_index=True)
    return RowsOfOneSize(rows, tasks, order, starts, sets)
