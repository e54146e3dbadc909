"""What to train first, before anything is known."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.bool_]


def opening(n_tasks: int, n_bisections: int, rng: np.random.Generator) -> Rows:
    """All together, then the two halves of each of ``n_bisections`` random bisections that cross each other.

    Each bisection is a cover by two networks, and shows every task in a group of another size and other companions;
    a second one that crosses it keeps what a task suffers from apart from what its first companions suffer from.
    Leaving out one task at a time does not: after it, tasks stand accused whose absence merely came first.

    Args:
        n_tasks: T, 1 or more.
        n_bisections: How many; fewer than four tasks have one, one task has none.
        rng: Decides the halves.

    Returns:
        Shape ``(at most 1 + 2 n_bisections, T)``, rows different, all together first.
    """
    rows = [np.ones(n_tasks, dtype=bool)]
    halves: list[Rows] = []
    n_wanted = min(n_bisections, 0 if n_tasks == 1 else 1 if n_tasks < 4 else n_tasks)
    while len(halves) < n_wanted:
        half = _half_across(halves, n_tasks, rng)
        halves.append(half)
        rows += [half, ~half]
    return np.array(rows)


def _half_across(halves: list[Rows], n_tasks: int, rng: np.random.Generator) -> Rows:
    """A random half that cuts the earlier ones as evenly as a few tries find."""
    tries = [np.isin(np.arange(n_tasks), rng.permutation(n_tasks)[: n_tasks // 2]) for _ in range(16)]
    imbalance = [
        max((abs(int((half & other).sum()) * 2 - n_tasks // 2) for other in halves), default=0) for half in tries
    ]
    fresh = [i for i, half in enumerate(tries) if not any((half == o).all() or (half == ~o).all() for o in halves)]
    return tries[min(fresh or range(len(tries)), key=lambda i: imbalance[i])]
