"""Topologies that differ little from a given one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.active.companions.evidence import Array, Labels
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.topology import Topology

ITERATIONS = 5
"""Of the bipartition."""


def canonical(labels: Labels) -> Labels:
    """Copies named by their first task, so that equal topologies are equal; shape ``(..., T)``."""
    return np.asarray((labels[..., :, None] == labels[..., None, :]).argmax(axis=-1))


def topology_of(tasks: Sequence[str], stages: Sequence[str], labels: Labels) -> Topology:
    """The topology with these labels, shape ``(S, T)``."""
    return Topology(tasks=tuple(tasks), stages=tuple(stages), matrix=tuple(canonical_labels(row) for row in labels))


def neighbours(named: Labels, pair: Array, rng: np.random.Generator, n: int) -> list[Labels]:
    """At most ``n`` topologies one step away, drawn at random; each stage refines the one before as it did.

    In turn: a copy is split in two, from its stage on; or it is split as the next stage is, or the other way round; or
    a task goes along another's path; or a copy is merged with a sibling or with all, at one stage or below it too.

    Args:
        named: :func:`canonical` labels, shape ``(S, T)``.
        pair: What companions do to tasks, shape ``(S, T, T)``: target, companion; decides how to split.
        rng: Source of the choices.
        n: 1 or more.
    """
    n_stages, n_tasks = named.shape
    found: list[Labels] = []
    stages, tasks = rng.integers(n_stages, size=n), rng.integers(n_tasks, size=n)
    for turn, (s, t) in enumerate(zip(stages.tolist(), tasks.tolist(), strict=True)):
        inside = named[s] == named[s, t]
        family = named[s - 1] == named[s - 1, t] if s else np.ones(n_tasks, dtype=bool)
        others = np.flatnonzero(family & ~inside)
        if turn % 4 == 0 and inside.sum() > 1:
            found.append(_split(named, s, half(pair[s:].sum(axis=0), np.flatnonzero(inside), rng)))
        elif turn % 4 == 1 and s + 1 < n_stages:
            found.append(_moved_branching(named, s, inside, later=rng.random() < 0.5))
        elif turn % 4 == 2 and len(others):
            found.append(_along(named, s, t, int(rng.choice(others))))
        elif len(others):
            whole = rng.random() < 0.25
            beside = family if whole else inside | (named[s] == named[s, rng.choice(others)])
            found.append(_merged(named, s, beside, below=rng.random() < 0.5))
    return found


def _split(named: Labels, s: int, tasks: Labels) -> Labels:
    """``tasks`` leave their copy, from stage ``s`` on."""
    found = named.copy()
    found[s:, tasks] += named.shape[1]
    return canonical(found)


def _moved_branching(named: Labels, s: int, inside: NDArray[np.bool_], *, later: bool) -> Labels:
    """The children of a copy of stage ``s`` are merged, so that it branches a stage later; or it is split like them."""
    found = named.copy()
    if later:
        found[s + 1, inside] = named[s, inside]
    else:
        found[s, inside] = named[s + 1, inside]
    return found


def _along(named: Labels, s: int, t: int, other: int) -> Labels:
    """Task ``t`` goes along the path of ``other``, a task of the same copy one stage before, from stage ``s`` on."""
    found = named.copy()
    found[s:, t] = named[s:, other]
    return canonical(found)


def _merged(named: Labels, s: int, tasks: NDArray[np.bool_], *, below: bool) -> Labels:
    """Copies of stage ``s`` that hold ``tasks`` become one; what follows stays split, or becomes one too."""
    found = named.copy()
    found[s : None if below else s + 1, tasks] = named[s, tasks].min()
    return found


def half(pair: Array, inside: Labels, rng: np.random.Generator) -> Labels:
    """One side of a good bipartition of two tasks or more.

    From a random task and those that go better with it than most, every task goes to the side whose tasks are better
    for it in the mean, a few times.
    """
    effects = pair[np.ix_(inside, inside)]
    effects = effects + effects.T
    chance = rng.integers(len(inside))
    side = effects[chance] > effects[chance].mean()
    side[chance] = True
    for _ in range(ITERATIONS):
        here, there = (effects @ part / np.maximum(part.sum() - part, 1) for part in (side, ~side))
        side = here > there
    if side.all() or not side.any():
        side = np.arange(len(inside)) == chance
    return np.asarray(inside[side])
