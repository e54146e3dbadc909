"""What to train first, before anything is known."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.bool_]

PARTS = (2, 3, 5, 8)
"""Numbers of parts, in turn; those that leave about two tasks a part, and two and three always."""
TRIES = 32
"""Random partitions among which the one is taken that repeats the fewest companions."""


def opening(n_tasks: int, n_networks: int, rng: np.random.Generator) -> Rows:
    """All together, then all groups of random partitions into two, three and, with many tasks, more parts in turn.

    Each partition is a cover already, shows every task among other companions, and the sizes beside all together say
    what size is worth. Leaving out one task at a time does not: after it, tasks stand accused whose absence merely
    came first. Halves alone do not either: what thirds are like is then a guess.

    Args:
        n_tasks: T, 1 or more.
        n_networks: Partitions are added until there are so many networks.
        rng: Decides the partitions; of a few, those are taken that bring the fewest companions together again.

    Returns:
        Shape ``(n_networks or a part of a partition more, T)``, rows different, all together first; fewer where
        there are no more.
    """
    found = {np.ones(n_tasks, dtype=bool).tobytes(): np.ones(n_tasks, dtype=bool)}
    met = np.zeros((n_tasks, n_tasks))
    numbers = [n for n in PARTS if n <= max(3, n_tasks / 2)]
    for turn in range(n_networks):
        if len(found) >= n_networks:
            break
        labels = _partition(min(numbers[turn % len(numbers)], n_tasks), met, rng)
        met += labels[:, None] == labels
        found |= {row.tobytes(): row for row in (labels == part for part in range(labels.max() + 1))}
    return np.array(list(found.values()))


def _partition(n_parts: int, met: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Part of each task: parts of even size, of several tries the one that brings the fewest together again."""
    n_tasks = len(met)
    parts = np.arange(n_tasks) * n_parts // n_tasks
    tries = [parts[rng.permutation(n_tasks)] for _ in range(TRIES)]
    again = [float((met[labels[:, None] == labels] ** 2).sum()) for labels in tries]
    return tries[int(np.argmin(again))]
