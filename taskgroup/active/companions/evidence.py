"""What the trials of a topology search showed: one gain for each topology and task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.topology import Topology
from taskgroup.errors import InputError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

UNSEEN = 0.03
"""Spread of gains before any is known."""
BORROWED = 4.0
"""Trials' worth of the tasks' common spread that a task's own spread starts from."""
FAR = 6.0
"""Gains further from a task's median than so many robust standard deviations are drawn in: one run went astray."""


def labels_of(topologies: Sequence[Topology]) -> Labels:
    """Copy of each stage that serves each task, shape ``(N, S, T)``, of one topology or more."""
    return np.array([t.matrix for t in topologies], dtype=np.int64)


def companions(labels: Labels) -> Labels:
    """Number of other tasks in the same copy, shape ``(..., T)`` as ``labels``."""
    return np.asarray((labels[..., :, None] == labels[..., None, :]).sum(axis=-1) - 1)


@dataclass(frozen=True)
class Evidence:
    """Gains in the tasks' own spreads.

    Where a task is alone from the input on, its network is that of the reference: the gain is 0 and says nothing.

    Attributes:
        labels: Shape ``(n, S, T)``.
        z: Gains over spreads, 0 where a task is alone, shape ``(n, T)``.
        seen: Where a task has a companion, shape ``(n, T)``.
        runs: Times that each topology was told, shape ``(n,)``.
        spread: Of the gains of each task, shape ``(T,)``.
    """

    labels: Labels
    z: Array
    seen: NDArray[np.bool_]
    runs: Labels
    spread: Array


class Trials:
    """Gains of the topologies told; a topology told again is averaged.

    Args:
        tasks: Task names, shape ``(T,)``.
        stages: Stage names, shape ``(S,)``.
    """

    def __init__(self, tasks: Sequence[str], stages: Sequence[str]) -> None:
        self.tasks, self.stages = tuple(tasks), tuple(stages)
        self._gains: dict[Topology, list[Array]] = {}

    @property
    def topologies(self) -> tuple[Topology, ...]:
        """Sorted, so that nothing depends on the order in which trials end."""
        return tuple(sorted(self._gains, key=lambda topology: topology.matrix))

    @property
    def n_told(self) -> int:
        """Trials, repeated ones counted."""
        return sum(map(len, self._gains.values()))

    def fits(self, topology: Topology) -> Topology:
        """The topology, if it is one of these tasks and stages in this order.

        Raises:
            InputError: If it is not.
        """
        if topology.tasks != self.tasks or topology.stages != self.stages:
            found = f"{list(topology.tasks)} and {list(topology.stages)}"
            rule = f"should have the tasks {list(self.tasks)} and the stages {list(self.stages)}"
            raise InputError(f"`topology` {rule}, in this order, found {found}")
        return topology

    def add(self, topology: Topology, errors: Mapping[str, float], reference: Mapping[str, float]) -> None:
        """Keep the gains ``1 - error / reference``.

        Raises:
            InputError: If topology, errors or reference are not as they should be.
        """
        self.fits(topology)
        for name, numbers in (("errors", errors), ("reference", reference)):
            if sorted(numbers) != sorted(self.tasks):
                found = sorted(numbers)
                raise InputError(f"`{name}` should have one number for each of {list(self.tasks)}, found {found}")
        e, r = (np.array([float(numbers[t]) for t in self.tasks]) for numbers in (errors, reference))
        if not (np.isfinite(e).all() and np.isfinite(r).all() and (r > 0).all()):
            rule = "`errors` should be finite and `reference` finite and above 0"
            raise InputError(f"{rule}, found {dict(errors)} and {dict(reference)}")
        self._gains.setdefault(topology, []).append(1.0 - e / r)

    def evidence(self) -> Evidence:
        """Mean gains, with runs that went astray drawn in, over the tasks' spreads."""
        told = [self._gains[topology] for topology in self.topologies]
        shape = (len(told), len(self.stages), len(self.tasks))
        labels = labels_of(self.topologies).reshape(shape)
        seen = companions(labels[:, 0]) > 0
        means = np.array([_mean(gains) for gains in told]).reshape(shape[0], shape[2])
        gains = _drawn_in(np.where(seen, means, np.nan))
        spread = _spreads(gains)
        runs = np.array([len(gains) for gains in told], dtype=np.int64)
        return Evidence(labels, np.where(seen, gains / spread, 0.0), seen, runs, spread)


def _mean(gains: Sequence[Array]) -> list[float]:
    """Mean of each task, to the last digit the same in any order."""
    return [math.fsum(column) / len(gains) for column in np.array(gains).T]


def _drawn_in(gains: Array) -> Array:
    """Gains (NaN where unseen) with those far from their task's median moved to the border."""
    known = np.isfinite(gains)
    if not known.any():
        return gains
    medians = np.array([np.median(column[k]) if k.any() else 0.0 for column, k in zip(gains.T, known.T, strict=True)])
    distance = np.abs(gains - medians)
    common = float(np.median(distance[known]))
    own = [np.median(column[k]) if k.any() else 0.0 for column, k in zip(distance.T, known.T, strict=True)]
    border = FAR * 1.4826 * np.maximum(common, own)
    return np.where(border > 0, np.clip(gains, medians - border, medians + border), gains)


def _spreads(gains: Array) -> Array:
    """Standard deviation of each task's gains, shrunk to that of all; ``UNSEEN`` where there is nothing to see."""
    known = np.isfinite(gains)
    n = known.sum(axis=0)
    filled = np.where(known, gains, 0.0)
    squares = np.where(known, (filled - filled.sum(axis=0) / np.maximum(n, 1)) ** 2, 0.0).sum(axis=0)
    freedom = np.maximum(n - 1, 0)
    common = (squares.sum() + BORROWED * UNSEEN**2) / (freedom.sum() + BORROWED)
    return np.asarray(np.sqrt((squares + BORROWED * common) / (freedom + BORROWED)))
