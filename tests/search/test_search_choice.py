"""The choice among confirmed arms, and who is ahead of the chosen one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from search_samples import arm

from taskgroup.bench.confirming.planted import Noise, plant
from taskgroup.core.gain import task_gains
from taskgroup.core.spec import Recipe
from taskgroup.errors import TrialError
from taskgroup.groupers.constraints import Constraints
from taskgroup.search.choice import Arm, Rule, choose, lead_over
from taskgroup.search.confirm import arm_evidence
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.statistics import gain_interval

N_SEEDS, N_TASKS = 5, 4
RNG = np.random.default_rng(0)
BASE = 0.3 * (1 + 0.2 * RNG.normal(size=(N_SEEDS, 1))) * np.ones((N_SEEDS, N_TASKS))
CONTRAST = np.array([1.0, -1.0, 1.0, -1.0, 0.0])[:, None]
"""Over the seeds, with mean 0."""


def at(name: str, gain: float, ratio: float, params: float = 1.0, shake: float = 1.0) -> Arm:
    """An arm that gains as much on every task, give or take."""
    noise = np.random.default_rng(len(name)).normal(0, 0.001 * shake, BASE.shape)
    return arm(name, BASE * (1 - gain + noise), ratio, params)


def swinging(name: str, gain: float, ratio: float, swing: float, base: float = 1.0) -> Arm:
    """An arm whose gain against ``base`` times all-separate swings over the seeds, with stderr ``swing / sqrt(5)``."""
    return arm(name, 0.3 * base * np.ones((N_SEEDS, N_TASKS)) * (1 - gain + swing * CONTRAST), ratio)


FLAT = arm(SEPARATE, 0.3 * np.ones((N_SEEDS, N_TASKS)), 4)


def pick(*arms: Arm, limits: Limits | None = None, level: float = 0.9, by: Literal["macs", "params"] = "macs") -> str:
    return choose(arms, limits or Limits(), level, by).name


def test_clearly_best_is_chosen_whatever_it_costs() -> None:
    assert pick(at(SHARED, -0.1, 1), at(SEPARATE, 0, 4), at("trial 7", 0.2, 9), at("trial 8", 0.1, 2)) == "trial 7"


@pytest.mark.parametrize(("gain", "expected"), [(0.00094, SHARED), (0.00097, "trial 7")])
def test_all_shared_stays_unless_the_best_is_distinguishably_above(gain: float, expected: str) -> None:
    """Student's 2.13 at four degrees of freedom times 0.001 / sqrt(5) is 0.000953; so little is its own logarithm."""
    assert pick(arm(SHARED, FLAT.errors, 1), FLAT, swinging("trial 7", gain, 2, 0.001)) == expected


@pytest.mark.parametrize(("short", "expected"), [(0.00044, "trial 7"), (0.00046, "trial 8")])
def test_the_cheapest_within_one_standard_error_of_the_best(short: float, expected: str) -> None:
    """0.001 / sqrt(5) is 0.000447."""
    shared, best = at(SHARED, -0.5, 1, shake=0), arm("trial 8", FLAT.errors * 0.7, 3)
    assert pick(shared, FLAT, best, swinging("trial 7", -short, 2, 0.001, 0.7)) == expected


def test_the_cheapest_has_to_be_distinguishable_from_all_shared_too() -> None:
    shared, best = arm(SHARED, FLAT.errors, 1), arm("trial 8", FLAT.errors * 0.9, 3)
    assert pick(shared, FLAT, best, swinging("trial 7", 0.093, 2, 0.12)) == "trial 8"
    assert pick(at(SHARED, -0.3, 1), FLAT, best, swinging("trial 7", 0.093, 2, 0.12)) == "trial 7"


def test_one_task_with_a_tiny_error_does_not_decide() -> None:
    """All-separate is a third better on seven tasks; on the eighth, where next to nothing is wrong, luck decides."""
    separate = np.full((N_SEEDS, 8), 0.2)
    shared = np.full((N_SEEDS, 8), 0.3)
    separate[:, 7] = [0.001, 0.01, 0.002, 0.02, 0.001]
    shared[:, 7] = [0.02, 0.001, 0.01, 0.002, 0.03]
    arms = (arm(SHARED, shared, 1), arm(SEPARATE, separate, 8))
    against = gain_interval(shared, separate)
    assert not against.below_zero  # as gains go, anything may be
    assert pick(*arms) == SEPARATE


def test_distinguishable_ones_are_not_near_however_cheap() -> None:
    assert pick(at(SHARED, 0.1, 1), at(SEPARATE, 0, 4), at("trial 7", 0.12, 3)) == "trial 7"


def test_all_separate_may_win() -> None:
    assert pick(at(SHARED, -0.4, 1), at(SEPARATE, 0, 4), at("trial 7", -0.2, 2)) == SEPARATE


def test_arms_over_a_limit_are_not_chosen() -> None:
    arms = (at(SHARED, -0.1, 1), at(SEPARATE, 0, 4, 4), at("trial 7", 0.3, 3, 1.2), at("trial 10", 0.1, 2, 1.5))
    assert pick(*arms) == "trial 7"
    assert pick(*arms, limits=Limits(macs_ratio=2.5)) == "trial 10"
    assert pick(*arms, limits=Limits(params_ratio=1.4)) == "trial 7"
    assert pick(*arms, limits=Limits(macs_ratio=1.0)) == SHARED


def test_arms_that_break_a_rule_are_not_chosen() -> None:
    arms = (at(SHARED, 0.5, 1), at(SEPARATE, 0, 4), at("trial 7", 0.3, 3))
    topology = arms[2].architecture.topology
    parted = (topology.groups(2)[0][0], topology.groups(2)[1][0])
    assert pick(*arms) == SHARED
    assert pick(*arms, limits=Limits(rules=Constraints(max_groups=2, n_groups=2))) == "trial 7"
    assert pick(*arms, limits=Limits(rules=Constraints(cannot_link=(parted,)))) == SEPARATE
    with pytest.raises(TrialError, match=r"no candidate that was trained keeps `propose.constraints`"):
        pick(*arms, limits=Limits(rules=Constraints(n_groups=3)))


def test_an_arm_with_a_task_below_the_floor_is_not_chosen() -> None:
    uneven = arm("trial 7", FLAT.errors * np.array([0.5, 0.5, 0.5, 1.1]), 2)
    shared, fair = arm(SHARED, FLAT.errors * np.array([0.8, 0.8, 0.8, 1.05]), 1), arm("trial 10", FLAT.errors * 0.9, 3)
    arms = (shared, FLAT, uneven, fair)
    assert pick(*arms) == "trial 7"
    assert pick(*arms, limits=Limits(worst_task=-0.07)) == SHARED
    assert pick(*arms, limits=Limits(worst_task=-0.01)) == "trial 10"
    with pytest.raises(TrialError, match=r"has a task that gains less than \+15.0% against all-separate"):
        pick(*arms, limits=Limits(worst_task=0.15))


def test_a_task_within_one_standard_error_of_the_floor_keeps_it() -> None:
    """Its gain is -0.02, the standard error 0.0447."""
    shaky = swinging("trial 7", -0.02, 2, 0.1).errors
    arms = (at(SHARED, -0.9, 1), FLAT, arm("trial 7", np.concatenate([shaky[:, :1], 0.5 * shaky[:, 1:]], axis=1), 2))
    assert pick(*arms, limits=Limits(worst_task=0.02)) == "trial 7"
    assert pick(*arms, limits=Limits(worst_task=-0.01)) == "trial 7"
    with pytest.raises(TrialError):
        pick(*arms, limits=Limits(worst_task=0.04))


def test_cheapest_by_either_cost_the_other_breaks_ties() -> None:
    arms = (at(SHARED, -0.3, 1), at(SEPARATE, -0.2, 4, 4))
    rivals = (at("trial 7", 0.1, 2.0, 1.5, shake=40), at("trial 10", 0.1, 1.5, 2.0, shake=40))
    assert pick(*arms, *rivals, by="macs") == "trial 10"
    assert pick(*arms, *rivals, by="params") == "trial 7"
    ties = (at("trial 7", 0.1, 2.0, 1.5, shake=40), at("trial 10", 0.1, 2.0, 1.4, shake=40))
    assert pick(*arms, *ties, by="macs") == "trial 10"


def test_a_wider_level_keeps_all_shared() -> None:
    arms = (at(SHARED, 0.06, 1, shake=60), at(SEPARATE, 0, 4), at("trial 7", 0.12, 3, shake=40))
    assert (pick(*arms, level=0.55), pick(*arms, level=0.999)) == ("trial 7", SHARED)


def test_the_rule_takes_one_arm_for_each_draw() -> None:
    apart = (np.ones((3, 3)) - np.eye(3)) / 200
    rule = Rule((SHARED, "a", "b"), (1.0, 2.0, 3.0), apart, 2.0, apart)
    gains = np.array([[0.0, 1.5, 1.9], [0.0, 1.5, 3.0], [0.0, 2.6, 3.0], [0.0, 2.5, 2.0], [1.0, 0.0, 0.5]]) / 200
    assert [rule.names[k] for k in rule.take(gains)] == [SHARED, "b", "a", "a", SHARED]
    free = Rule(("a", "b"), (1.0, 2.0), apart[1:, 1:], 2.0, apart[1:, 1:])
    assert [free.names[k] for k in free.take(gains[:, 1:])] == ["a", "b", "a", "a", "a"]


def test_however_uncertain_much_is_not_left_and_little_is_given_away() -> None:
    apart = np.ones((3, 3)) - np.eye(3)
    rule = Rule((SHARED, "a", "b"), (1.0, 2.0, 3.0), apart, 2.0, apart)
    gains = np.array([[0.0, 0.02, 0.09], [0.0, 0.02, 0.11], [0.0, 0.131, 0.14], [0.0, 0.12, 0.14], [0.1, 0.0, 0.02]])
    assert [rule.names[k] for k in rule.take(gains)] == [SHARED, "b", "a", "b", SHARED]


APART = (np.ones((4, 4)) - np.eye(4)) / 100
"""Standard errors of 0.01 between any two of four arms."""


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((-0.05, 0.011, 0.0, 0.015), "a"),  # at half of all-separate's cost half of 0.02 is enough
        ((-0.05, 0.009, 0.0, 0.019), SEPARATE),
        ((-0.05, 0.009, 0.0, 0.021), "b"),
        ((-0.05, 0.015, 0.0, 0.021), "a"),  # the cheapest within 0.01 of the best that may take its place
        ((0.0, 0.015, -0.01, 0.019), SHARED),
        ((0.0, 0.015, 0.01, 0.031), "b"),
        ((0.0, 0.025, 0.012, 0.029), "a"),  # not `b`, but `a` halves the cost
        ((0.0, 0.019, 0.012, 0.029), SEPARATE),  # were it not for all-shared
        ((0.0, -0.02, 0.012, 0.029), SEPARATE),  # better than all-shared for sure, but how?
    ],
)
def test_the_better_baseline_stays_where_rows_leave_it_open(gains: tuple[float, ...], expected: str) -> None:
    rule = Rule((SHARED, "a", SEPARATE, "b"), (1.0, 2.0, 4.0, 4.5), APART, 2.0, 2 * APART)
    assert [rule.names[k] for k in rule.take(np.array([gains]))] == [expected]


def with_rows(name: str, gain: float, ratio: float, luck: float) -> Arm:
    """An arm whose gain is the same in all seeds, and in half of the draws of the rows ``luck`` more or less."""
    errors = 0.3 * np.ones((N_SEEDS, N_TASKS)) * (1 - gain)
    drawn = 0.3 * (1 - gain - luck * np.array([1.0, -1.0, 1.0, -1.0]))[:, None] * np.ones(N_TASKS)
    return replace(arm(name, errors, ratio), redrawn=np.tile(drawn, (N_SEEDS, 1, 1)))


@pytest.mark.parametrize(("luck", "expected"), [(0.0119, "trial 7"), (0.0122, SEPARATE)])
def test_a_lead_has_to_be_more_than_the_luck_of_the_validation_rows(luck: float, expected: str) -> None:
    """The normal quantile 1.645 times 0.0122 is just above the lead of 0.02."""
    arms = (with_rows(SHARED, -0.2, 1, 0.0), with_rows(SEPARATE, 0, 4, 0.0), with_rows("trial 7", 0.02, 3, luck))
    assert pick(*arms) == expected
    assert pick(*(replace(arm, redrawn=None) for arm in arms)) == "trial 7"
    lead = lead_over(arms, arms[1], Limits(), 0.9)
    assert lead is not None
    assert lead.n_more is None  # seeds have settled it; rows have not


def test_seeds_that_would_settle_a_lead_are_named_unless_it_is_the_rows() -> None:
    arms = [arm(SHARED, FLAT.errors, 1), FLAT, swinging("trial 7", 0.065, 2, 0.1)]
    known, same, hidden = (
        lead_over(those, those[0], Limits(), 0.9) for those in (arms, drawn(arms, 0.001), drawn(arms, 0.1))
    )
    assert known is not None
    assert known.n_more
    assert same == known
    assert hidden == replace(known, n_more=None)


def drawn(arms: Sequence[Arm], luck: float) -> list[Arm]:
    """The same arms with draws of the rows that differ by about ``luck``, drawn for each arm alone."""
    found = []
    for k, one in enumerate(arms):
        factor = 1 + luck * np.random.default_rng(k).normal(size=(1, 50, 1))
        found.append(replace(one, redrawn=one.errors[:, None, :] * factor))
    return found


def test_lead_names_the_best_arm_and_is_none_for_the_best() -> None:
    arms = (at(SHARED, 0.1, 1, shake=80), at(SEPARATE, 0, 4), at("trial 7", 0.12, 3, shake=80))
    lead = lead_over(arms, arms[0], Limits(), 0.9)
    assert lead is not None
    assert lead.name == "trial 7"
    assert lead.gain == gain_interval(arms[2].errors, arms[0].errors, level=0.9)
    assert lead_over(arms, arms[2], Limits(), 0.9) is None
    limited = lead_over(arms, arms[0], Limits(macs_ratio=2), 0.9)
    assert limited is None


def test_a_lead_is_a_gain_and_never_above_all_of_the_error() -> None:
    """Turning round the sign of the other's gain would say +150 %."""
    arms = (at(SHARED, -1.5, 1, shake=250), at(SEPARATE, 0, 4, shake=250))
    lead = lead_over(arms, arms[0], Limits(), 0.99)
    assert lead is not None
    assert lead.gain.mean == pytest.approx(float(task_gains(arms[1].errors, arms[0].errors).mean()))
    assert 0.4 < lead.gain.mean < 1
    shown = next(a for a in arm_evidence(arms, arms[0], 0.99) if a.name == SEPARATE)
    assert lead.gain == shown.gain_vs_shared


def test_few_seeds_are_not_the_end_of_the_search_for_more() -> None:
    """From two seeds on, up to twenty are worth naming."""
    arms = (arm(SHARED, [[1.0] * 4, [1.6] * 4], 1), arm(SEPARATE, np.ones((2, 4)), 4))
    lead = lead_over(arms, arms[0], Limits(), 0.9)
    assert lead is not None
    assert lead.n_more is not None
    assert 6 < lead.n_more <= 18  # more than four times as many as there are


def test_an_arm_is_trained_as_the_job_says_unless_told() -> None:
    assert FLAT.recipe == Recipe()


def test_little_gain_is_given_away_for_a_lower_cost() -> None:
    """Taking the cheapest that is not distinguishable from the best would give away more.

    True mean gains: a best plan of 0.1, cheaper ones of 0.07 and 0.02, all-shared -0.05; tasks differ by 0.1.
    """
    rng = np.random.default_rng(5)
    mean, costs, lost = np.array([-0.05, 0.0, 0.1, 0.07, 0.02]), (1.0, 4.0, 3.0, 2.0, 1.5), []
    for _ in range(150):
        gains = mean[:, None] + rng.normal(0, 0.1, (5, 8)) * (np.arange(5) != 1)[:, None]
        errors, _ = plant(rng, gains, 5, Noise())
        names = (SHARED, SEPARATE, "trial 1", "trial 2", "trial 3")
        arms = [arm(name, e, cost) for name, e, cost in zip(names, errors, costs, strict=True)]
        lost.append(
            gains.mean(axis=1).max() - gains.mean(axis=1)[names.index(choose(arms, Limits(), 0.9, "macs").name)]
        )
    assert np.mean(lost) < 0.02
