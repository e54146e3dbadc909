"""Blocks of tasks that stay together, and the search for partitions of the blocks that keep every rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Array
from taskgroup.groupers.pairs import DECIMALS

EXACT = 10
"""Up to so many blocks the search for an admissible partition sees every one of them."""

NODES = 20_000
"""Placements that the search may try with more blocks."""

Labels = tuple[int, ...]


class Undecided(Exception):  # noqa: N818 - no error of the user's, and never shown
    """The search gave up before it had seen every partition."""


@dataclass(frozen=True)
class Blocks:
    """What a partition of blocks has to keep.

    Attributes:
        sizes: Tasks in each block, shape ``(B,)``.
        apart: Which two blocks may not be together; symmetric, shape ``(B, B)``.
        max_size: Most tasks in a group.
    """

    sizes: tuple[int, ...]
    apart: NDArray[np.bool_]
    max_size: int

    def placed(self, benefit: Array, wish: Sequence[int], n_groups: int) -> Labels | None:
        """The first partition into exactly ``n_groups`` that keeps the rules, in the order of a depth-first search.

        Blocks are placed in order of falling size, then of falling number of blocks they may not meet, then as listed:
        each first with those of the same wish, then where its mean benefit is highest, then in a group of its own, and
        otherwise where that leads nowhere. A greedy search, made complete by going back.

        Args:
            benefit: Worth of two blocks being together, symmetric, shape ``(B, B)``.
            wish: Group that each block would be in, shape ``(B,)``.
            n_groups: Exact number of groups.

        Returns:
            Labels of shape ``(B,)``, None where there is no such partition.

        Raises:
            Undecided: After ``NODES`` placements of more than ``EXACT`` blocks.
        """
        n_blocks = len(self.sizes)
        order = sorted(range(n_blocks), key=lambda b: (-self.sizes[b], -int(self.apart[b].sum()), b))
        groups: list[list[int]] = []
        trail: list[int] = []
        choices = [self._choices(order[0], groups, benefit, wish, n_groups)]
        n_seen = 0
        while choices:
            k = next(choices[-1], None)
            if k is None:
                choices.pop()
            else:
                n_seen += 1
                if n_seen > NODES and n_blocks > EXACT:
                    raise Undecided
                groups[k:] = groups[k:] or [[]]
                groups[k].append(order[len(trail)])
                trail.append(k)
                if len(trail) < n_blocks:
                    choices.append(self._choices(order[len(trail)], groups, benefit, wish, n_groups))
                    continue
                if len(groups) == n_groups:
                    return _labels(groups, n_blocks)
            if trail:
                _undo(groups, trail.pop())
        return None

    def _choices(
        self, block: int, groups: list[list[int]], benefit: Array, wish: Sequence[int], n_groups: int
    ) -> Iterator[int]:
        """Groups that may take the block, the likeliest first; the number after the last stands for a new one."""
        n_left = len(self.sizes) - sum(map(len, groups))
        new = [len(groups)] if len(groups) < n_groups else []
        fits = [
            k
            for k, group in enumerate(groups)
            if not self.apart[block, group].any()
            and sum(self.sizes[b] for b in group) + self.sizes[block] <= self.max_size
        ]
        if n_left <= n_groups - len(groups):  # each of those left has to open a group
            return iter(new if n_left == n_groups - len(groups) else [])
        home = [k for k, group in enumerate(groups) if wish[group[0]] == wish[block]]
        by_benefit = sorted(fits, key=lambda k: -round(float(benefit[block, groups[k]].mean()), DECIMALS))
        inside = [k for k in by_benefit if k in home]
        outside = [k for k in by_benefit if k not in home]
        return iter([*inside, *outside, *new] if home else [*new, *outside])

    def improved(self, benefit: Array, labels: Sequence[int]) -> Labels:
        """Moves of a block and swaps of two, the best first, while one raises ``Σ_{a<b together} benefit_ab``.

        The rules are kept, and so is the number of groups. Of equal steps moves come before swaps, then the first in
        order of blocks. O(B²) time and memory a step.
        """
        pairs = benefit - np.diag(np.diag(benefit))
        at = np.array(labels, dtype=np.intp)
        while self._moved(pairs, at) or self._swapped(pairs, at):
            pass
        return tuple(int(label) for label in at)

    def _moved(self, pairs: Array, at: NDArray[np.intp]) -> bool:
        blocks, members = np.arange(len(at)), at[:, None] == np.arange(at.max() + 1)
        sizes = np.array(self.sizes)
        links = pairs @ members
        gains = np.round(links - links[blocks, at][:, None], DECIMALS)
        barred = (self.apart @ members > 0) | (sizes @ members + sizes[:, None] > self.max_size)
        barred |= (members.sum(axis=0)[at] == 1)[:, None]  # the last of its group stays
        gains[barred] = 0.0
        block, group = np.unravel_index(np.argmax(gains), gains.shape)
        if gains[block, group] <= 0:
            return False
        at[block] = group
        return True

    def _swapped(self, pairs: Array, at: NDArray[np.intp]) -> bool:
        blocks, members = np.arange(len(at)), at[:, None] == np.arange(at.max() + 1)
        sizes = np.array(self.sizes)
        links = pairs @ members
        toward = links[:, at] - links[blocks, at][:, None] - pairs  # block a in the place of b
        gains = np.round(np.triu(toward + toward.T, 1), DECIMALS)
        blocked = (self.apart.astype(int) @ members)[:, at] - self.apart > 0
        overfull = (sizes @ members)[at][None, :] - sizes[None, :] + sizes[:, None] > self.max_size
        gains[blocked | blocked.T | overfull | overfull.T | (at[:, None] == at)] = 0.0
        one, other = np.unravel_index(np.argmax(gains), gains.shape)
        if gains[one, other] <= 0:
            return False
        at[one], at[other] = at[other], at[one]
        return True


def resized(benefit: Array, labels: Sequence[int], n_groups: int) -> Labels:
    """The partition brought to ``n_groups`` groups.

    Step by step the two most similar groups are merged, or the block least similar to its group is set apart.
    Similarity of groups and of a block to its group is the mean benefit; of equal ones the first is taken.

    Args:
        benefit: Symmetric, shape ``(B, B)``; the diagonal is not used.
        labels: Shape ``(B,)``.
        n_groups: From 1 to B.
    """
    pairs = benefit - np.diag(np.diag(benefit))
    at = np.unique(np.array(labels), return_inverse=True)[1]
    while (n_now := int(at.max()) + 1) != n_groups:
        members = np.asarray(at[:, None] == np.arange(n_now), dtype=np.float64)
        counts = members.sum(axis=0)
        if n_now > n_groups:
            means = np.round(members.T @ pairs @ members / np.outer(counts, counts), DECIMALS)
            means[np.tril_indices(n_now)] = -np.inf
            one, other = np.unravel_index(np.argmax(means), means.shape)
            at[at == other] = one
            at = np.unique(at, return_inverse=True)[1]
        else:
            inside = (pairs @ members)[np.arange(len(at)), at]
            means = np.where(counts[at] > 1, np.round(inside / np.maximum(counts[at] - 1, 1), DECIMALS), np.inf)
            at[np.argmin(means)] = n_now
    return tuple(int(label) for label in at)


def _undo(groups: list[list[int]], k: int) -> None:
    groups[k].pop()
    if not groups[k]:
        groups.pop()


def _labels(groups: list[list[int]], n_blocks: int) -> Labels:
    label = {b: k for k, group in enumerate(groups) for b in group}
    return tuple(label[b] for b in range(n_blocks))
