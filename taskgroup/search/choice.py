"""The choice among confirmed arms: a baseline unless something is distinguishably better, then the parsimony rule."""

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
    normal,
    scaled,
    seed_weights,
    seeds_to_settle,
    student,
    worst_task,
)
from taskgroup.search.verdict import Lead, n_most

Array = NDArray[np.float64]

MUCH, LITTLE = 0.1, 0.01
"""Merit that is not left to chance, and that may be given away for a lower cost: about 10 % and 1 % of the error."""
HALF = 0.5
"""An arm at so much of the better baseline's cost takes its place for so much of the lead that others need."""


@dataclass(frozen=True)
class Arm:
    """One candidate and its validation errors under each confirmation seed.

    Attributes:
        name: A baseline's, or another.
        architecture: The network.
        cost: Of it.
        errors: Shape ``(n_seeds, n_tasks)``.
        recipe: How it is trained.
        redrawn: Errors under draws of the validation rows, shape ``(n_seeds, n_draws, n_tasks)``, the same draws for
            all arms; None where every seed has rows of its own, or nobody knows.
    """

    name: str
    architecture: Architecture
    cost: Cost
    errors: Array
    recipe: Recipe = field(default_factory=Recipe)
    redrawn: Array | None = None


def expense(cost: Cost, by: Literal["macs", "params"]) -> tuple[float, float]:
    """Cost to compare by: the named ratio first, the other to break ties."""
    both = (cost.macs_ratio, cost.params_ratio)
    return both if by == "macs" else (both[1], both[0])


@dataclass(frozen=True)
class Rule:
    """How one arm is taken from several, given their gains: the same for the runs as they are and for draws of them.

    With g an arm's :func:`merit`, s the paired standard error of the difference of two over seeds and r that over draws
    of the validation rows, t Student's quantile at ``0.5 + level / 2`` and z the normal one:

    1. All-shared stays unless the best arm is distinguishably above it, ``g_best - g_shared > t s``, or by so much that
       staying would be a gamble however uncertain it is, ``MUCH``.
    2. Then the better baseline stays unless another arm that is so too, ``g - g_shared > t s``, leads it by more than
       seeds and rows leave open, ``sqrt((t s)² + (z r)²)`` or ``MUCH``; by more than ``HALF`` of that for at most
       ``HALF`` of its cost.
    3. Of the arms that do: the cheapest whose shortfall against their best is at most s and at most ``LITTLE``.

    A baseline that may not be chosen is not among the arms; without both only the last counts.

    Attributes:
        names: Of the arms among which it chooses, cheapest first.
        costs: Theirs.
        stderr: Standard error of the difference of two arms' merits over the seeds, shape ``(n_arms, n_arms)``.
        quantile: The ``t`` above.
        doubt: Lead over another that seeds and validation rows leave open, the square root above, same shape.

    Source: of the last, the one-standard-error rule, Breiman, Friedman, Olshen and Stone 1984, Classification and
    Regression Trees, section 3.4.3, doi:10.1201/9781315139470. There the standard error is that of the best; runs are
    paired here, and that of the difference says how far the two can be told apart.
    """

    names: tuple[str, ...]
    costs: tuple[float, ...]
    stderr: Array
    quantile: float
    doubt: Array

    def take(self, gains: Array) -> NDArray[np.intp]:
        """Places of the arms that are chosen, one for each row of ``gains``, shape ``(n_draws, n_arms)``."""
        better, ahead = self._baselines(gains)
        rows, best = np.arange(len(gains)), np.where(ahead, gains, -np.inf).argmax(axis=1)
        near = gains[rows, best][:, None] - gains <= np.minimum(self.stderr[best], LITTLE)
        plan = first_of(near & ahead)
        return plan if better is None else np.where(ahead.any(axis=1), plan, better)

    def _baselines(self, gains: Array) -> tuple[NDArray[np.intp] | None, NDArray[np.bool_]]:
        """The baseline that stays, and which arms may take its place, shape ``(n_draws, n_arms)``."""
        there = [self.names.index(name) for name in (SHARED, SEPARATE) if name in self.names]
        ahead = np.ones(gains.shape, dtype=bool)
        ahead[:, there] = False
        if not there:
            return None, ahead
        better = np.array(there, dtype=np.intp)[gains[:, there].argmax(axis=1)]
        lead = gains - gains[np.arange(len(gains)), better][:, None]
        halved = np.array(self.costs) <= HALF * np.array(self.costs)[better][:, None]
        ahead &= lead > np.minimum(self.doubt[better], MUCH) * np.where(halved, HALF, 1.0)
        if SHARED in self.names:
            shared = self.names.index(SHARED)
            above = gains - gains[:, [shared]] > np.minimum(self.quantile * self.stderr[shared], MUCH)
            stays = ~above[np.arange(len(gains)), gains.argmax(axis=1)]
            better[stays], ahead = shared, ahead & above & ~stays[:, None]
        return better, ahead


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


def rule_for(arms: Sequence[Arm], separate: Arm, level: float, by: Literal["macs", "params"]) -> tuple[Rule, Array]:
    """The rule for these arms, and their merits in draws of the seeds, shape ``(n_draws, n_arms)``, cheapest first.

    Args:
        arms: Among which it chooses.
        separate: All-separate, be it among them or not.
        level: As in :func:`choose`.
        by: As in :func:`choose`.
    """
    cheapest_first = sorted(arms, key=lambda arm: expense(arm.cost, by))
    n_seeds = len(separate.errors)
    weights = seed_weights(n_seeds)
    gains = [drawn_gains(weights, arm.errors, separate.errors) for arm in cheapest_first]
    drawn = np.stack([scaled(gain, "log").mean(axis=1) for gain in gains], axis=1)
    stderr, quantile = _stderr(drawn), student(level, n_seeds - 1)
    rule = Rule(
        names=tuple(arm.name for arm in cheapest_first),
        costs=tuple(expense(arm.cost, by)[0] for arm in cheapest_first),
        stderr=stderr,
        quantile=quantile,
        doubt=np.hypot(quantile * stderr, normal(level) * _stderr_of_rows(cheapest_first, separate)),
    )
    return rule, drawn


def _stderr(drawn: Array) -> Array:
    """Of the difference of two arms, from draws of their merits, shape ``(n_draws, n_arms)``."""
    return np.asarray((drawn[:, :, None] - drawn[:, None, :]).std(axis=0))


def _stderr_of_rows(arms: Sequence[Arm], separate: Arm) -> Array:
    """Of the difference of two arms' merits under draws of the validation rows; 0 where nobody knows."""
    if separate.redrawn is None or any(arm.redrawn is None for arm in arms):
        return np.zeros((len(arms), len(arms)))
    redrawn = [arm.redrawn.mean(axis=0) for arm in arms if arm.redrawn is not None]
    gains = [1 - errors / separate.redrawn.mean(axis=0) for errors in redrawn]
    return _stderr(np.stack([scaled(gain, "log").mean(axis=1) for gain in gains], axis=1))


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
    separate = named(arms, SEPARATE)
    rule, _ = rule_for(allowed_arms(arms, limits), separate, level, by)
    merits = [merit(named(arms, name).errors, separate.errors) for name in rule.names]
    return named(arms, rule.names[int(rule.take(np.array([merits]))[0])])


def merit(errors: Array, separate: Array) -> float:
    """Mean over tasks of the logarithm of all-separate's error over the arm's, see :func:`~.statistics.scaled`."""
    return float(scaled(task_gains(errors, separate), "log").mean())


def lead_over(arms: Sequence[Arm], chosen: Arm, limits: Limits, level: float) -> Lead | None:
    """Who is ahead of the chosen arm on validation, and how many seeds would show it; None where it is the best.

    The gain shown is that of the leader against the chosen arm. How many seeds would do follows from what
    :func:`choose` compares, the difference of their merits; none where it is the validation rows that leave it open.
    """
    separate = named(arms, SEPARATE)
    best = max(allowed_arms(arms, limits), key=lambda arm: merit(arm.errors, separate.errors))
    if best is chosen:
        return None
    gain = gain_interval(best.errors, chosen.errors, level=level)
    advantage = gain_interval(best.errors, separate.errors, minus=chosen.errors, level=level, scale="log")
    n_seeds, of_rows = len(chosen.errors), float(_stderr_of_rows([best, chosen], separate)[0, 1])
    in_rows = advantage.above_zero or advantage.mean <= normal(level) * of_rows
    n_more = None if in_rows or gain.mean <= 0 else seeds_to_settle(advantage, n_seeds, level, n_most(n_seeds))
    return Lead(best.name, gain, n_more)


def named(arms: Sequence[Arm], name: str) -> Arm:
    """The arm of that name."""
    return next(arm for arm in arms if arm.name == name)
