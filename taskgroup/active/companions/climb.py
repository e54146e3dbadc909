"""Good topologies under drawn weights: tasks move to where they are best, copies merge and split."""

from collections.abc import Callable, Sequence

import numpy as np

from taskgroup.active.companions.draws import Weights
from taskgroup.active.companions.evidence import Array, Labels
from taskgroup.active.companions.moves import canonical, neighbours

ROUNDS = 4
"""Most rounds of a climb."""
NEIGHBOURS = 12
"""Topologies one step away that are tried in each round."""
STEPS = 12
"""Most steps of a climb within bounds."""
LEAST = 1e-15
"""Gains below this are rounding."""


class _Copies:
    """Sums over the tasks of every copy, of D topologies that are climbed side by side.

    Copies of a stage are numbered 0 … T - 1; a task that is nowhere has number T.
    """

    def __init__(self, weights: Sequence[Weights], labels: Labels) -> None:
        self.labels = labels.copy()
        self.shape = self.n, self.n_stages, self.n_tasks = labels.shape
        self.both = np.stack([w.pair + w.pair.swapaxes(1, 2) for w in weights])
        self.own = np.ones((4, *labels.shape))  # number, single, size; pairs follow
        self.own[1], self.own[2] = np.stack([w.single for w in weights]), np.stack([w.size for w in weights])
        self.power = np.array([w.power for w in weights])[:, None, None]
        self._offsets = np.arange(self.n * self.n_stages).reshape(self.n, self.n_stages, 1) * (self.n_tasks + 1)
        same = labels[..., :, None] == labels[..., None, :]
        self.own[3] = np.einsum("dstj,dstj->dst", same, self.both) / 2
        self.sums = np.stack([self._summed(per_task) for per_task in self.own])
        self.own[3] = 0.0

    def _summed(self, per_task: Array) -> Array:
        """Sums over the tasks of each copy, shape ``(D, S, T + 1)``."""
        n_copies = self.n * self.n_stages * (self.n_tasks + 1)
        found = np.bincount((self.labels + self._offsets).ravel(), per_task.ravel(), minlength=n_copies)
        return np.asarray(found.reshape(self.n, self.n_stages, -1), dtype=np.float64)

    def _worth(self, sums: Array) -> Array:
        number, single, size, pairs = sums
        shared = single + size * np.log(np.maximum(number, 1.0)) + pairs / np.maximum(number - 1.0, 1.0) ** self.power
        return np.where(number > 1.5, shared, 0.0)

    def _set(self, t: int, where: Labels, pairs: Array, sign: float) -> None:
        at = (np.arange(self.n)[:, None], np.arange(self.n_stages), where)
        added = self.own[..., t].copy()
        added[3] = pairs[at]
        self.sums[:, *at] += sign * added

    def move(self, t: int) -> None:
        """Take task ``t`` out and put it where it is best: along another's path down to some stage, then alone.

        Cost:
            ``O(D S T)``.
        """
        self._set(t, self.labels[:, :, t], self._summed(self.both[:, :, t]), -1.0)
        self.labels[:, :, t] = self.n_tasks
        pairs = self._summed(self.both[:, :, t])
        joined = self.sums + self.own[..., t, None]
        joined[3] += pairs
        where = self._best_path(t, self._worth(joined) - self._worth(self.sums))
        self.labels[:, :, t] = where
        self._set(t, where, pairs, 1.0)

    def _best_path(self, t: int, worth: Array) -> Labels:
        """Copies for task ``t``, shape ``(D, S)``, where joining a copy is ``worth`` so much."""
        stages, draws = np.arange(self.n_stages), np.arange(self.n)
        others = np.delete(np.arange(self.n_tasks), t)
        free = (self.sums[0] < 0.5).argmax(axis=2)
        if not len(others):
            return np.asarray(free)
        along = np.take_along_axis(worth, self.labels[:, :, others], axis=2).cumsum(axis=1).reshape(self.n, -1)
        best = along.argmax(axis=1)
        depth, whom = np.divmod(best, len(others))
        path = self.labels[draws[:, None], stages, others[whom][:, None]]
        shared = (stages <= depth[:, None]) & (along[draws, best] > LEAST)[:, None]
        return np.where(shared, path, free)


def climb(weights: Sequence[Weights], starts: Labels, rng: np.random.Generator) -> Labels:
    """Better topologies from given ones, one for each draw, shape ``(D, S, T)``.

    Rounds of: every task in turn to where it is best; then the best of some topologies one step away.
    """
    labels = canonical(starts)
    for _ in range(ROUNDS):
        copies = _Copies(weights, labels)
        for t in rng.permutation(labels.shape[2]).tolist():
            copies.move(t)
        before, labels = labels, canonical(copies.labels)
        for d, w in enumerate(weights):
            near = np.stack([labels[d], *neighbours(labels[d], w.pair, rng, NEIGHBOURS)])
            labels[d] = near[w.values(near).argmax()]
        labels = canonical(labels)
        if (labels == before).all():
            break
    return labels


def climb_within(
    weights: Weights, start: Labels, admits: Callable[[Labels], bool], rng: np.random.Generator
) -> list[Labels]:
    """Topologies on a climb from ``start`` by small steps to such as are admitted; shapes ``(S, T)``."""
    found, best = [], float(weights.values(start[None])[0])
    here = canonical(start)
    for _ in range(STEPS):
        near = canonical(np.stack([here, *neighbours(here, weights.pair, rng, NEIGHBOURS)]))
        values = weights.values(near)
        order = [i for i in np.argsort(-values, kind="stable") if values[i] > best + LEAST]
        step = next((i for i in order if admits(near[i])), None)
        if step is not None:
            here, best = near[step], float(values[step])
            found.append(here)
    return found
