"""The best cover under a limit on networks or on cost."""

from time import monotonic
from typing import Literal

import numpy as np

from taskgroup.core.cover import Cover, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.budgets import all_budgets
from taskgroup.selection.limits import Room, room, serving
from taskgroup.selection.solving import solve

Method = Literal["auto", "exact", "heuristic"]

DYNAMIC = 8
"""Up to so many tasks the dynamic program is the fastest where costs do not bind."""
BRANCHING = 64
"""Up to so many tasks ``auto`` goes on to a proof."""


def select(
    scores: GroupScores,
    *,
    networks: int | None = None,
    budget: float | None = None,
    method: Method = "auto",
    time_limit_s: float = 60.0,
) -> Cover:
    """The cover with the least total error among those with at most ``networks`` rows that cost at most ``budget``.

    ``min over sets of rows of sum_t min over chosen g that train t of errors[g, t]``: each task is served by one
    network that trains it; groups may overlap. Of rows that serve a task equally well the cheaper is taken, then the
    larger group, then the first. Deterministic, as long as the time limit is not reached.

    Few tasks are solved by a dynamic program; else local search from greedy and relaxed choices gives a cover, the
    Lagrangian relaxation a bound and reduced costs that rule rows out, and branch and bound the proof.

    Args:
        scores: Groups that were measured or predicted, and their costs.
        networks: Most networks, 1 or more; None for any number.
        budget: Most cost, positive; None for any.
        method: ``exact`` to a proof; ``heuristic`` without branch and bound; ``auto`` is exact up to 64 tasks.
        time_limit_s: After it the best cover so far is returned, with the bound that was reached: see ``Cover.gap``.

    Raises:
        InputError: A limit out of range, a task that no group trains, or no cover under the limits.

    Example:
        >>> rows = [{"a": 1.0, "b": 2.0}, {"a": 0.5}, {"b": 1.2, "a": 3.0}]
        >>> cover = select(GroupScores.of(("a", "b"), rows), networks=2)
        >>> [(network.trains, network.serves) for network in cover.networks], cover.total
        ([(('a',), ('a',)), (('a', 'b'), ('b',))], 1.7)
    """
    if method not in ("auto", "exact", "heuristic"):
        raise InputError(f"`method` should be auto, exact or heuristic, found `{method}`")
    if not time_limit_s > 0:
        raise InputError(f"`time_limit_s` should be positive, found {time_limit_s}")
    limits = room(scores, networks, budget)
    free = _each_task_its_best(scores, limits)
    if free is not None:
        return free
    if len(scores.tasks) <= DYNAMIC and not np.isfinite(limits.budget) and method != "heuristic":
        return all_budgets(scores, limits.networks)[-1]
    prove = method == "exact" or (method == "auto" and len(scores.tasks) <= BRANCHING)
    chosen, bound = solve(scores, limits, monotonic() + time_limit_s, prove=prove)
    return scores.cover(serving(scores, np.array(chosen)), bound)


def _each_task_its_best(scores: GroupScores, limits: Room) -> Cover | None:
    """Every task by its best row, where the limits allow it."""
    best = serving(scores, np.arange(len(scores.cost)))
    rows = np.unique(best)
    if len(rows) > limits.networks or scores.cost[rows].sum() > limits.budget:
        return None
    return scores.cover(best, np.inf)
