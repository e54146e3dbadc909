"""Which of many topologies to try: those from which the most is expected beyond the best known."""

from collections.abc import Callable, Sequence

import numpy as np

from taskgroup.active.companions.evidence import labels_of
from taskgroup.active.companions.look import joint_draws, look, mixed
from taskgroup.active.companions.model import Model
from taskgroup.core.topology import Topology

JOINT = 256
"""Draws of the gains of all candidates together."""
ALIKE = 0.05
"""Candidates of whom up to so much less is expected are wanted alike."""


def chosen(
    model: Model,
    fresh: Sequence[Topology],
    leaders: Sequence[Topology],
    n: int,
    cost: Callable[[Topology], float] | None,
    rng: np.random.Generator,
) -> list[tuple[Topology, str]]:
    """At most ``n`` of ``fresh``, greedily by expected improvement ``E[max(gain - best, 0)]``.

    ``best`` is, in the same draw, the gain of the leader that has the highest mean, and of those chosen before:
    what they have in common with a candidate says nothing for it.

    Args:
        model: After the trials.
        fresh: One or more, all different.
        leaders: Among them is the best topology told.
        n: At most so many.
        cost: Decides between candidates that are wanted alike.
        rng: Of the draws.
    """
    best = _best(model, leaders)
    drawn = joint_draws(model, labels_of([*fresh, *best]), JOINT, rng)
    top = drawn[:, len(fresh) :].max(axis=1) if best else np.full(len(drawn), drawn.mean(axis=0).min())
    mean, deviation = drawn.mean(axis=0), drawn.std(axis=0)
    left = list(range(len(fresh)))
    found: list[tuple[Topology, str]] = []
    while left and len(found) < n:
        wanted = np.maximum(drawn[:, left] - top[:, None], 0.0).mean(axis=0) + 1e-9 * mean[left]
        alike = [left[i] for i in np.flatnonzero(wanted >= wanted.max() - ALIKE * abs(wanted.max()))]
        pick = left[int(wanted.argmax())] if cost is None else min(alike, key=lambda i: cost(fresh[i]))
        found.append((fresh[pick], f"surrogate, expects {100 * mean[pick]:+.1f} ± {100 * deviation[pick]:.1f} %"))
        top = np.maximum(top, drawn[:, pick])
        left.remove(pick)
    return found


def _best(model: Model, leaders: Sequence[Topology]) -> list[Topology]:
    if not leaders:
        return []
    looks = look(model, labels_of(leaders))
    mean, _ = mixed(model.weights, [k.total for k in looks], [k.total_variance for k in looks])
    return [leaders[int(mean.argmax())]]
