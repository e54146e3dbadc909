"""Intervals of paired gains: a bootstrap over seeds, and over tasks where other tasks are meant."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from taskgroup.core.gain import Interval, task_gains
from taskgroup.errors import InputError

Array = NDArray[np.float64]

CHANCE = 0.8
"""With which the seeds that :func:`seeds_to_settle` names are to be enough."""

Scale = Literal["gain", "log"]

N_DRAWS = 2000
"""Draws of a bootstrap: its standard error is known to 1.6 %."""


def student(level: float, freedom: float) -> float:
    """Student's quantile ``t_freedom(0.5 + level / 2)``: so many standard errors is half of a two-sided interval."""
    return float(special.stdtrit(freedom, 0.5 + level / 2))


def normal(level: float) -> float:
    """The same for a standard error that is known."""
    return float(special.ndtri(0.5 + level / 2))


@dataclass(frozen=True)
class Estimate:
    """A mean gain and how well it is known.

    Attributes:
        mean: The estimate.
        stderr: Its standard error.
        freedom: Degrees of freedom behind the standard error.
    """

    mean: float
    stderr: float
    freedom: float

    def interval(self, level: float) -> Interval:
        """``mean ± t_freedom(0.5 + level / 2) * stderr``, Student's quantile."""
        margin = student(level, self.freedom) * self.stderr
        return Interval(mean=self.mean, low=self.mean - margin, high=self.mean + margin)


def seed_weights(n_seeds: int, n_draws: int = N_DRAWS, seed: int = 0) -> Array:
    """Weights of the seeds in each draw of the bootstrap, rows that sum to 1, shape ``(n_draws, n_seeds)``.

    ``n_seeds - 1`` of the ``n_seeds`` are drawn with replacement, so that the variance of a draw's mean is the
    unbiased ``s² / n_seeds`` and not smaller by a factor ``1 - 1 / n_seeds``: with three seeds that is a third.

    Source: Rao and Wu 1988, doi:10.1080/01621459.1988.10478591.
    """
    return _weights(n_seeds, n_draws, seed)


@lru_cache(maxsize=64)
def _weights(n_seeds: int, n_draws: int, seed: int) -> Array:
    if n_seeds < 2:
        raise InputError(f"a gain's interval takes two paired seeds at least, found {n_seeds}; raise `confirm.seeds`")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_seeds - 1, np.full(n_seeds, 1 / n_seeds), size=n_draws) / (n_seeds - 1)
    drawn.flags.writeable = False  # it is kept for other callers
    return np.asarray(drawn, dtype=np.float64)


def drawn_gains(weights: Array, errors: Array, reference: Array) -> Array:
    """Gain of each task in each draw of the seeds, the ratio of means as in :func:`~taskgroup.core.gain.task_gains`.

    ``1 - sum_s w_s err_s / sum_s w_s err_reference_s``

    Args:
        weights: Shape ``(n_draws, n_seeds)``.
        errors: Shape ``(n_seeds, n_tasks)``.
        reference: The same for the reference.

    Returns:
        Shape ``(n_draws, n_tasks)``. Cost: ``n_draws * n_seeds * n_tasks`` multiply-accumulates, twice.
    """
    return np.asarray(1.0 - (weights @ errors) / (weights @ reference))


def scaled(gains: Array, scale: Scale) -> Array:
    """Gains as they are, or on the scale of the logarithm: ``-log(1 - gain)``, that of the ratio of errors.

    A gain is at most 1 and may be any loss: where a task's error is small by luck, one run of another network counts
    many times its error there, and outweighs all other tasks. Logarithms of ratios are symmetric, and nearly the gain
    where that is small.
    """
    return gains if scale == "gain" else -np.log1p(-gains)


def gain_estimate(
    errors: Array,
    reference: Array,
    *,
    minus: Array | None = None,
    over: Literal["seeds", "tasks"] = "seeds",
    scale: Scale = "gain",
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Estimate:
    """Mean over tasks of ``1 - err / err_reference``, runs paired by seed, by a hierarchical bootstrap.

    ``over="seeds"``: the gain on *these* tasks. Seeds are drawn, tasks are not: a plan says how these tasks share, so
    that they are all the tasks there are, and that they gain differently is no doubt about their mean. The variance is
    that of the mean gain over the draws, ``V_s``, with ``S - 1`` degrees of freedom for ``S`` seeds.

    ``over="tasks"``: the gain on tasks *like these*, of which these are a sample. With ``g_t`` the gain of task t and
    ``g_bt`` the same in draw b of the seeds::

        V_s = var_b(mean_t g_bt)                    seeds, and the noise of single runs / (S T)
        V_t = var_t(g_t) / T                        tasks, and the noise of single runs / (S T)
        V_r = mean_b var_t(g_bt - g_t) / T          the noise of single runs / (S T), which both have counted
        V   = max(V_s + V_t - V_r, V_s, V_t)

    with Satterthwaite's degrees of freedom ``V² / (V_s² / (S-1) + V_t² / (T-1) + V_r² / ((S-1) (T-1)))``, or those of
    the one part where V is that part.

    Args:
        errors: Positive errors, shape ``(n_seeds, n_tasks)``, at least two seeds.
        reference: Errors of the reference under the same seeds, same shape.
        minus: If given, the estimate is of the gain of ``errors`` less the gain of ``minus``.
        over: What the gain is to hold for besides other seeds: ``seeds``, nothing; ``tasks``, other tasks too.
        scale: Of the gains of single tasks before their mean, see :func:`scaled`.
        n_draws: Bootstrap draws.
        seed: Of the draws.

    Raises:
        InputError: Fewer than two seeds, or two tasks where other tasks are meant.

    Source: two-way errors, Cameron, Gelbach and Miller 2011, doi:10.1198/jbes.2010.07136, and Owen 2007,
    doi:10.1214/07-AOAS122 (whose bootstrap of both at once counts the noise three times); Satterthwaite 1946,
    doi:10.2307/3002019.
    """
    weights = seed_weights(len(errors), n_draws, seed)
    here, drawn = (
        scaled(gains, scale) for gains in (task_gains(errors, reference), drawn_gains(weights, errors, reference))
    )
    if minus is not None:
        here = here - scaled(task_gains(minus, reference), scale)
        drawn = drawn - scaled(drawn_gains(weights, minus, reference), scale)
    of_seeds = float(drawn.mean(axis=1).var())
    if over == "seeds":
        return Estimate(float(here.mean()), of_seeds**0.5, len(errors) - 1)
    return _for_like_tasks(here, drawn, of_seeds, len(errors))


def _for_like_tasks(here: Array, drawn: Array, of_seeds: float, n_seeds: int) -> Estimate:
    """The same with a variance for other tasks than these."""
    n_tasks = len(here)
    if n_tasks < 2:
        raise InputError(f"a gain on tasks like these takes two tasks at least, found {n_tasks}; ask for these tasks")
    of_tasks = float(here.var(ddof=1)) / n_tasks
    of_runs = float((drawn - here).var(axis=1, ddof=1).mean()) / n_tasks
    parts = {n_seeds - 1: of_seeds} if of_seeds >= of_tasks else {n_tasks - 1: of_tasks}
    (freedom, variance) = next(iter(parts.items()))
    both = of_seeds + of_tasks - of_runs
    if both > variance:
        known = of_seeds**2 / (n_seeds - 1) + of_tasks**2 / (n_tasks - 1) + of_runs**2 / (n_seeds - 1) / (n_tasks - 1)
        return Estimate(float(here.mean()), both**0.5, max(both**2 / known, 1.0))
    return Estimate(float(here.mean()), variance**0.5, freedom)


def gain_interval(
    errors: Array,
    reference: Array,
    *,
    minus: Array | None = None,
    level: float = 0.9,
    over: Literal["seeds", "tasks"] = "seeds",
    scale: Scale = "gain",
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Interval:
    """Interval of a mean gain: :func:`gain_estimate`, plus or minus Student's quantile of its standard errors.

    Percentiles of the draws would be too narrow with three to ten seeds. Formula, arguments and source are those of
    :func:`gain_estimate`; ``level`` is the coverage.
    """
    found = gain_estimate(errors, reference, minus=minus, over=over, scale=scale, n_draws=n_draws, seed=seed)
    return found.interval(level)


def worst_task(errors: Array, separate: Array) -> float:
    """What the task that loses most against all-separate may yet gain: ``min_t (gain_t + stderr_t)``.

    An arm breaks a floor on every task's gain where this lies below the floor: some task's paired gain is then below
    it by more than its own standard error. With many tasks and few seeds one of them may be so by chance; the rule
    errs on the side of the task.

    Args:
        errors: Shape ``(n_seeds, n_tasks)``.
        separate: Errors of all-separate under the same seeds.
    """
    drawn = drawn_gains(seed_weights(len(errors)), errors, separate)
    return float((task_gains(errors, separate) + drawn.std(axis=0)).min())


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

    Source: the usual size of a sample for a given power, e.g. Cohen 1988, doi:10.4324/9780203771587, chapter 2.
    """
    if advantage.above_zero:
        return 0
    spread = (advantage.mean - advantage.low) / student(level, n_seeds - 1) * n_seeds**0.5
    moves = float(special.ndtri(CHANCE))
    for n in range(n_seeds + 1, n_most + 1):
        if advantage.mean > (student(level, n - 1) + moves) * spread / n**0.5:
            return n - n_seeds
    return None
