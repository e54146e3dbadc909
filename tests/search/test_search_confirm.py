"""The evidence that is kept of a choice among confirmed arms."""

import numpy as np
import pytest
from search_samples import arm

from taskgroup.core.spec import ArmEvidence
from taskgroup.core.task import Task, TaskSet
from taskgroup.search.confirm import Arm, Optimism, TestErrors, arm_evidence, evidence
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED

N_SEEDS, N_TASKS = 5, 4
RNG = np.random.default_rng(0)
BASE = 0.3 * (1 + 0.2 * RNG.normal(size=(N_SEEDS, 1))) * np.ones((N_SEEDS, N_TASKS))


def at(name: str, gain: float, ratio: float, params: float = 1.0, shake: float = 1.0) -> Arm:
    """An arm that gains as much on every task, give or take."""
    noise = np.random.default_rng(len(name)).normal(0, 0.001 * shake, BASE.shape)
    return arm(name, BASE * (1 - gain + noise), ratio, params)


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


TASKS = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="regression") for k in range(N_TASKS)))
SEEDS = (11, 12, 13, 14, 15)


def test_mean_gains_are_less_what_the_choice_adds_and_tasks_are_as_measured() -> None:
    test = TestErrors(chosen=0.8 * BASE, separate=BASE, shared=1.6 * BASE)
    plain = evidence(TASKS, shown(), test, SEEDS, 0.9, Limits())
    found = evidence(TASKS, shown(), test, SEEDS, 0.9, Limits(), excess=Optimism(0.05, 0.1))
    assert found.gain_vs_separate.mean == pytest.approx(0.15)
    assert found.gain_vs_shared.mean == pytest.approx(0.4)
    assert found.gain_vs_shared.high - found.gain_vs_shared.low == pytest.approx(
        plain.gain_vs_shared.high - plain.gain_vs_shared.low
    )
    assert found.tasks == plain.tasks
    assert found.shared_vs_separate == plain.shared_vs_separate
    assert "less what having been chosen adds to them" in found.verdict.text
    assert "having been chosen" not in plain.verdict.text


def test_the_verdict_rests_on_the_corrected_gains() -> None:
    test = TestErrors(chosen=0.97 * BASE, separate=BASE, shared=1.6 * BASE)
    assert evidence(TASKS, shown(), test, SEEDS, 0.9, Limits()).verdict.code == "better_than_both"
    excess = Optimism(0.03, 0.0)
    assert evidence(TASKS, shown(), test, SEEDS, 0.9, Limits(), excess=excess).verdict.code == "as_good_as_separate"


def test_a_baseline_below_the_floor_is_no_rival() -> None:
    test = TestErrors(chosen=0.8 * BASE, separate=BASE, shared=0.7 * BASE)
    assert evidence(TASKS, shown(), test, SEEDS, 0.9, Limits()).verdict.code == "share_everything"
    found = evidence(TASKS, shown(), test, SEEDS, 0.9, Limits(worst_task=0.0), broken=frozenset({SHARED})).verdict
    assert found.code == "best_within_limits"
    assert "all-shared, which has a task below the floor, is not distinguishably worse" in found.text


def test_the_test_split_says_which_baseline_is_best_where_both_beat_the_plan() -> None:
    for shared, code in ((0.9, "share_everything"), (1.2, "separate_everything")):
        test = TestErrors(chosen=1.5 * BASE, separate=BASE, shared=shared * BASE)
        assert evidence(TASKS, shown(), test, SEEDS, 0.9, Limits()).verdict.code == code
