"""What a search is for: gain alone, or the trade-off of gain against costs."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Cost
from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError

GAIN = "gain"
COSTS = ("params", "macs", "latency")


def check_objective(objective: Sequence[str]) -> None:
    """Whether ``objective`` is gain, alone or before costs.

    Raises:
        InputError: It is not.
    """
    unknown = [name for name in objective if name not in (GAIN, *COSTS)]
    if unknown:
        choices = (GAIN, *COSTS)
        raise InputError(
            f"objective should name `gain` and any of {', '.join(COSTS)}, found `{unknown[0]}`"
            f"{did_you_mean(unknown[0], choices)}"
        )
    if tuple(objective[:1]) != (GAIN,) or len(set(objective)) != len(objective):
        raise InputError(f"objective should begin with `gain` and name each cost once, found {', '.join(objective)}")


def directions(objective: Sequence[str]) -> list[Literal["maximize", "minimize"]]:
    """``maximize`` for gain, ``minimize`` for costs."""
    return ["maximize" if name == GAIN else "minimize" for name in objective]


def ratio(cost: Cost, name: str) -> float:
    """A cost relative to all-shared.

    Args:
        cost: Of a network.
        name: ``params``, ``macs`` or ``latency``.

    Raises:
        InputError: Latency is asked for, but was not measured.
    """
    value: float | None = getattr(cost, f"{name}_ratio")
    if value is None:
        raise InputError(f"{name} is an objective or has a limit, but it was not measured: measure it, or leave it out")
    return value


def values(objective: Sequence[str], gain: float, cost: Cost) -> list[float]:
    """The value of each objective, in their order."""
    return [gain if name == GAIN else ratio(cost, name) for name in objective]


def front(rows: Sequence[TrialRow], by: Sequence[str]) -> list[TrialRow]:
    """The Pareto front of gain against costs, cheapest first.

    Row ``a`` beats row ``b`` where ``gain_a >= gain_b`` and ``cost_a <= cost_b`` for every cost in ``by``, one of them
    strictly. The front is what no other row beats; of equal rows it holds the first.

    Cost: ``O(n ** 2)`` comparisons for ``n`` complete rows.

    Args:
        rows: The trials table; only complete trials count, limits are the caller's.
        by: Any of ``params``, ``macs`` and ``latency``.

    Raises:
        InputError: Latency is asked for, but was not measured.
    """
    check_objective((GAIN, *by))
    found: dict[str, TrialRow] = {}
    for row in rows:
        if row.state == "complete" and row.gain is not None:
            found.setdefault(row.candidate.fingerprint, row)
    distinct = list(found.values())
    points = np.array([[-(row.gain or 0.0), *(ratio(row.cost, name) for name in by)] for row in distinct])
    kept = [row for k, row in enumerate(distinct) if not _beaten(points, k)]
    return sorted(kept, key=lambda row: ([ratio(row.cost, name) for name in by], row.number))


def _beaten(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], k: int) -> bool:
    """Whether another point, or an equal one before, is nowhere above point ``k``; all coordinates to be small."""
    covers = (points <= points[k]).all(axis=1)
    equal = (points == points[k]).all(axis=1)
    return bool((covers & ~equal).any() or equal[:k].any())
