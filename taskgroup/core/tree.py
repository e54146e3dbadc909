"""Merge tree: a binary tree over the tasks, and the topologies that follow from cutting it stage by stage."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from taskgroup.core.grouping import Grouping
from taskgroup.core.task import Frozen
from taskgroup.core.topology import Topology


class MergeTree(Frozen):
    """A binary tree over the tasks, as scipy writes it.

    Attributes:
        tasks: Leaves, shape ``(T,)``.
        merges: ``T - 1`` pairs of node numbers, leaves first; merge ``k`` creates node ``T + k``; the last is the root.
        heights: Height of each merge, not decreasing, shape ``(T - 1,)``; only for the dendrogram.
    """

    tasks: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    heights: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        n = len(self.tasks)
        if not len(self.merges) == len(self.heights) == n - 1:
            raise ValueError(f"a merge tree over {n} tasks needs {n - 1} merges and heights, found {len(self.merges)}")
        used = sorted(node for merge in self.merges for node in merge)
        later = any(max(merge) >= n + k for k, merge in enumerate(self.merges))
        if used != list(range(2 * n - 2)) or later:
            raise ValueError("a merge tree should use every node but the root exactly once, each after it was made")
        if not (np.isfinite(self.heights).all() and list(self.heights) == sorted(self.heights)):
            raise ValueError(f"heights of a merge tree should be finite and not decrease, found {list(self.heights)}")
        return self

    @classmethod
    def from_linkage(cls, tasks: Sequence[str], linkage: NDArray[np.float64]) -> "MergeTree":
        """Tree from a scipy linkage matrix, shape ``(T - 1, 4)``."""
        merges = tuple((int(min(a, b)), int(max(a, b))) for a, b in linkage[:, :2])
        return cls(tasks=tuple(tasks), merges=merges, heights=tuple(float(h) for h in linkage[:, 2]))

    def linkage(self) -> NDArray[np.float64]:
        """The tree as a scipy linkage matrix, shape ``(T - 1, 4)``: both children, height, number of leaves."""
        rows = [
            (a, b, h, len(self.leaves(len(self.tasks) + k)))
            for k, ((a, b), h) in enumerate(zip(self.merges, self.heights, strict=True))
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def leaves(self, node: int) -> tuple[int, ...]:
        """Task indices below ``node``, ascending."""
        return self._leaves[node]

    @cached_property
    def _leaves(self) -> list[tuple[int, ...]]:
        below: list[tuple[int, ...]] = [(i,) for i in range(len(self.tasks))]
        for a, b in self.merges:
            below.append(tuple(sorted(below[a] + below[b])))
        return below

    def _grouping(self, kept: Sequence[bool]) -> Grouping:
        labels = list(range(len(self.tasks)))
        for k, keep in enumerate(kept):
            if keep:  # children come first, so the topmost kept merge decides
                members = self.leaves(len(self.tasks) + k)
                for i in members:
                    labels[i] = members[0]
        return Grouping(tasks=self.tasks, labels=tuple(labels))

    def cut(self, n_groups: int) -> Grouping:
        """The partition into ``n_groups`` groups, 1 to T: the first ``T - n_groups`` merges are kept."""
        if not 1 <= n_groups <= len(self.tasks):
            raise ValueError(f"`n_groups` should be 1 to {len(self.tasks)}, found {n_groups}")
        return self._grouping([k < len(self.tasks) - n_groups for k in range(len(self.merges))])

    def topology(self, stages: Sequence[str], splits: Sequence[int]) -> Topology:
        """The topology in which merge ``k`` comes apart before stage ``splits[k]``.

        ``splits[k]`` counts the leading stages that both sides of merge ``k`` share: 0 apart from the input on,
        ``len(stages)`` never apart. A merge cannot come apart earlier than the one above it: as long as a merge is kept
        all its leaves are together, whatever the merges below say. So every sequence is valid.

        Args:
            stages: Stage names, shape ``(S,)``.
            splits: One integer from 0 to S per merge, shape ``(T - 1,)``.

        Raises:
            ValueError: If there is not one split a merge.
        """
        if len(splits) != len(self.merges):
            raise ValueError(f"`splits` should hold one number a merge ({len(self.merges)}), found {len(splits)}")
        groupings = [self._grouping([split > s for split in splits]) for s in range(len(stages))]
        return Topology.from_groupings(stages, groupings)

    def splits_of(self, topology: Topology) -> tuple[int, ...] | None:
        """The ``splits`` that give ``topology``, or None where this tree cannot express it.

        It can where every merge whose sides share a copy has nothing but that copy below. Cost: ``O(T S)`` operations
        on integers of T bits.
        """
        if topology.tasks != self.tasks:
            return None
        below = [tuple(1 << row[i] for row in topology.matrix) for i in range(len(self.tasks))]  # copies, as sets
        splits = []
        for a, b in self.merges:
            shared = [bool(left & right) for left, right in zip(below[a], below[b], strict=True)]
            both = tuple(left | right for left, right in zip(below[a], below[b], strict=True))
            if any(one and copies.bit_count() > 1 for one, copies in zip(shared, both, strict=True)):
                return None
            below.append(both)
            splits.append(sum(shared))
        return tuple(splits)
