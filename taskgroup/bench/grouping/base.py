"""What a choice must beat: a random cover, and the best of all tasks together and each task alone."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from taskgroup.bench.grouping.covers import Array, Covers, Mask

EXHAUSTIVE = 200_000
"""Up to so many sets of groups all are looked at; beyond, draws."""
TRIES, ENOUGH = 50_000, 2000
"""Sets that are drawn, and how many of them should be covers."""
DRAWS = 4000
_CHUNK = 20_000

Sets = NDArray[np.int_]


def random_covers(members: Mask, n_networks: int, rng: np.random.Generator) -> tuple[Sets, Array]:
    """Sets of distinct groups that together hold every task, with weights that make them uniform.

    All of them where there are few enough; else those among :data:`TRIES` drawn sets; where they are too few,
    :func:`completed`. No draw is repeated until it fits, so this always ends.

    Args:
        members: Shape ``(G, T)``.
        n_networks: k.
        rng: Random numbers of the draws.

    Returns:
        Rows of the groups, shape ``(n, k)``, and weights, shape ``(n,)``; n is 0 where no cover was found.
    """
    n_groups = len(members)
    if n_groups < n_networks:
        return np.zeros((0, n_networks), dtype=np.int_), np.zeros(0)
    if comb(n_groups, n_networks) <= EXHAUSTIVE:
        sets = np.array(list(combinations(range(n_groups), n_networks)))
        return _covering(sets, members)
    drawn = np.sort(rng.integers(n_groups, size=(TRIES, n_networks)), axis=1)
    distinct: Mask = np.all(np.diff(drawn, axis=1) > 0, axis=1)
    sets, weights = _covering(drawn[distinct], members)
    return (sets, weights) if len(sets) >= ENOUGH else completed(members, n_networks, rng)


def _covering(sets: Sets, members: Mask) -> tuple[Sets, Array]:
    """Those sets that hold every task."""
    parts = [sets[i : i + _CHUNK] for i in range(0, len(sets), _CHUNK)]
    held = [part[np.all(members[part].any(axis=1), axis=1)] for part in parts]
    found = np.concatenate([sets[:0], *held])
    return found, np.ones(len(found))


def completed(members: Mask, n_networks: int, rng: np.random.Generator, draws: int = DRAWS) -> tuple[Sets, Array]:
    """Random covers where hardly any set of groups is one.

    The first ``k - 1`` groups are drawn uniformly without replacement, the last uniformly among the ``c`` others that
    complete the cover, with weight ``c``: so weighted, every cover is as likely as any other.
    """
    found, weights = [], []
    for _ in range(draws):
        first = rng.choice(len(members), n_networks - 1, replace=False)
        missing = ~members[first].any(axis=0)
        completes: Mask = np.all(members[:, missing], axis=1)
        completes[first] = False
        last = np.flatnonzero(completes)
        if len(last):
            found.append([*first, rng.choice(last)])
            weights.append(len(last))
    return np.array(found, dtype=np.int_).reshape(-1, n_networks), np.array(weights, dtype=np.float64)


def mean_total(sets: Sets, weights: Array, val: Array, test: Array) -> float:
    """Mean reported total of covers in which each task is served by its best group by ``val``; NaN without covers.

    Args:
        sets: Of :func:`random_covers`, shape ``(n, k)``.
        weights: Shape ``(n,)``.
        val: Shape ``(G, T)``, NaN outside the groups.
        test: Same.
    """
    if not len(sets):
        return float("nan")
    inside = np.where(np.isnan(val), np.inf, val)
    totals = []
    for start in range(0, len(sets), _CHUNK):
        rows = sets[start : start + _CHUNK]
        best = inside[rows].argmin(axis=1)  # (n, T): which of the k groups serves a task
        totals.append(test[np.take_along_axis(rows, best, axis=1), np.arange(val.shape[1])].sum(axis=1))
    return float(np.average(np.concatenate(totals), weights=weights))


class Base:
    """Base for 1 … K networks: the lower of a random cover's mean and the best of all together and singles.

    Args:
        members: Groups that random covers are made of, shape ``(G, T)``.
        max_networks: K.
        most: Covers kept of each number of networks, chosen at random; None for all that there are.
        seed: Of the draws.
    """

    def __init__(self, members: Mask, max_networks: int, *, most: int | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        drawn = [random_covers(members, k, rng) for k in range(1, max_networks + 1)]
        kept = [rng.permutation(len(sets))[:most] for sets, _ in drawn]
        self._random = [(sets[rows], weights[rows]) for (sets, weights), rows in zip(drawn, kept, strict=True)]

    def totals(self, covers: Covers) -> Array:
        """Reported totals, shape ``(K,)``; infinite where there is neither."""
        judged = covers.judged
        random = np.array([mean_total(*drawn, judged.val, judged.test) for drawn in self._random])
        return np.asarray(np.fmin(random, covers.reported(judged.plain)))
