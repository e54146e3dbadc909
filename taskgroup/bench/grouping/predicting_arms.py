"""Arms that predict the errors of groups they have not trained, and train those of the best covers predicted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from taskgroup.bench.grouping.arms import AllPairsArm, Arm, LeaveOneOutArm
from taskgroup.bench.grouping.covers import Array, Mask, good_rows
from taskgroup.core.cover import Group, GroupScores
from taskgroup.selection.pairwise import hoa

EPSILON = 0.1
"""Share of the linear arm's lists that are a random group."""
RIDGE = 1.0


class Predicting(Arm, ABC):
    """Trains the groups of the covers that are best by measured and predicted errors, then solves again."""

    def __init__(self, tasks: Sequence[str], groups: Sequence[Group], max_networks: int, seed: int) -> None:
        super().__init__(tasks, groups, max_networks, seed)
        self.members: Mask = np.array([[task in group for task in self.tasks] for group in self.groups])

    @abstractmethod
    def predicted(self, measured: Array) -> Array:
        """Errors of every group, from ``measured`` (NaN where unknown), both of shape ``(G, T)``."""
        ...

    def measured(self) -> Array:
        """Errors told so far, NaN where unknown, shape ``(G, T)``."""
        nothing: dict[str, float] = {}
        rows = [[self.told.get(group, nothing).get(task, np.nan) for task in self.tasks] for group in self.groups]
        return np.array(rows, dtype=np.float64)

    def best_predicted(self) -> list[Group]:
        """Groups of the covers with at most 1, 2, … networks that look best, those of few networks first."""
        measured = self.measured()
        errors = np.where(np.isnan(measured), self.predicted(measured), measured)
        usable = np.all(np.isfinite(errors) | ~self.members, axis=1)
        return [self.groups[row] for row in good_rows(errors, self.members, usable, self.max_networks)]


class LinearArm(Predicting):
    """All together and all but one; then, per task, ridge regression of its error on who else trains with it.

    ``err_t(g) = b_t + sum_{s ∈ g, s ≠ t} w_ts``, ``w`` shrunk by λ = 1 against the residuals' squares in units of their
    variance. One list in ten is a random group (epsilon-greedy).
    """

    def wishes(self) -> Sequence[Group]:
        """First the fixed groups, then the best predicted ones."""
        if not self.told:
            start = LeaveOneOutArm(self.tasks, self.groups, self.max_networks, int(self.rng.integers(2**31)))
            return start.leave_one_out() or self.shuffled(self.groups)[: len(self.tasks)]
        return () if self.rng.random() < EPSILON else self.best_predicted()

    def predicted(self, measured: Array) -> Array:
        """One regression a task."""
        found = np.full(measured.shape, np.nan)
        for task in range(len(self.tasks)):
            seen = ~np.isnan(measured[:, task])
            if seen.any():
                found[:, task] = _ridge(np.delete(self.members, task, axis=1), measured[:, task], seen)
        return np.where(self.members, found, np.nan)


def _ridge(inputs: Mask, errors: Array, seen: Mask) -> Array:
    """Predictions for all rows of ``inputs`` from those ``seen``."""
    means = inputs[seen].mean(axis=0)
    centred, values = inputs - means, errors[seen]
    rows = centred[seen]
    weights = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(rows.shape[1]), rows.T @ (values - values.mean()))
    return np.asarray(values.mean() + centred @ weights)


class HoaArm(Predicting, AllPairsArm):
    """All together, singles and pairs; then the groups of the best covers by HOA, solved again as they are measured.

    Source:
        Higher-order approximation: Standley et al. 2020, arXiv:1905.07553; here what was measured stands beside it.
    """

    def wishes(self) -> Sequence[Group]:
        """First the fixed groups, then the best predicted ones."""
        start = [group for group in self.pairs_first() if group not in self.told]
        return start or self.best_predicted()

    def predicted(self, measured: Array) -> Array:
        """HOA from the pairs told, see :func:`taskgroup.selection.pairwise.hoa`; nothing before every task is told."""
        told = ~np.isnan(measured).all(axis=1) & (self.members.sum(axis=1) <= 2)
        if not self.members[told].any(axis=0).all():
            return np.full(measured.shape, np.nan)
        known = GroupScores(self.tasks, self.members[told], measured[told], np.ones(int(told.sum())))
        return hoa(known, self.members, keep_measured=False).errors
