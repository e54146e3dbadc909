"""The winner's curse: what the choice of the best of several adds to the gain that is reported of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.gain import Interval, task_gains
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.search.choice import Arm, Rule, allowed_arms, named, rule_for
from taskgroup.search.limits import Limits
from taskgroup.search.statistics import drawn_gains, seed_weights

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TestErrors:
    """Errors on the test split, each of shape ``(n_seeds, n_tasks)``."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    chosen: Array
    separate: Array
    shared: Array


@dataclass(frozen=True)
class Optimism:
    """By how much the chosen arm's test gains are too high on average, for having been chosen."""

    against_separate: float = 0.0
    against_shared: float = 0.0


def less(gain: Interval, optimism: float) -> Interval:
    """The interval moved down by the optimism."""
    return Interval(mean=gain.mean - optimism, low=gain.low - optimism, high=gain.high - optimism)


def optimism(
    arms: Sequence[Arm],
    chosen: Arm,
    test: TestErrors,
    limits: Limits,
    level: float,
    by: Literal["macs", "params"],
) -> Optimism:
    """Mean optimism of the reported test gains, by doing the choice again in every draw of the seeds.

    Test gains come from the same networks as the validation gains by which the arm was chosen: seeds that were lucky
    for it are in both. With ``v(a)`` the validation gain of arm a, ``v_b(a)`` the same in draw b of the seeds and
    ``a_b`` what the rule takes in that draw, the optimism on validation is::

        O = mean over draws b in B of  v_b(a_b) - v(a_b)

    B being the draws in which the answer is of the same kind as the real one: all-shared, all-separate or a plan. In
    them the runs that are there play the truth and the draws play the runs; plans a little worse than they are, since a
    margin made them win. Test errors of arms that were not chosen are not known and need not be: what carries over to
    the test split is the share that the chosen arm's test gain follows its validation gain from draw to draw, a
    regression through the origin over both baselines c::

        beta = sum_bc (t_bc - t_c) (v_bc - v_c) / sum_bc (v_bc - v_c)²        within 0 and 1

    and ``beta * O`` is what is too much, or 0 if that is negative: no gain is raised for having been chosen. Where
    choice and report rest on the same luck beta is 1, where the test split has none of it 0. What draws of the same
    few seeds cannot see remains: under a true null of many equal arms most of the bias is removed, not all (tested).

    Args:
        arms: All that were compared, as given to :func:`~taskgroup.search.choice.choose`.
        chosen: The outcome.
        test: Test errors of the chosen arm and both baselines.
        limits: As given to ``choose``.
        level: As given to ``choose``.
        by: As given to ``choose``.

    Source: bias of a minimum by resampling, Tibshirani and Tibshirani 2009, doi:10.1214/08-AOAS224; a bootstrap in
    which the choice is made again, Efron 2014, doi:10.1080/01621459.2013.823775, and for the best of many
    configurations Tsamardinos, Greasidou and Borboudakis 2018, doi:10.1007/s10994-018-5714-4. The slope is ours.
    """
    separate, shared = named(arms, SEPARATE).errors, named(arms, SHARED).errors
    rule, gains = rule_for(allowed_arms(arms, limits), named(arms, SEPARATE), level, by)
    taken, alike = _again(rule, gains, _kind(chosen.name))
    if not alike.any():
        return Optimism()
    candidates = [named(arms, name).errors for name in rule.names]
    beta = _carried_over(chosen.errors, test, separate, shared)
    excess = [_excess(candidates, reference, taken, alike) for reference in (separate, shared)]
    return Optimism(*(beta * max(0.0, one) for one in excess))


def _again(rule: Rule, gains: Array, kind: str) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """What each draw takes, and whether that is of this kind.

    A plan had to pass the better baseline by a margin, which it passes too easily in draws about gains that did. So all
    plans are first moved down by their mean excess in the draws that count: once, for more than that adds more spread
    than it takes off bias.
    """
    kinds = np.array([_kind(name) for name in rule.names])
    taken = rule.take(gains)
    alike = kinds[taken] == kind
    if kind != "plan" or not alike.any():
        return taken, alike
    excess = gains[np.arange(len(gains)), taken] - gains.mean(axis=0)[taken]
    taken = rule.take(gains - max(0.0, float(excess[alike].mean())) * (kinds == "plan"))
    return taken, kinds[taken] == kind


def _kind(name: str) -> str:
    return name if name in (SEPARATE, SHARED) else "plan"


def _shifts(errors: Array, reference: Array) -> Array:
    """Mean gain in each draw less the mean gain as it is, shape ``(n_draws,)``."""
    drawn = drawn_gains(seed_weights(len(errors)), errors, reference).mean(axis=1)
    return np.asarray(drawn - task_gains(errors, reference).mean())


def _excess(candidates: Sequence[Array], reference: Array, taken: NDArray[np.intp], alike: NDArray[np.bool_]) -> float:
    """Mean shift of what each draw took, over the draws that count."""
    shifts = np.stack([_shifts(errors, reference) for errors in candidates])
    return float(shifts[taken, np.arange(len(taken))][alike].mean())


def _carried_over(chosen: Array, test: TestErrors, separate: Array, shared: Array) -> float:
    """Slope of the chosen arm's test gains on its validation gains over draws of the seeds."""
    seen = np.concatenate([_shifts(chosen, separate), _shifts(chosen, shared)])
    told = np.concatenate([_shifts(test.chosen, test.separate), _shifts(test.chosen, test.shared)])
    spread = float(seen @ seen)
    return min(max(float(seen @ told) / spread, 0.0), 1.0) if spread > 0 else 0.0
