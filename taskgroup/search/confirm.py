"""Confirm: compare finalists and baselines on fresh paired seeds, choose, and say what it means."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.spec import ArmEvidence, Evidence, TaskEvidence
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.groupers.topologies import admits
from taskgroup.search.choice import Arm, below_floor, choose, expense, lead_over, merit, named
from taskgroup.search.limits import Limits
from taskgroup.search.optimism import Optimism, TestErrors, less, optimism
from taskgroup.search.statistics import gain_interval
from taskgroup.search.verdict import Lead, verdict

__all__ = [
    "Arm",
    "Optimism",
    "TestErrors",
    "arm_evidence",
    "below_floor",
    "choose",
    "evidence",
    "expense",
    "lead_over",
    "merit",
    "optimism",
]

Array = NDArray[np.float64]


def arm_evidence(arms: Sequence[Arm], chosen: Arm, level: float) -> tuple[ArmEvidence, ...]:
    """Validation gains of every arm as measured: the highest of them is so by luck too, see :func:`optimism`."""
    separate, shared = named(arms, SEPARATE).errors, named(arms, SHARED).errors
    return tuple(
        ArmEvidence(
            name=arm.name,
            fingerprint=arm.architecture.fingerprint,
            cost=arm.cost,
            gain_vs_separate=gain_interval(arm.errors, separate, level=level),
            gain_vs_shared=gain_interval(arm.errors, shared, level=level),
            chosen=arm is chosen,
            head_size=arm.architecture.head_size,
            recipe=arm.recipe,
        )
        for arm in arms
    )


def evidence(
    tasks: TaskSet,
    arms: tuple[ArmEvidence, ...],
    test: TestErrors,
    seeds: Sequence[int],
    level: float,
    limits: Limits,
    lead: Lead | None = None,
    *,
    excess: Optimism | None = None,
    broken: frozenset[str] = frozenset(),
) -> Evidence:
    """Everything that was learned, with the verdict.

    Args:
        tasks: Of the problem.
        arms: From :func:`arm_evidence`.
        test: Errors on the test split.
        seeds: Of the runs.
        level: Of the intervals.
        limits: Under which the choice was made.
        lead: From :func:`lead_over`.
        excess: From :func:`optimism`; the mean gains are those measured less this. Without it nothing is subtracted.
            The gains of single tasks stay as measured.
        broken: Names from :func:`below_floor`.
    """
    less_by = excess or Optimism()
    against_separate = less(gain_interval(test.chosen, test.separate, level=level), less_by.against_separate)
    against_shared = less(gain_interval(test.chosen, test.shared, level=level), less_by.against_shared)
    baselines = gain_interval(test.shared, test.separate, level=level)
    return Evidence(
        level=level,
        seeds=tuple(seeds),
        split="test",
        gain_vs_separate=against_separate,
        gain_vs_shared=against_shared,
        shared_vs_separate=baselines,
        tasks=tuple(_task_evidence(tasks, k, test, level) for k in range(len(tasks))),
        arms=arms,
        verdict=verdict(
            arms,
            against_separate,
            against_shared,
            len(seeds),
            limits,
            lead,
            _ruled_out(tasks, limits),
            below_floor=broken,
            shared_vs_separate=baselines,
            level=level,
            corrected=less_by != Optimism(),
        ),
        optimism_vs_separate=less_by.against_separate,
        optimism_vs_shared=less_by.against_shared,
    )


def _ruled_out(tasks: TaskSet, limits: Limits) -> frozenset[str]:
    """Baselines that break a rule."""
    baselines = {SHARED: Topology.shared(tasks.names, ("all",)), SEPARATE: Topology.separate(tasks.names, ("all",))}
    return frozenset(name for name, topology in baselines.items() if not admits(limits.rules, topology))


def _task_evidence(tasks: TaskSet, k: int, test: TestErrors, level: float) -> TaskEvidence:
    one = slice(k, k + 1)
    task = tasks.tasks[k]
    return TaskEvidence(
        task=task.name,
        metric=str(task.metric),
        error=float(test.chosen[:, k].mean()),
        error_separate=float(test.separate[:, k].mean()),
        error_shared=float(test.shared[:, k].mean()),
        gain_vs_separate=gain_interval(test.chosen[:, one], test.separate[:, one], level=level),
        gain_vs_shared=gain_interval(test.chosen[:, one], test.shared[:, one], level=level),
    )
