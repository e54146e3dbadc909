"""The groups that come into question, listed or grown."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.bool_]

ALL_TASKS = 10
"""Up to so many tasks every group comes into question."""
GROWN = 1500
"""With more tasks, so many are grown each time."""


def every_group(n_tasks: int, max_size: int) -> Rows:
    """All groups of at most ``max_size`` tasks and all together, by size, shape ``(G, T)``."""
    masks = np.arange(1, 1 << n_tasks)
    rows = (masks[:, None] >> np.arange(n_tasks)) & 1 == 1
    sizes = rows.sum(axis=1)
    kept = (sizes <= max_size) | (sizes == n_tasks)
    return np.asarray(rows[kept][np.argsort(sizes[kept], kind="stable")])


def grown_groups(effects: NDArray[np.float64], known: Rows, max_size: int, rng: np.random.Generator) -> Rows:
    """Groups that may be good, with those that are known first; no group twice.

    For each task, its companions in the order in which a draw of the surrogate says that they help it, cut at several
    sizes; then the known groups with one task more or less; then random ones.

    Args:
        effects: Draws of what a companion does to a task's error, lower helps, shape ``(n, T, T)``: target, companion.
        known: Measured groups, shape ``(G, T)``.
        max_size: Largest group besides all together.
        rng: Of the random ones.

    Returns:
        Shape ``(G + at most GROWN, T)``.
    """
    n_tasks = known.shape[1]
    sizes = [s for s in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if s <= max_size]
    bests = _best_companions(effects, sizes)
    neighbours = known[:, None, :] ^ np.eye(n_tasks, dtype=bool)
    random = rng.random((GROWN // 5, n_tasks)).argsort(axis=1) < rng.choice(sizes, (GROWN // 5, 1))
    budget = GROWN - len(random)
    shuffled = [rows[rng.permutation(len(rows))] for rows in (bests, neighbours.reshape(-1, n_tasks))]
    wanted = chain([np.ones(n_tasks, dtype=bool)], shuffled[0][: 2 * budget // 3], shuffled[1][: budget // 3], random)
    sized = (row for row in wanted if 1 <= row.sum() <= max_size or row.all())
    return distinct(chain(known, sized))


def _best_companions(effects: NDArray[np.float64], sizes: Sequence[int]) -> Rows:
    n_tasks = effects.shape[1]
    own = np.eye(n_tasks, dtype=bool)
    ranks = np.where(own, -np.inf, effects).argsort(axis=2).argsort(axis=2)  # a task itself comes first
    return np.concatenate([(ranks < size).reshape(-1, n_tasks) for size in sizes])


def distinct(rows: Iterable[Rows]) -> Rows:
    """The rows, each once."""
    return np.array(list({row.tobytes(): row for row in rows}.values()))
