"""Intervals of paired gains: a bootstrap over seeds and tasks, widened for few seeds."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from taskgroup.core.gain import Interval, task_gains

Array = NDArray[np.float64]

CHANCE = 0.8
"""With which the seeds that :func:`seeds_to_settle` names are to be enough."""


def gain_interval(
    errors: Array,
    reference: Array,
    *,
    minus: Array | None = None,
    level: float = 0.9,
    n_draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean over tasks of ``1 - err / err_reference`` with an interval, runs paired by seed.

    Seeds and tasks are drawn with replacement, one fewer than there are (so that the variance of a draw's mean is
    unbiased, Rao and Wu 1988, doi:10.1080/01621459.1988.10478591). The interval is the estimate plus or minus the
    bootstrap standard error times Student's quantile with ``n_seeds - 1`` degrees of freedom: with three to ten
    seeds percentiles of the draws would be too narrow.

    Args:
        errors: Shape ``(n_seeds, n_tasks)``, at least two seeds.
        reference: Errors of the reference under the same seeds, same shape.
        minus: If given, the interval is that of the gain of ``errors`` less the gain of ``minus``.
        level: Coverage of the interval.
        n_draws: Bootstrap draws.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    n_seeds, n_tasks = errors.shape
    seeds = rng.integers(n_seeds, size=(n_draws, max(n_seeds - 1, 1)))
    tasks = rng.integers(n_tasks, size=(n_draws, max(n_tasks - 1, 1)))

    def difference(e: Array, r: Array, m: Array | None) -> Array:
        gains = task_gains(e, r)
        return gains if m is None else gains - task_gains(m, r)

    drawn = difference(errors[seeds], reference[seeds], None if minus is None else minus[seeds])
    means = np.take_along_axis(drawn, tasks, axis=1).mean(axis=1) if n_tasks > 1 else drawn.mean(axis=1)
    estimate = float(difference(errors, reference, minus).mean())
    margin = float(stats.t.ppf(0.5 + level / 2, max(n_seeds - 1, 1)) * means.std())
    return Interval(mean=estimate, low=estimate - margin, high=estimate + margin)


def seeds_to_settle(advantage: Interval, n_seeds: int, level: float, n_most: int) -> int | None:
    """How many seeds more would probably put an advantage that is not distinguishable from zero above it.

    Takes mean and spread as they are: the least ``n`` with ``mean > (t_{n-1} + z) * spread / sqrt(n)``, Student's
    quantile for the width of the interval and the normal ``z`` of ``CHANCE`` because the mean will move as well. A
    rough answer, for planning, and the rougher the fewer seeds the spread comes from.

    Args:
        advantage: Interval from ``n_seeds`` seeds.
        n_seeds: Seeds behind it.
        level: Its coverage.
        n_most: Look no further than so many seeds in all.

    Returns:
        Further seeds, 0 where the interval lies above zero already, None where ``n_most`` would not do.
    """
    if advantage.above_zero:
        return 0
    tail = 0.5 + level / 2
    spread = (advantage.mean - advantage.low) / float(stats.t.ppf(tail, n_seeds - 1)) * n_seeds**0.5
    moves = float(stats.norm.ppf(CHANCE))
    for n in range(n_seeds + 1, n_most + 1):
        if advantage.mean > (float(stats.t.ppf(tail, n - 1)) + moves) * spread / n**0.5:
            return n - n_seeds
    return None
