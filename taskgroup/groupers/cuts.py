"""Average-linkage trees by the hundred, as plain arrays: their cuts, and sums over what their merges join."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from taskgroup.core.affinity import Array

Ints = NDArray[np.int_]


@dataclass(frozen=True)
class Cuts:
    """Average-linkage trees over the same T ≥ 2 tasks.

    Attributes:
        merges: Node numbers that each merge joins, as scipy numbers them, shape ``(B, T - 1, 2)``.
        heights: Of the merges, shape ``(B, T - 1)``.
    """

    merges: Ints
    heights: Array

    @classmethod
    def of(cls, similarity: Array) -> "Cuts":
        """Trees of the distances ``max(s) - s_ij`` over the pairs i ≠ j. O(B T²).

        Args:
            similarity: Symmetric, shape ``(B, T, T)``; the diagonal is not used.
        """
        first, second = np.triu_indices(similarity.shape[-1], 1)
        pairs = similarity[:, first, second]
        rows = np.stack([linkage(row, "average") for row in pairs.max(axis=1, keepdims=True) - pairs])
        return cls(rows[:, :, :2].astype(int), rows[:, :, 2])

    def __len__(self) -> int:
        return len(self.merges)

    @property
    def n_tasks(self) -> int:
        """Leaves of each tree."""
        return int(self.merges.shape[1]) + 1

    @cached_property
    def labels(self) -> Ints:
        """Cuts into k groups in row k - 1, shape ``(B, T, T)``; the numbers of the groups mean nothing."""
        n_tasks = self.n_tasks
        labels = np.empty((len(self), n_tasks, n_tasks), dtype=int)
        labels[:, -1] = current = np.broadcast_to(np.arange(n_tasks), (len(self), n_tasks))
        for k in range(n_tasks - 1):
            joined = (current[:, :, None] == self.merges[:, k, None, :]).any(axis=2)
            labels[:, n_tasks - 2 - k] = current = np.where(joined, n_tasks + k, current)
        return labels

    def together(self, n_groups: int) -> NDArray[np.bool_]:
        """Which pairs of tasks are together in the cuts into ``n_groups`` groups, shape ``(B, T (T - 1) / 2)``."""
        return same_group(self.labels[:, n_groups - 1])

    @cached_property
    def _trees(self) -> Ints:
        return np.arange(len(self))

    @cached_property
    def _blocks(self) -> tuple[Ints, Ints, Ints]:
        """Leaves in drawing order, shape ``(B, T)``, and where those of every node begin and end there."""
        n_tasks, trees = self.n_tasks, self._trees
        sizes = np.ones((len(self), 2 * n_tasks - 1), dtype=int)
        starts = np.zeros_like(sizes)
        for k in range(n_tasks - 1):
            a, b = self.merges[:, k].T
            sizes[:, n_tasks + k] = sizes[trees, a] + sizes[trees, b]
        for k in range(n_tasks - 2, -1, -1):
            a, b = self.merges[:, k].T
            starts[trees, a] = starts[:, n_tasks + k]
            starts[trees, b] = starts[trees, a] + sizes[trees, a]
        return np.argsort(starts[:, :n_tasks], axis=1), starts, starts + sizes

    def across(self, matrices: Array) -> Array:
        """``Σ x_ij`` over i on one side and j on the other side of each merge, shape ``(B, T - 1, C)``. O(B T² C).

        Args:
            matrices: Symmetric in the middle axes, shape ``(B, T, T, C)``.
        """
        order, starts, ends = self._blocks
        n_tasks, trees = self.n_tasks, self._trees[:, None]
        table = np.zeros((len(self), n_tasks + 1, n_tasks + 1, matrices.shape[-1]))
        ordered = matrices[trees[:, :, None], order[:, :, None], order[:, None, :]]
        table[:, 1:, 1:] = ordered.cumsum(axis=1).cumsum(axis=2)
        a, b = self.merges[:, :, 0], self.merges[:, :, 1]
        (a0, a1), (b0, b1) = ((starts[trees, side], ends[trees, side]) for side in (a, b))
        return np.asarray(table[trees, a1, b1] - table[trees, a0, b1] - table[trees, a1, b0] + table[trees, a0, b0])

    def inside(self, across: Array) -> Array:
        """Sums over the pairs within either side of each merge, from the sums :meth:`across`, of the same shape."""
        n_tasks, trees = self.n_tasks, self._trees
        total = np.zeros((len(self), 2 * n_tasks - 1, across.shape[-1]))
        for k in range(n_tasks - 1):
            a, b = self.merges[:, k].T
            total[:, n_tasks + k] = total[trees, a] + total[trees, b] + across[:, k]
        return np.asarray(total[:, n_tasks:] - across)


def same_group(labels: Sequence[int] | Sequence[Sequence[int]] | Ints) -> NDArray[np.bool_]:
    """Which pairs of tasks have the same label, in the order of numpy's ``triu_indices``; labels in the last axis."""
    rows = np.asarray(labels)
    first, second = np.triu_indices(rows.shape[-1], 1)
    return np.asarray(rows[..., first] == rows[..., second])
