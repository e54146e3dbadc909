"""Best covers of some of a table's groups: chosen by one split's errors, reported by the other's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.cover import Group, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.dynamic import partition_minima, served_minima, serving_rows, traceback
from taskgroup.selection.selecting import select

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_NETWORKS = 8
FEW_TASKS = 12
"""Up to so many tasks the dynamic program over served sets answers every number of networks at once."""
PATIENCE_S = 1.0
"""For the best cover of more tasks with one number of networks; then the best one so far counts."""
PATIENCE_ALL_S = 20.0
"""The same, of all groups of a table: it is done once."""
_AT_ONCE = 1 << 22
"""Numbers of a block of measured sets."""


@dataclass(frozen=True)
class Judged:
    """Groups with the errors that choose (``val``) and the errors that are reported (``test``).

    Attributes:
        tasks: Task names, shape ``(T,)``.
        members: Whether a group's network trains a task, shape ``(G, T)``, no row twice.
        val: Errors to choose by, lower is better, NaN outside the group, shape ``(G, T)``.
        test: Errors to report, same shape; ``val`` itself where a table has one split.
        groups: The rows as names.
    """

    tasks: Group
    members: Mask
    val: Array
    test: Array
    groups: tuple[Group, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [tuple(t for t, inside in zip(self.tasks, row, strict=True) if inside) for row in self.members]
        object.__setattr__(self, "groups", tuple(names))

    @property
    def max_networks(self) -> int:
        """The largest number of networks that is looked at."""
        return min(len(self.tasks), MOST_NETWORKS)

    @property
    def plain(self) -> Mask:
        """Which groups are all tasks together or a task alone, shape ``(G,)``."""
        sizes = self.members.sum(axis=1)
        return np.asarray((sizes == 1) | (sizes == len(self.tasks)))


class Covers:
    """Totals of the best covers of measured groups; answers are kept, as the curves of many seeds meet again."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self._kept: dict[bytes, Array] = {}
        self._by_minima: dict[bytes, Array] = {}

    def reported(self, measured: Mask) -> Array:
        """Reported totals of the covers with at most 1 … K networks that are best by ``val``.

        Args:
            measured: Which groups may be used, shape ``(G,)`` or ``(B, G)``.

        Returns:
            Shape ``(K,)`` or ``(B, K)``, K = ``judged.max_networks``; infinite where the groups give no cover.
        """
        rows = np.atleast_2d(measured)
        keys = [np.packbits(row).tobytes() for row in rows]
        new = list({key: row for key, row in zip(keys, rows, strict=True) if key not in self._kept}.items())
        step = max(1, _AT_ONCE // 3 ** min(len(self.judged.tasks), FEW_TASKS))
        for start in range(0, len(new), step):
            part = new[start : start + step]
            totals = self._totals(np.stack([row for _, row in part]))
            self._kept |= {key: found for (key, _), found in zip(part, totals, strict=True)}
        return np.stack([self._kept[key] for key in keys]).reshape(*measured.shape[:-1], -1)

    def _totals(self, measured: Mask) -> list[Array]:
        judged = self.judged
        if len(judged.tasks) > FEW_TASKS:
            counts = range(1, judged.max_networks + 1)
            waits = [PATIENCE_ALL_S if row.all() else PATIENCE_S for row in measured]
            return [
                self._total(selected_rows(judged.val, judged.members, row, counts, patience_s=wait))
                for row, wait in zip(measured, waits, strict=True)
            ]
        errors = np.where(measured[:, :, None], judged.val, np.inf)
        minima = served_minima(errors, judged.members)
        missing = [k for k, one in enumerate(minima) if one.tobytes() not in self._by_minima]
        layers: Array | tuple[()] = partition_minima(minima[missing], judged.max_networks) if missing else ()
        for k, layer in zip(missing, layers, strict=True):
            serving = _traced(errors[k], judged.members, minima[k], layer)
            self._by_minima[minima[k].tobytes()] = self._total(serving)
        return [self._by_minima[one.tobytes()] for one in minima]

    def _total(self, servings: Sequence[Sequence[int] | None]) -> Array:
        at = np.arange(len(self.judged.tasks))
        return np.array([np.inf if rows is None else self.judged.test[rows, at].sum() for rows in servings])


def good_rows(errors: Array, members: Mask, allowed: Mask, max_networks: int) -> list[int]:
    """Rows of the best covers with at most 1 … K networks, those of few networks first, each once.

    The best ones up to :data:`FEW_TASKS` tasks; of more tasks what is best to add, one row after the other.

    Args:
        errors: Shape ``(G, T)``, finite inside the allowed groups.
        members: Same shape.
        allowed: Which groups may be used, shape ``(G,)``.
        max_networks: K.
    """
    if len(members[0]) > FEW_TASKS:
        return _greedy(np.where(allowed[:, None] & members, errors, np.inf), max_networks)
    masked = np.where(allowed[:, None], errors, np.inf)
    minima = served_minima(masked, members)
    covers = _traced(masked, members, minima, partition_minima(minima, max_networks))
    return list(dict.fromkeys(row for rows in covers if rows is not None for row in rows))


def _greedy(errors: Array, max_networks: int) -> list[int]:
    """Rows that lower the total most, one by one; a task that none trains yet counts with twice its worst error.

    ``errors`` are infinite outside the groups.
    """
    known = np.where(np.isfinite(errors), errors, -np.inf).max(axis=0)
    best = np.where(np.isfinite(known), known + np.abs(known), 0.0)
    chosen: list[int] = []
    for _ in range(max_networks):
        totals = np.minimum(errors, best).sum(axis=1)
        chosen.append(int(totals.argmin()))
        best = np.minimum(errors[chosen[-1]], best)
    return list(dict.fromkeys(chosen))


def selected_rows(
    errors: Array, members: Mask, allowed: Mask, counts: Iterable[int], *, patience_s: float
) -> list[list[int] | None]:
    """The row that serves each task in the cover with at most k networks for each k, by :func:`select`.

    Args:
        errors: Shape ``(G, T)``, finite inside the allowed groups.
        members: Same shape.
        allowed: Which groups may be used, shape ``(G,)``.
        counts: Numbers k of networks.
        patience_s: How long to look for the best cover with k networks; after it the best one so far counts.
    """
    rows = np.flatnonzero(allowed)
    if not members[rows].any(axis=0).all():
        return [None for _ in counts]
    tasks = tuple(str(k) for k in range(len(members[0])))
    scores = GroupScores(tasks, members[rows], np.where(members[rows], errors[rows], np.nan), np.ones(len(rows)))
    where = {scores.group(k): int(row) for k, row in enumerate(rows)}
    found: list[list[int] | None] = []
    for count in counts:
        try:
            best = select(scores, networks=count, method="exact", time_limit_s=patience_s)
        except InputError:  # no cover has so few networks
            found.append(None)
            continue
        serving = {task: where[network.trains] for network in best.networks for task in network.serves}
        found.append([serving[task] for task in tasks])
    return found


def _traced(errors: Array, members: Mask, minima: Array, layers: Array) -> list[list[int] | None]:
    """The serving rows for each number of networks of one table."""
    found: list[list[int] | None] = []
    for k in range(len(layers)):
        if not np.isfinite(layers[k, -1]):
            found.append(None)
        elif found and found[-1] is not None and layers[k, -1] == layers[k - 1, -1]:
            found.append(found[-1])  # another network brings nothing
        else:
            found.append(list(serving_rows(errors, members, traceback(minima, layers, k + 1))))
    return found
