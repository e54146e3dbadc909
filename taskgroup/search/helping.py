"""The part of the search space that is about helpers: tasks that also train along a path that serves another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from taskgroup.core.affinity import Affinity
from taskgroup.core.spec import Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.search.asking import Ask

Pair = tuple[str, str]
"""A task that may help, and the task along whose path it trains."""
NO_YES = (False, True)


def helper_pairs(affinity: Affinity, n: int) -> tuple[Pair, ...]:
    """The ``n`` pairs (source, target) in which the source helps the target most, the strongest first.

    By the recipient-centred affinity ``c`` of the whole trunk (:meth:`taskgroup.core.affinity.Affinity.centred`):
    how much more the source helps the target than the other tasks do. Pairs with ``c <= 0`` or unknown are left out,
    so that there may be fewer.
    """
    centred = np.nan_to_num(affinity.centred(), nan=-np.inf)
    order = np.argsort(-centred, axis=None, kind="stable")[:n]
    strongest = [divmod(int(k), len(affinity.tasks)) for k in order]
    return tuple((affinity.tasks[i], affinity.tasks[j]) for i, j in strongest if centred[i, j] > 0)


def ask_helpers(ask: Ask, pairs: Sequence[Pair], topology: Topology) -> tuple[Helper, ...]:
    """Helpers from ``pairs``.

    Parameters: ``helper_K`` for the K-th pair, only where it means something (:func:`offered`).
    """
    asked = offered(pairs, topology)
    return tuple(
        Helper(task=task, along=along) for k, (task, along) in asked.items() if ask.choice(f"helper_{k}", NO_YES)
    )


def offered(pairs: Sequence[Pair], topology: Topology) -> dict[int, Pair]:
    """The pairs that mean something under ``topology``, by position.

    Left out are a task along a path that is its own, and along one that an earlier pair offers it already.
    """
    last = dict(zip(topology.tasks, topology.matrix[-1], strict=True))
    taken = {(task, last[task]) for task, _ in pairs}
    found: dict[int, Pair] = {}
    for k, (task, along) in enumerate(pairs):
        if (task, last[along]) not in taken:
            taken.add((task, last[along]))
            found[k] = (task, along)
    return found


def named_as_offered(pairs: Sequence[Pair], architecture: Architecture) -> Architecture:
    """The same network with its helpers in the order of ``pairs`` and along the tasks that these name.

    Two tasks of one path are the same to a helper, unless adapters tell them apart.
    """
    topology = architecture.topology
    last = dict(zip(topology.tasks, topology.matrix[-1], strict=True))

    def path(task: str, along: str) -> tuple[str, str | int]:
        return task, along if architecture.adapters else last[along]

    position = {path(*pair): k for k, pair in offered(pairs, topology).items()}
    known = [position.get(path(helper.task, helper.along)) for helper in architecture.helpers]
    if None in known:
        return architecture
    renamed = tuple(Helper(task=pairs[k][0], along=pairs[k][1]) for k in sorted(k for k in known if k is not None))
    return architecture.model_copy(update={"helpers": renamed})


def helper_params(pairs: Sequence[Pair], architecture: Architecture) -> dict[str, Any]:
    """What :func:`ask_helpers` would make the helpers of ``architecture`` of, if anything."""
    chosen = {(helper.task, helper.along) for helper in architecture.helpers}
    return {f"helper_{k}": pair in chosen for k, pair in enumerate(pairs)}
