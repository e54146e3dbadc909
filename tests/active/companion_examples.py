"""Planted gain functions over topologies, and random topologies."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.topology import Topology

Array = NDArray[np.float64]


def names(n_tasks: int, n_stages: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(f"t{i}" for i in range(n_tasks)), tuple(f"s{i}" for i in range(n_stages))


def random_topology(n_tasks: int, n_stages: int, rng: np.random.Generator) -> Topology:
    tasks, stages = names(n_tasks, n_stages)
    labels, groupings = np.zeros(n_tasks, dtype=np.int64), []
    for _ in range(n_stages):
        parted = labels * 3 + np.where(rng.random(n_tasks) < rng.random(), rng.integers(3, size=n_tasks), 0)
        labels = np.unique(parted, return_inverse=True)[1]
        groupings.append(Grouping(tasks=tasks, labels=tuple(labels.tolist())))
    return Topology.from_groupings(stages, groupings)


def affinity(values: Array) -> Affinity:
    """Of the example names, from shape ``(S + 1, T, T)``, axes slice, source, target."""
    tasks, stages = names(values.shape[1], len(values) - 1)
    return Affinity(tasks, (*stages, "trunk"), values, np.zeros_like(values), np.ones(values.shape, dtype=np.int64))


@dataclass(frozen=True)
class Planted:
    """Two families whose members help each other and harm strangers, with what pairs do at each stage on top.

    Attributes:
        pair: Effect of a companion at each stage, shape ``(S, T, T)``: target, companion.
        noise: Of one task in one trial.
        seed: Of the noise.
    """

    pair: Array
    noise: float
    seed: int

    @classmethod
    def of(cls, n_tasks: int, n_stages: int, noise: float, seed: int) -> "Planted":
        rng = np.random.default_rng(seed)
        family = rng.permutation(n_tasks) % 2
        pair = np.where(family[:, None] == family, 0.02, -0.02) + rng.normal(0, 0.02, (n_tasks, n_tasks))
        return cls((pair + rng.normal(0, 0.01, (n_stages, n_tasks, n_tasks))) / n_stages**0.5, noise, seed)

    @property
    def affinity(self) -> Affinity:
        """The truth with as much noise."""
        rng = np.random.default_rng([self.seed, 1])
        true = np.concatenate([self.pair, self.pair.mean(axis=0, keepdims=True)]).swapaxes(1, 2)
        return affinity(true + rng.normal(0, true.std(), true.shape))

    def gains(self, topology: Topology) -> Array:
        """True gain of each task, shape ``(T,)``."""
        labels = np.array(topology.matrix)
        same = (labels[:, :, None] == labels[:, None, :]) & ~np.eye(labels.shape[1], dtype=bool)
        return np.asarray(((same * self.pair).sum(axis=2) / np.maximum(same.sum(axis=2), 1) ** 0.75).sum(axis=0))

    def gain(self, topology: Topology) -> float:
        return float(self.gains(topology).mean())

    def errors(self, topology: Topology) -> dict[str, float]:
        """Of one trial, with the luck of its training; the reference has error 1, and is met by a task alone."""
        word = int(hashlib.sha256(str(topology.matrix).encode()).hexdigest()[:8], 16)
        luck = np.random.default_rng([self.seed, word]).normal(0, self.noise, len(topology.tasks))
        luck += np.random.default_rng([self.seed, 2]).normal(0, self.noise, len(topology.tasks))
        alone = [len(group) == 1 for task in topology.tasks for group in topology.groups(0) if task in group]
        gains = np.where(alone, 0.0, self.gains(topology) + luck)
        return dict(zip(topology.tasks, (1.0 - gains).tolist(), strict=True))
