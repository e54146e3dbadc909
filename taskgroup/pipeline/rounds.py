"""All pairs of tasks in few trainings: a tournament whose rounds train disjoint pairs in one network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.grouping import Grouping
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult
from taskgroup.measures.views import RunsView

Array = NDArray[np.float64]


def rounds(tasks: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Rounds in which every two tasks meet exactly once, each task at most once a round (circle method).

    ``T - 1`` rounds for an even number of tasks, ``T`` for an odd one, where one sits out in each.

    Source: Kirkman 1847, "On a problem in combinations".
    """
    circle: list[str | None] = [*tasks, *([None] if len(tasks) % 2 else [])]
    found = []
    for _ in range(len(circle) - 1):
        across = zip(circle[: len(circle) // 2], reversed(circle), strict=False)
        found.append([(a, b) for a, b in across if a is not None and b is not None])
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return [pairs for pairs in found if pairs]


def pair_topology(tasks: Sequence[str], stages: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Topology:
    """The pairs share their whole trunks, each pair its own; who is in none has a trunk alone."""
    paired = {task for pair in pairs for task in pair}
    grouping = Grouping.of(tasks, [*pairs, *([t] for t in tasks if t not in paired)])
    return Topology.from_groupings(stages, [grouping] * len(stages))


def runs_view(tasks: TaskSet, stages: tuple[str, ...], alone: TrialResult, paired: Sequence[TrialResult]) -> RunsView:
    """Errors of one seed.

    Args:
        tasks: The tasks.
        stages: The trunk's.
        alone: All-separate.
        paired: One result for each of :func:`rounds`, in their order.
    """
    names = tasks.names
    errors = np.full((len(names), len(names)), np.nan)
    for pairs, result in zip(rounds(names), paired, strict=True):
        for a, b in pairs:
            i, j = names.index(a), names.index(b)
            errors[i, j], errors[j, i] = result.errors[b], result.errors[a]
    return RunsView(tasks, stages, np.array([alone.errors[t] for t in names]), errors)
