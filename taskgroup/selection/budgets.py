"""The best cover for every number of networks at once, exactly; for up to about 14 tasks."""

import numpy as np

from taskgroup.core.cover import Array, Cover, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.dynamic import MAX_TASKS, full_totals, partition_minima, served_minima, serving_rows, traceback
from taskgroup.selection.limits import by_preference, fewest_sentence, untrained


def all_budgets(scores: GroupScores, max_networks: int | None = None) -> tuple[Cover, ...]:
    """The best cover with at most k networks, for k = 1 … ``max_networks``; costs play no part.

    A dynamic program over the sets of tasks that one network serves, see :mod:`taskgroup.selection.dynamic`.

    Cost: ``K 3^T`` additions, and for each row ``2^|g|``.

    Args:
        scores: At most 16 tasks.
        max_networks: K; by default one network a task.

    Returns:
        One cover for each k for which there is one, in order. The last is always of k = ``max_networks``, so
        ``covers[-1 - j]`` has at most ``max_networks - j`` networks. More networks are used only where they help.

    Raises:
        InputError: More than 16 tasks, ``max_networks`` below 1, a task that no group trains, or no cover with
            ``max_networks`` networks.

    Example:
        >>> rows = [{"a": 1.0}, {"b": 1.0}, {"a": 0.9, "b": 1.5}]
        >>> [cover.total for cover in all_budgets(GroupScores.of(("a", "b"), rows))]
        [2.4, 1.9]
    """
    n_tasks = len(scores.tasks)
    n_networks = n_tasks if max_networks is None else max_networks
    if n_tasks > MAX_TASKS:
        raise InputError(f"`all_budgets` takes at most {MAX_TASKS} tasks, found {n_tasks}; use `select`")
    if n_networks < 1:
        raise InputError(f"`max_networks` should be 1 or more, found {max_networks}")
    untrained(scores)
    minima = served_minima(scores.errors, scores.members)
    layers = partition_minima(minima, min(n_networks, n_tasks))
    totals = layers[:, -1]
    if not np.isfinite(totals[-1]):
        fewest = int(np.argmax(np.isfinite(full_totals(minima, n_tasks)))) + 1
        raise InputError(fewest_sentence(n_networks, fewest))
    first = int(np.argmax(np.isfinite(totals)))
    counts = [*range(first, len(totals)), *[len(totals) - 1] * (n_networks - len(totals))]
    return tuple(_cover(scores, minima, layers, k + 1) for k in counts)


def _cover(scores: GroupScores, minima: Array, layers: Array, n_networks: int) -> Cover:
    order = by_preference(scores, np.arange(len(scores.cost)))
    served = traceback(minima, layers, n_networks)
    serving = order[list(serving_rows(scores.errors[order], scores.members[order], served))]
    return scores.cover([int(row) for row in serving], float(layers[n_networks - 1, -1]))
