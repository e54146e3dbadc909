"""Affinities and group scores with known groups, of any number of tasks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.cover import GroupScores

MOST_GROUPS = 8
ALL_SUBSETS = 10
"""Up to so many tasks every group is a candidate."""


@dataclass(frozen=True)
class Planted:
    """Tasks in known groups of about equal size.

    Attributes:
        labels: Number of each task's group, shape ``(n,)``; the tasks stand in random order.
        rng: Of everything drawn later.
    """

    labels: NDArray[np.int_]
    rng: np.random.Generator

    @classmethod
    def of(cls, n_tasks: int, seed: int) -> "Planted":
        """A third as many groups as tasks, two at least and eight at most."""
        rng = np.random.default_rng(seed)
        n_groups = min(MOST_GROUPS, max(2, n_tasks // 3))
        return cls(rng.permutation(np.arange(n_tasks) % n_groups), rng)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names."""
        return tuple(f"task{k}" for k in range(len(self.labels)))

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.labels.max()) + 1

    def affinity(self, noise: float) -> Affinity:
        """1 within a group and 0 across, plus a constant for each target and Gaussian noise."""
        n = len(self.labels)
        values = (self.labels[:, None] == self.labels).astype(np.float64)
        values = values + 3.0 * self.rng.standard_normal(n) + noise * self.rng.standard_normal((n, n))
        counts = np.ones((1, n, n), dtype=np.int64)
        return Affinity(self.tasks, (TRUNK,), values[None], np.full((1, n, n), noise), counts)

    def scores(self, n_candidates: int, noise: float) -> GroupScores:
        """Errors of candidates, in which a task gains from its own group and loses by strangers.

        ``err_t(g) = 1 - 0.4 (share of t's other group members in g) + 0.4 (share of strangers among g) + noise``.
        Candidates are all subsets of a few tasks; of more tasks all together, singles, the planted groups, and
        variations of these with members taken away and strangers added.
        """
        members = self._candidates(n_candidates)
        same = self.labels[:, None] == self.labels
        mates = members @ same - 1.0
        sizes = members.sum(axis=1, keepdims=True)
        gain = mates / np.maximum(same.sum(axis=0) - 1, 1)
        errors = 1.0 - 0.4 * gain + 0.4 * (sizes - 1 - mates) / sizes + noise * self.rng.standard_normal(members.shape)
        inside = members > 0
        return GroupScores(self.tasks, inside, np.where(inside, errors, np.nan), np.ones(len(members)))

    def _candidates(self, n_candidates: int) -> NDArray[np.float64]:
        n = len(self.labels)
        if n <= ALL_SUBSETS:
            return np.array([[k >> t & 1 for t in range(n)] for k in range(1, 1 << n)], dtype=np.float64)
        groups = self.labels == np.arange(self.n_groups)[:, None]
        first = np.concatenate([np.ones((1, n), dtype=bool), np.eye(n, dtype=bool), groups])
        started = groups[self.rng.integers(len(groups), size=n_candidates)]
        flips = self.rng.random(started.shape)
        keep, add = self.rng.uniform(0.5, 1, (n_candidates, 1)), self.rng.uniform(0, 0.3, (n_candidates, 1))
        varied = np.where(started, flips < keep, flips < add)
        every = np.unique(np.concatenate([first, varied[varied.any(axis=1)]]), axis=0)
        return every.astype(np.float64)
