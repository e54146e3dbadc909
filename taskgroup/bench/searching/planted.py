"""Worlds in which the gain of every topology is known, and the best of them."""

import hashlib
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree

Array = NDArray[np.float64]

KINDS = ("pairs", "higher order", "sharing helps", "sharing harms")
"""What companions do: pair by pair; and what pairs of companions do together; help nearly always; harm."""
SCALE = 0.03
LARGEST = 0.25
"""Gains level off there."""


@dataclass(frozen=True)
class World:
    """Tasks in clusters whose members help each other more than others, early stages more than late ones.

    Attributes:
        tasks, stages: Names.
        pair: What a companion does at a stage, shape ``(S, T, T)``: target, companion.
        profile: What sharing a stage does whoever the companions are, shape ``(S, T)``.
        triple: What pairs of companions do, shape ``(S, T, T, T)``.
        noise: Spread of each task's error in one training, shape ``(T,)``.
        seed: Of the noise.
    """

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    pair: Array
    profile: Array
    triple: Array
    noise: Array
    seed: int
    _known: dict[Topology, Array] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, kind: str, seed: int, n_tasks: int = 8, n_stages: int = 4) -> "World":
        """One of ``KINDS``."""
        rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
        cluster = rng.integers(0, max(2, n_tasks // 4), n_tasks)
        friend = np.where(cluster[:, None] == cluster, 0.7, -0.7) + rng.normal(size=(n_tasks, n_tasks))
        pair = friend + rng.normal(0, 0.7, (n_stages, n_tasks, n_tasks))
        profile = 0.6 * np.linspace(1.0, -0.3, n_stages)[:, None] + rng.normal(0, 0.4, (n_stages, n_tasks))
        sign = {"sharing helps": 1.0, "sharing harms": -1.0}.get(kind, 0.0)
        if sign:
            pair, profile = 0.5 * pair + 0.9 * sign, sign * np.abs(profile)
        pair = np.where(np.eye(n_tasks, dtype=bool), 0.0, pair)
        triple = rng.normal(size=(n_stages, n_tasks, n_tasks, n_tasks)) * (kind == "higher order")
        scale = SCALE / n_stages**0.5
        return cls(
            tuple(f"t{k}" for k in range(n_tasks)),
            tuple(f"s{k}" for k in range(n_stages)),
            1.5 * scale * pair,
            scale * profile,
            scale * triple,
            0.05 * np.exp(rng.normal(0, 0.4, n_tasks)),
            seed,
        )

    def affinity(self, correlation: float = 0.5) -> Affinity:
        """What a measure might find: correlated with the truth, the error mostly common to the slices."""
        rng = np.random.default_rng([self.seed, 1])
        n_tasks, n_stages = len(self.tasks), len(self.stages)
        true = [*self.pair, self.pair.sum(axis=0)]
        common, own = rng.normal(size=(n_tasks, n_tasks)), rng.normal(size=(n_stages + 1, n_tasks, n_tasks))
        error = 0.8 * common + 0.6 * own
        apart = ~np.eye(n_tasks, dtype=bool)
        centred = [slice_ - slice_.mean(axis=1, keepdims=True) for slice_ in true]
        unit = np.stack([slice_ / slice_[apart].std() for slice_ in centred])
        values = (correlation * unit + (1 - correlation**2) ** 0.5 * error).swapaxes(1, 2)
        counts = np.ones(values.shape, dtype=np.int64)
        return Affinity(self.tasks, (*self.stages, "trunk"), values, np.zeros_like(values), counts)

    def gains(self, topology: Topology) -> Array:
        """True gain of each task, shape ``(T,)``."""
        if topology not in self._known:
            labels = np.array(topology.matrix)
            same = (labels[:, :, None] == labels[:, None, :]) & ~np.eye(len(self.tasks), dtype=bool)
            number = same.sum(axis=2)
            alone = np.where(number > 0, self.profile, 0.0)
            pairs = (same * self.pair).sum(axis=2) / np.maximum(number, 1) ** 0.7
            both = same.astype(np.float64)
            triples = np.einsum("stj,stk,stjk->st", both, both, self.triple) / np.maximum(number, 1)
            total = (alone + pairs + triples).sum(axis=0)
            self._known[topology] = LARGEST * np.tanh(total / LARGEST)
        return self._known[topology]

    def gain(self, topology: Topology) -> float:
        """Its mean."""
        return float(self.gains(topology).mean())

    def errors(self, topology: Topology) -> dict[str, float]:
        """Of one training, where that of a task alone has error 1: the truth, luck, and the luck of the reference."""
        word = int(hashlib.sha256(str(topology.matrix).encode()).hexdigest()[:8], 16)
        luck = np.random.default_rng([word, self.seed]).normal(size=len(self.tasks)) * self.noise
        reference = np.random.default_rng([self.seed, 2]).normal(size=len(self.tasks)) * self.noise
        labels = np.array(topology.matrix[0])
        alone = (labels[:, None] == labels).sum(axis=1) == 1
        gains = np.where(alone, 0.0, self.gains(topology) + luck + reference)
        return dict(zip(self.tasks, (1.0 - gains).tolist(), strict=True))

    def best(self) -> float:
        """The best that steepest climbs from both baselines and three random topologies find."""
        rng = np.random.default_rng(1)
        starts = [make(self.tasks, self.stages) for make in (Topology.shared, Topology.separate)]
        starts += [drawn(self.tasks, self.stages, rng) for _ in range(3)]
        return max(self._climbed(start) for start in starts)

    def _climbed(self, here: Topology) -> float:
        while True:
            nearby = max(moves(here), key=self.gain)
            if self.gain(nearby) <= self.gain(here) + 1e-12:
                return self.gain(here)
            here = nearby


def drawn(tasks: tuple[str, ...], stages: tuple[str, ...], rng: np.random.Generator) -> Topology:
    """A random topology: at each stage every group comes apart, or not."""
    labels, groupings = np.zeros(len(tasks), dtype=np.int64), []
    for _ in stages:
        leave = rng.random(len(tasks)) < rng.random()
        labels = np.unique(3 * labels + np.where(leave, rng.integers(3, size=len(tasks)), 0), return_inverse=True)[1]
        groupings.append(Grouping(tasks=tasks, labels=tuple(labels.tolist())))
    return Topology.from_groupings(stages, groupings)


def random_tree(tasks: Sequence[str], seed: int) -> CandidateTree:
    """A random merge tree over ``tasks``."""
    rng = np.random.default_rng(seed)
    nodes, merges = list(range(len(tasks))), []
    for k in range(len(tasks) - 1):
        a, b = sorted(int(n) for n in rng.choice(nodes, 2, replace=False))
        nodes = [*(n for n in nodes if n not in (a, b)), len(tasks) + k]
        merges.append((a, b))
    heights = tuple(float(k) for k in range(len(merges)))
    return CandidateTree(
        source=f"tree {seed}", tree=MergeTree(tasks=tuple(tasks), merges=tuple(merges), heights=heights)
    )


def moves(topology: Topology) -> Iterator[Topology]:
    """A task goes along with another down to some stage and is alone from there, or alone all the way."""
    labels = np.array(topology.matrix)
    n_stages, n_tasks = labels.shape
    seen = {topology.matrix}
    for task, other in itertools.product(range(n_tasks), repeat=2):
        for depth in range(n_stages) if task != other else (-1,):
            moved = labels.copy()
            moved[: depth + 1, task] = labels[: depth + 1, other]
            moved[depth + 1 :, task] = n_tasks
            groupings = [Grouping(tasks=topology.tasks, labels=tuple(row)) for row in moved.tolist()]
            found = Topology.from_groupings(topology.stages, groupings)
            if found.matrix not in seen:
                seen.add(found.matrix)
                yield found
