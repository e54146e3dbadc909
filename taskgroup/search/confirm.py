"""Confirm: compare finalists and baselines on fresh paired seeds, choose, and say what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.gain import task_gains
from taskgroup.core.spec import Architecture, ArmEvidence, Cost, Evidence, TaskEvidence
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import TrialError
from taskgroup.groupers.topologies import admits
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.statistics import gain_interval, seeds_to_settle
from taskgroup.search.verdict import Lead, verdict

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """One candidate with its validation errors under each confirmation seed, shape ``(n_seeds, n_tasks)``."""

    name: str
    architecture: Architecture
    cost: Cost
    errors: Array


def expense(cost: Cost, by: Literal["macs", "params"]) -> tuple[float, float]:
    """Cost to compare by: the named ratio first, the other to break ties."""
    both = (cost.macs_ratio, cost.params_ratio)
    return both if by == "macs" else (both[1], both[0])


def choose(arms: Sequence[Arm], limits: Limits, level: float, by: Literal["macs", "params"]) -> Arm:
    """The cheapest arm that is not distinguishable from the best one.

    The best has the highest mean gain against all-separate. An arm is distinguishable from it where the interval of
    the difference of their gains, paired by seed, lies above zero.

    Args:
        arms: Finalists and both baselines, named ``all-shared`` and ``all-separate``.
        limits: Arms over a limit are compared with but not chosen.
        level: Of the intervals.
        by: What "cheapest" means.

    Raises:
        TrialError: No arm keeps limits and rules.
    """
    separate = _named(arms, SEPARATE).errors
    best = _best(arms, limits)
    near = [
        arm
        for arm in arms
        if arm is best
        or (
            limits.allow(arm.architecture, arm.cost)
            and not gain_interval(best.errors, separate, minus=arm.errors, level=level).above_zero
        )
    ]
    return min(near, key=lambda arm: expense(arm.cost, by))


def lead_over(arms: Sequence[Arm], chosen: Arm, limits: Limits, level: float) -> Lead | None:
    """Who is ahead of the chosen arm on validation, and how many seeds would show it; None where it is the best.

    The gain shown is that of the leader against the chosen arm. How many seeds would do follows from what
    :func:`choose` compares, the difference of their gains against all-separate.
    """
    best = _best(arms, limits)
    if best is chosen:
        return None
    gain = gain_interval(best.errors, chosen.errors, level=level)
    advantage = gain_interval(best.errors, _named(arms, SEPARATE).errors, minus=chosen.errors, level=level)
    n_seeds = len(chosen.errors)
    n_more = seeds_to_settle(advantage, n_seeds, level, max(4 * n_seeds, 20)) if gain.mean > 0 else None
    return Lead(best.name, gain, n_more)


def _best(arms: Sequence[Arm], limits: Limits) -> Arm:
    separate = _named(arms, SEPARATE).errors
    allowed = [arm for arm in arms if limits.allow(arm.architecture, arm.cost)]
    if not allowed:
        raise TrialError(
            "confirm: no candidate that was trained keeps `propose.constraints` and `limits`; loosen them, or give "
            "search more trials"
        )
    return max(allowed, key=lambda arm: float(task_gains(arm.errors, separate).mean()))


def arm_evidence(arms: Sequence[Arm], chosen: Arm, level: float) -> tuple[ArmEvidence, ...]:
    """Validation gains of every arm."""
    separate, shared = _named(arms, SEPARATE).errors, _named(arms, SHARED).errors
    return tuple(
        ArmEvidence(
            name=arm.name,
            fingerprint=arm.architecture.fingerprint,
            cost=arm.cost,
            gain_vs_separate=gain_interval(arm.errors, separate, level=level),
            gain_vs_shared=gain_interval(arm.errors, shared, level=level),
            chosen=arm is chosen,
        )
        for arm in arms
    )


@dataclass(frozen=True)
class TestErrors:
    """Errors on the test split, each of shape ``(n_seeds, n_tasks)``."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    chosen: Array
    separate: Array
    shared: Array


def evidence(
    tasks: TaskSet,
    arms: tuple[ArmEvidence, ...],
    test: TestErrors,
    seeds: Sequence[int],
    level: float,
    limits: Limits,
    lead: Lead | None = None,
) -> Evidence:
    """Everything that was learned, with the verdict."""
    against_separate = gain_interval(test.chosen, test.separate, level=level)
    against_shared = gain_interval(test.chosen, test.shared, level=level)
    return Evidence(
        level=level,
        seeds=tuple(seeds),
        split="test",
        gain_vs_separate=against_separate,
        gain_vs_shared=against_shared,
        shared_vs_separate=gain_interval(test.shared, test.separate, level=level),
        tasks=tuple(_task_evidence(tasks, k, test, level) for k in range(len(tasks))),
        arms=arms,
        verdict=verdict(arms, against_separate, against_shared, len(seeds), limits, lead, _ruled_out(tasks, limits)),
    )


def _ruled_out(tasks: TaskSet, limits: Limits) -> frozenset[str]:
    """Baselines that break a rule."""
    baselines = {SHARED: Topology.shared(tasks.names, ("all",)), SEPARATE: Topology.separate(tasks.names, ("all",))}
    return frozenset(name for name, topology in baselines.items() if not admits(limits.rules, topology))


def _named(arms: Sequence[Arm], name: str) -> Arm:
    return next(arm for arm in arms if arm.name == name)


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
