"""The choice among confirmed arms: all-shared unless something is distinguishably better, then the parsimony rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.gain import task_gains
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.spec import Architecture, Cost, Recipe
from taskgroup.errors import TrialError
from taskgroup.search.limits import Limits
from taskgroup.search.statistics import (
    drawn_gains,
    gain_interval,
    scaled,
    seed_weights,
    seeds_to_settle,
    student,
    worst_task,
)
from taskgroup.search.verdict import Lead, n_most

Array = NDArray[np.float64]

MUCH, LITTLE = 0.1, 0.05
"""Merit that is not left to chance, and that may be given away for a lower cost: about 10 % and 5 % of the error."""


@dataclass(frozen=True)
class Arm:
    """One candidate with its validation errors under each confirmation seed, shape ``(n_seeds, n_tasks)``."""

    name: str
    architecture: Architecture
    cost: Cost
    errors: Array
    recipe: Recipe = field(default_factory=Recipe)


def expense(cost: Cost, by: Literal["macs", "params"]) -> tuple[float, float]:
    """Cost to compare by: the named ratio first, the other to break ties."""
    both = (cost.macs_ratio, cost.params_ratio)
    return both if by == "macs" else (both[1], both[0])


@dataclass(frozen=True)
class Rule:
    """How one arm is taken from several, given their gains: the same for the runs as they are and for draws of them.

    With g an arm's :func:`merit`, s the paired standard error of the difference of two and t Student's quantile at
    ``0.5 + level / 2``: all-shared stays unless the best arm is distinguishably above it, ``g_best - g_shared > t s``,
    or by so much that staying would be a gamble however uncertain it is, ``MUCH``. Otherwise the cheapest arm that is
    so too, and whose shortfall ``g_best - g`` is at most one s and at most ``LITTLE``, so that little gain is given
    away for a lower cost. Without all-shared among the arms only the last counts.

    Attributes:
        names: Of the arms among which it chooses, cheapest first.
        stderr: Paired standard error of the difference of two arms' gains, shape ``(n_arms, n_arms)``.
        quantile: The ``t`` above.

    Source: the one-standard-error rule, Breiman, Friedman, Olshen and Stone 1984, Classification and Regression
    Trees, section 3.4.3, doi:10.1201/9781315139470. There the standard error is that of the best; runs are paired
    here, and that of the difference says how far the two can be told apart.
    """

    names: tuple[str, ...]
    stderr: Array
    quantile: float

    def take(self, gains: Array) -> NDArray[np.intp]:
        """Places of the arms that are chosen, one for each row of ``gains``, shape ``(n_draws, n_arms)``."""
        rows = np.arange(len(gains))
        best = gains.argmax(axis=1)
        near = gains[rows, best][:, None] - gains <= np.minimum(self.stderr[best], LITTLE)
        if SHARED not in self.names:
            return first_of(near)
        shared = self.names.index(SHARED)
        above = gains - gains[:, [shared]] > np.minimum(self.quantile * self.stderr[shared], MUCH)
        return np.where(above[rows, best], first_of(near & above), shared)


def first_of(those: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Place of the first true entry of each row."""
    return np.asarray(those.argmax(axis=1), dtype=np.intp)


def allowed_arms(arms: Sequence[Arm], limits: Limits) -> list[Arm]:
    """Arms within limits and rules, none of whose tasks is below the floor by more than its standard error.

    Args:
        arms: With all-separate among them.
        limits: On cost, rules for the topology, and the floor ``worst_task`` on every task's gain.

    Raises:
        TrialError: None is left.
    """
    kept = [arm for arm in arms if limits.allow(arm.architecture, arm.cost)]
    if not kept:
        raise TrialError(
            "confirm: no candidate that was trained keeps `propose.constraints` and `limits`; loosen them, or give "
            "search more trials"
        )
    broken = below_floor(kept, limits, named(arms, SEPARATE).errors)
    above = [arm for arm in kept if arm.name not in broken]
    if not above:
        raise TrialError(
            f"confirm: every candidate that keeps `propose.constraints` and `limits` has a task that gains less than "
            f"{limits.worst_task:+.1%} against all-separate; lower `limits.worst_task`, or allow more cost"
        )
    return above


def below_floor(arms: Sequence[Arm], limits: Limits, separate: Array) -> frozenset[str]:
    """Names of the arms some task of which is below ``limits.worst_task``, see :func:`~.statistics.worst_task`."""
    floor = limits.worst_task
    return frozenset(arm.name for arm in arms if floor is not None and worst_task(arm.errors, separate) < floor)


def rule_for(arms: Sequence[Arm], separate: Array, level: float, by: Literal["macs", "params"]) -> tuple[Rule, Array]:
    """The rule for these arms, and their merits in draws of the seeds, shape ``(n_draws, n_arms)``, cheapest first."""
    cheapest_first = sorted(arms, key=lambda arm: expense(arm.cost, by))
    n_seeds = len(separate)
    weights = seed_weights(n_seeds)
    gains = [drawn_gains(weights, arm.errors, separate) for arm in cheapest_first]
    drawn = np.stack([scaled(gain, "log").mean(axis=1) for gain in gains], axis=1)
    stderr = (drawn[:, :, None] - drawn[:, None, :]).std(axis=0)
    return Rule(tuple(arm.name for arm in cheapest_first), stderr, student(level, n_seeds - 1)), drawn


def choose(arms: Sequence[Arm], limits: Limits, level: float, by: Literal["macs", "params"]) -> Arm:
    """The arm that :class:`Rule` takes among those allowed, by :func:`merit` on validation.

    Args:
        arms: Finalists and both baselines, named ``all-shared`` and ``all-separate``.
        limits: Arms that break one are compared with but not chosen.
        level: At which an arm has to be distinguishable from all-shared.
        by: What "cheapest" means.

    Raises:
        TrialError: No arm keeps limits, rules and floor.
    """
    separate = named(arms, SEPARATE).errors
    rule, _ = rule_for(allowed_arms(arms, limits), separate, level, by)
    merits = [merit(named(arms, name).errors, separate) for name in rule.names]
    return named(arms, rule.names[int(rule.take(np.array([merits]))[0])])


def merit(errors: Array, separate: Array) -> float:
    """Mean over tasks of the logarithm of all-separate's error over the arm's, see :func:`~.statistics.scaled`."""
    return float(scaled(task_gains(errors, separate), "log").mean())


def lead_over(arms: Sequence[Arm], chosen: Arm, limits: Limits, level: float) -> Lead | None:
    """Who is ahead of the chosen arm on validation, and how many seeds would show it; None where it is the best.

    The gain shown is that of the leader against the chosen arm. How many seeds would do follows from what
    :func:`choose` compares, the difference of their merits.
    """
    separate = named(arms, SEPARATE).errors
    best = max(allowed_arms(arms, limits), key=lambda arm: merit(arm.errors, separate))
    if best is chosen:
        return None
    gain = gain_interval(best.errors, chosen.errors, level=level)
    advantage = gain_interval(best.errors, separate, minus=chosen.errors, level=level, scale="log")
    n_seeds = len(chosen.errors)
    n_more = seeds_to_settle(advantage, n_seeds, level, n_most(n_seeds)) if gain.mean > 0 else None
    return Lead(best.name, gain, n_more)


def named(arms: Sequence[Arm], name: str) -> Arm:
    """The arm of that name."""
    return next(arm for arm in arms if arm.name == name)
