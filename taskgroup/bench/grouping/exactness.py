"""The best covers under budgets of networks, chosen on one split and reported on the other, and those of HOA."""

import numpy as np

from taskgroup.bench.frame import Row
from taskgroup.bench.group_tables import GroupTable
from taskgroup.bench.grouping.covers import FEW_TASKS, MOST_NETWORKS
from taskgroup.core.cover import Cover, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.pairwise import hoa
from taskgroup.selection.selecting import select

WITH_HALVES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""Budgets in full networks where a table has half-size ones; else whole numbers."""
PATIENCE_S = 20.0


def exactness_rows(name: str, val: GroupTable, test: GroupTable) -> list[Row]:
    """A row per budget and method; ``hoa`` only where some groups are larger than pairs.

    ``optimum`` chooses by the errors on ``val``. ``hoa`` chooses by those of singles and pairs, half-size singles too,
    and predicts all larger groups of the table from them.
    """
    scores, reported = _with_halves(val), _with_halves(test)
    tasks, larger = len(val.tasks), scores.members.sum(axis=1) > 2
    most = min(tasks, MOST_NETWORKS)
    budgets = (
        [b for b in WITH_HALVES if b <= most] if val.halves is not None else [float(b) for b in range(1, most + 1)]
    )
    if tasks > FEW_TASKS:
        budgets = [b for b in budgets if b in (2, 4, 8)]  # each is a hard problem of its own
    known = {"optimum": scores}
    if larger.any() and (~larger).any() and (scores.members.sum(axis=1) == 2).any():
        known["hoa"] = _predicted(scores, larger)
    return [
        {"part": "exactness", "table": name, "budget": budget, "method": method, "total": total}
        for budget in budgets
        for method, by in known.items()
        if (total := _total(by, reported, budget)) is not None
    ]


def _with_halves(table: GroupTable) -> GroupScores:
    full, half = table.scores, table.halves
    if half is None:
        return full
    parts = [np.concatenate([getattr(full, key), getattr(half, key)]) for key in ("members", "errors", "cost")]
    return GroupScores(table.tasks, *parts)


def _predicted(scores: GroupScores, larger: np.ndarray) -> GroupScores:
    """Singles and pairs as measured, larger groups by HOA; rows and costs as in ``scores``."""
    small = GroupScores(scores.tasks, scores.members[~larger], scores.errors[~larger], scores.cost[~larger])
    errors = scores.errors.copy()
    errors[larger] = hoa(small, scores.members[larger], keep_measured=False).errors
    return GroupScores(scores.tasks, scores.members, errors, scores.cost)


def _total(scores: GroupScores, reported: GroupScores, budget: float) -> float | None:
    """Reported total of the cover that ``scores`` choose; None where no cover keeps to the budget."""
    try:
        return reported_total(select(scores, budget=budget, time_limit_s=PATIENCE_S), reported)
    except InputError:
        return None


def reported_total(cover: Cover, reported: GroupScores) -> float:
    """Sum of the tasks' errors in the same networks on another split."""
    where = {(reported.group(k), float(cost)): k for k, cost in enumerate(reported.cost)}
    column = {task: k for k, task in enumerate(reported.tasks)}
    return sum(
        float(reported.errors[where[network.trains, network.cost], column[task]])
        for network in cover.networks
        for task in network.serves
    )
