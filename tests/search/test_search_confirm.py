"""The choice among confirmed arms, and the evidence that is kept of it."""

from typing import Literal

import numpy as np
import pytest
from search_samples import arm

from taskgroup.core.gain import task_gains
from taskgroup.core.spec import ArmEvidence
from taskgroup.core.task import Task, TaskSet
from taskgroup.errors import TrialError
from taskgroup.groupers.constraints import Constraints
from taskgroup.search.confirm import Arm, TestErrors, arm_evidence, choose, evidence, lead_over
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.statistics import gain_interval

N_SEEDS, N_TASKS = 5, 4
RNG = np.random.default_rng(0)
JITTER = RNG.normal(0, 0.001, (N_SEEDS, N_TASKS))
BASE = 0.3 * (1 + 0.2 * RNG.normal(size=(N_SEEDS, 1))) * np.ones((N_SEEDS, N_TASKS))


def at(name: str, gain: float, ratio: float, params: float = 1.0, shake: float = 1.0) -> Arm:
    """An arm that gains as much on every task, give or take."""
    noise = np.random.default_rng(len(name)).normal(0, 0.001 * shake, BASE.shape)
    return arm(name, BASE * (1 - gain + noise), ratio, params)


def pick(*arms: Arm, limits: Limits | None = None, level: float = 0.9, by: Literal["macs", "params"] = "macs") -> str:
    return choose(arms, limits or Limits(), level, by).name


def test_clearly_best_is_chosen_whatever_it_costs() -> None:
    assert pick(at(SHARED, -0.1, 1), at(SEPARATE, 0, 4), at("trial 7", 0.2, 9), at("trial 8", 0.1, 2)) == "trial 7"


def test_cheapest_of_those_not_distinguishable() -> None:
    arms = (at(SHARED, -0.1, 1), at(SEPARATE, 0, 4), at("trial 7", 0.2, 3), at("trial 10", 0.2001, 2, shake=30))
    assert pick(*arms) == "trial 10"
    assert pick(at(SHARED, 0.1999, 1, shake=30), *arms[1:]) == SHARED


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


def test_a_cheap_arm_over_another_limit_is_not_chosen_for_being_near() -> None:
    arms = (at(SHARED, -0.3, 1), at(SEPARATE, -0.2, 4, 4), at("trial 7", 0.1, 2.0, 1.5, shake=40))
    cheap = at("trial 10", 0.0999, 1.5, 2.0, shake=40)
    assert pick(*arms, cheap) == "trial 10"
    assert pick(*arms, cheap, limits=Limits(params_ratio=1.8)) == "trial 7"


def test_cheapest_by_either_cost_the_other_breaks_ties() -> None:
    arms = (at(SHARED, -0.3, 1), at(SEPARATE, -0.2, 4, 4))
    rivals = (at("trial 7", 0.1, 2.0, 1.5, shake=40), at("trial 10", 0.1, 1.5, 2.0, shake=40))
    assert pick(*arms, *rivals, by="macs") == "trial 10"
    assert pick(*arms, *rivals, by="params") == "trial 7"
    ties = (at("trial 7", 0.1, 2.0, 1.5, shake=40), at("trial 10", 0.1, 2.0, 1.4, shake=40))
    assert pick(*arms, *ties, by="macs") == "trial 10"


def test_a_wider_level_keeps_more_arms_near() -> None:
    arms = (at(SHARED, 0.06, 1, shake=60), at(SEPARATE, 0, 4), at("trial 7", 0.12, 3, shake=40))
    assert {pick(*arms, level=0.55), pick(*arms, level=0.999)} == {"trial 7", SHARED}


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
    arms = (at(SHARED, -1.5, 1, shake=900), at(SEPARATE, 0, 4, shake=900))
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


def test_evidence_of_every_arm_against_both_baselines() -> None:
    arms = (at(SHARED, 0.5, 1), at(SEPARATE, 0, 4), at("trial 7", 0.75, 3))
    found = arm_evidence(arms, arms[2], 0.9)
    assert [(a.name, a.chosen, a.cost.macs_ratio) for a in found] == [
        (SHARED, False, 1),
        (SEPARATE, False, 4),
        ("trial 7", True, 3),
    ]
    assert [a.gain_vs_separate.mean for a in found] == pytest.approx([0.5, 0.0, 0.75], abs=0.01)
    assert [a.gain_vs_shared.mean for a in found] == pytest.approx([0.0, -1.0, 0.5], abs=0.01)
    assert [a.fingerprint for a in found] == [a.architecture.fingerprint for a in arms]


def shown() -> tuple[ArmEvidence, ...]:
    arms = (at(SHARED, -0.1, 1), at(SEPARATE, 0, 4), at("trial 7", 0.2, 3))
    return arm_evidence(arms, arms[2], 0.9)


def test_evidence_is_that_of_the_test_split() -> None:
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="regression") for k in range(N_TASKS)))
    weak = np.array([1.0, 1.0, 1.0, 2.0])
    test = TestErrors(chosen=0.8 * BASE * weak, separate=BASE, shared=1.6 * BASE)
    found = evidence(tasks, shown(), test, (11, 12, 13, 14, 15), 0.9, Limits())
    assert found.split == "test"
    assert found.seeds == (11, 12, 13, 14, 15)
    assert found.gain_vs_separate.mean == pytest.approx((3 * 0.2 - 0.6) / 4)
    assert found.gain_vs_shared.mean == pytest.approx((3 * 0.5 + 0.0) / 4)
    assert found.shared_vs_separate.mean == pytest.approx(-0.6)
    assert [t.gain_vs_separate.mean for t in found.tasks] == pytest.approx([0.2, 0.2, 0.2, -0.6])
    assert found.worst.task == "t3"
    assert found.tasks[3].error == pytest.approx(float((1.6 * BASE[:, 3]).mean()))
    assert found.tasks[3].error_shared == pytest.approx(float((1.6 * BASE[:, 3]).mean()))
    assert found.tasks[3].error_separate == pytest.approx(float(BASE[:, 3].mean()))
    assert found.arms == shown()
