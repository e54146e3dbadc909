"""What the groupers look at: one similarity for each pair of tasks, and the way back to groupings and trees."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.grouping import Grouping
from taskgroup.core.tree import MergeTree

DECIMALS = 9
"""Similarities that differ by less than this many decimals (in units of their spread) are ties."""


def source_name(method: str, how: Symmetrization, *options: str) -> str:
    """Source of a proposal, e.g. ``hierarchical(average, centred-min)``; the usual symmetrization is not named."""
    shown = [*options, *([] if how == "centred-mean" else [how])]
    return f"{method}({', '.join(shown)})" if shown else method


@dataclass(frozen=True)
class Pairs:
    """Similarities of all pairs, with the tasks in name order.

    The name order is what decides ties, so that permuting the tasks permutes every answer exactly (renaming them may
    decide a tie differently); the rounding keeps ties when the affinities are scaled or shifted.

    Attributes:
        tasks: Task names in the affinity's order, shape ``(T,)``.
        order: Position in ``tasks`` of the r-th task by name, shape ``(T,)``.
        similarity: ``Affinity.similarity`` rounded to ``DECIMALS``, rows and columns in name order, shape ``(T, T)``.
        notes: What is missing in the evidence, in words.
    """

    tasks: tuple[str, ...]
    order: tuple[int, ...]
    similarity: Array
    notes: tuple[str, ...]

    @classmethod
    def of(cls, affinity: Affinity, stage: str = TRUNK, how: Symmetrization = "centred-mean") -> "Pairs":
        """The pairs of one stage, under the symmetrization ``how``.

        Raises:
            InputError: If the affinity has no such stage.
        """
        tasks = affinity.tasks
        by_name = affinity.reordered(sorted(tasks))  # before any sum, so that round-off does not depend on the order
        similarity = np.round(by_name.similarity(stage, how), DECIMALS) + 0.0  # no negative zeros
        order = tuple(tasks.index(name) for name in by_name.tasks)
        pairs = cls(tasks, order, similarity, ())
        return cls(tasks, order, similarity, (*_unknown(affinity.slice(stage), stage), *_no_evidence(pairs, stage)))

    @property
    def separates(self) -> bool:
        """Whether any two pairs of tasks differ in similarity; if not, no grouping is better than another."""
        values = self.similarity[np.triu_indices(len(self.tasks), 1)]
        return values.size > 0 and float(np.ptp(values)) > 0

    def distances(self) -> Array:
        """``d_ij = max(s) - s_ij`` over the pairs i ≠ j, 0 on the diagonal; shape ``(T, T)``, in name order.

        Symmetric and not negative; the most similar pair has distance 0. The unit is the affinity's spread.
        """
        top = self.similarity[np.triu_indices(len(self.tasks), 1)].max(initial=-np.inf)
        distances: Array = top - self.similarity
        np.fill_diagonal(distances, 0.0)
        return distances

    def sweep(self, max_groups: int | None) -> range:
        """Numbers of groups to try: 2 to T - 1, at most ``max_groups``; none where nothing separates groups."""
        last = len(self.tasks) - 1
        if max_groups is not None:
            last = min(last, max_groups)
        return range(2, last + 1) if self.separates else range(0)

    def grouping(self, labels: Iterable[int]) -> Grouping:
        """The grouping with these labels, given in name order."""
        label = dict(zip(self.order, labels, strict=True))
        return Grouping(tasks=self.tasks, labels=tuple(int(label[i]) for i in range(len(self.tasks))))

    def tree(self, merges: Sequence[tuple[int, int]], heights: Sequence[float]) -> MergeTree:
        """The merge tree with these merges, whose leaves are numbered in name order."""
        node = (*self.order, *range(len(self.tasks), 2 * len(self.tasks) - 1))
        there = tuple((min(node[a], node[b]), max(node[a], node[b])) for a, b in merges)
        return MergeTree(tasks=self.tasks, merges=there, heights=tuple(float(h) for h in heights))


def _unknown(matrix: Array, stage: str) -> list[str]:
    missing = np.isnan(matrix) & ~np.eye(len(matrix), dtype=bool)
    if not missing.any():
        return []
    n_pairs = int((missing & missing.T).sum()) // 2
    return [
        f"{missing.sum()} of {missing.size - len(matrix)} affinities at `{stage}` are unknown; pairs of tasks unknown "
        f"in both directions, which count as neutral (similarity 0): {n_pairs}"
    ]


def _no_evidence(pairs: Pairs, stage: str) -> list[str]:
    n_tasks = len(pairs.tasks)
    if pairs.separates:
        return []
    if n_tasks == 1:
        return ["one task: there is nothing to group"]
    if n_tasks == 2:
        return ["two tasks: with a single source for each target, the evidence does not separate groups"]
    return [f"the evidence at `{stage}` does not separate groups: all pairs of tasks are equally similar"]
