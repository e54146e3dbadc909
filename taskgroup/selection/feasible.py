"""Whether there is a cover under the limits at all, as a set cover problem for HiGHS."""

from typing import Any

import numpy as np

from taskgroup.core.cover import Array
from taskgroup.errors import InputError
from taskgroup.selection.limits import Room, fewest_sentence
from taskgroup.selection.rows import Candidates
from taskgroup.selection.sets import Masks


def some_cover(rows: Candidates, every: Candidates, room: Room, time_limit_s: float) -> Masks:
    """Positions of rows that train every task within the limits; ``every`` row counts for what limits would do.

    Raises:
        InputError: There are none; says how many networks or how much budget it would take. Or none were found in time.
    """
    found = _set_cover(rows, np.ones(len(rows)), room, time_limit_s)
    if found.x is not None:
        return np.flatnonzero(np.round(found.x))
    if found.status == 1:
        raise InputError(
            f"no cover was found in {time_limit_s:g} s under the limits; allow more networks, more budget or more time"
        )
    raise InputError(_reason(every, room, time_limit_s))


def _reason(rows: Candidates, room: Room, time_limit_s: float) -> str:
    fewest = _set_cover(rows, np.ones(len(rows)), Room(len(rows)), time_limit_s)
    if fewest.status == 0 and round(fewest.fun) > room.networks:
        return fewest_sentence(room.networks, round(fewest.fun))
    cheapest = _set_cover(rows, rows.cost, Room(room.networks), time_limit_s)
    if cheapest.status == 0:
        least = float(rows.cost[np.round(cheapest.x) == 1].sum())
        return f"no cover costs {room.budget:g} or less; the cheapest that trains every task costs {least:g}"
    return "no cover keeps to both `networks` and `budget`; allow more of either"


def _set_cover(rows: Candidates, weights: Array, room: Room, time_limit_s: float) -> Any:
    """Least weight of rows that train every task within the limits."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # a third of a second to import, and rarely needed
    from scipy.sparse import csr_array

    trained = csr_array((np.ones(len(rows.row)), (rows.task, rows.row)), shape=(rows.n_tasks, len(rows)))
    limits = [LinearConstraint(trained, 1.0, np.inf), LinearConstraint(np.ones((1, len(rows))), 0.0, room.networks)]
    if np.isfinite(room.budget):
        limits.append(LinearConstraint(rows.cost[None, :], 0.0, room.budget))
    options: Any = {"time_limit": max(time_limit_s, 0.01)}
    return milp(
        weights,
        constraints=limits,
        bounds=Bounds(0, 1),
        integrality=np.ones(len(rows), dtype=np.int64),
        options=options,
    )
