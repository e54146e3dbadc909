"""Topologies that may be worth trying: climbed to from those known, and around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from taskgroup.active.companions.climb import climb, climb_within
from taskgroup.active.companions.draws import Weights
from taskgroup.active.companions.evidence import Array, Labels
from taskgroup.active.companions.look import look, mixed
from taskgroup.active.companions.model import Model
from taskgroup.active.companions.moves import canonical, neighbours

AROUND = 4
"""Topologies one step away from each that was found."""
BEST = 6
"""Best known topologies whose surroundings are looked at."""
WITHIN = 4
"""Climbs within bounds."""


@dataclass(frozen=True)
class Known:
    """Topologies to start from.

    Attributes:
        labels: Canonical, shape ``(N, S, T)``, one or more.
        worth: Mean gain under each draw, shape ``(D, N)``.
    """

    labels: Labels
    worth: Array

    @classmethod
    def of(cls, labels: Labels, weights: Sequence[Weights]) -> "Known":
        """The topologies as the draws value them."""
        return cls(canonical(labels), np.stack([w.values(labels) for w in weights]))

    def best(self, n: int, first: int | None = None) -> Labels:
        """Numbers of the ``n`` best over all draws, the best first, among the ``first``."""
        return np.argsort(-self.worth.mean(axis=0)[:first], kind="stable")[:n]


def pool(model: Model, weights: Sequence[Weights], known: Known, taken: Labels, rng: np.random.Generator) -> Labels:
    """Topologies that the climbs reach, that lie around these, and around the best known; the most promising first.

    A climb starts from the topology that is best under its draw, every fourth from any.

    Args:
        model: Of the trials; decides the order, by mean plus standard deviation.
        weights: Drawn, one for each climb.
        known: Where climbs start, and also in the pool.
        taken: Canonical labels to leave out, shape ``(N, S, T)``.
        rng: Of the climbs.
    """
    chance = rng.integers(len(known.labels), size=len(weights))
    first = np.where(np.arange(len(weights)) % 4 == 3, chance, known.worth.argmax(axis=1))
    climbed = climb(weights, known.labels[first], rng)
    around = [
        near
        for i, centre in enumerate([*climbed, *known.labels[known.best(BEST)]])
        for near in neighbours(centre, weights[i % len(weights)].pair, rng, AROUND)
    ]
    found = np.unique(canonical(np.stack([*climbed, *known.labels, *around])), axis=0)
    old = {labels.tobytes() for labels in taken}
    found = found[[labels.tobytes() not in old for labels in found]]
    if not len(found):
        return np.asarray(found)
    looks = look(model, found)
    mean, deviation = mixed(model.weights, [k.total for k in looks], [k.total_variance for k in looks])
    return np.asarray(found[np.argsort(-(mean + deviation), kind="stable")])


def pool_within(
    weights: Sequence[Weights], known: Labels, admits: Callable[[Labels], bool], rng: np.random.Generator
) -> list[Labels]:
    """Topologies of a few climbs by small steps that stay with those admitted, from the best of ``known``."""
    inside = known[[admits(labels) for labels in known]]
    starts = inside if len(inside) else known
    found: list[Labels] = []
    for w in weights[:WITHIN]:
        found += climb_within(w, starts[w.values(starts).argmax()], admits, rng)
    return found
