"""The best covers of many sampled tables at once, and the groups that they use."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.cover import Array
from taskgroup.selection.dynamic import partition_minima, served_minima

Rows = NDArray[np.bool_]

EXACT_TASKS = 8
"""Up to so many tasks the covers are solved exactly; with more, greedily and by exchanges."""
CHUNK = 200_000
"""Numbers worked on at once while exchanging: what stays in a processor's cache."""


@dataclass(frozen=True)
class Best:
    """Best covers of n tables for K budgets, 1 to K networks.

    Attributes:
        uses: Whether the cover uses a group, shape ``(n, K, G)``.
        totals: Its total; infinite where there is none, shape ``(n, K)``.
    """

    uses: Rows
    totals: Array


def best_covers(errors: Array, members: Rows, max_networks: int) -> Best:
    """Best cover of every table with at most k networks, for each k.

    Args:
        errors: Shape ``(n, G, T)``; not read outside ``members``.
        members: Shape ``(G, T)``.
        max_networks: K.
    """
    if members.shape[1] <= EXACT_TASKS:
        return _exact(errors, members, max_networks)
    return _exchanged(np.where(members, errors, np.inf), max_networks)


def _exact(errors: Array, members: Rows, max_networks: int) -> Best:
    minima = served_minima(errors, members)
    layers = partition_minima(minima, max_networks)
    uses = np.zeros((len(errors), max_networks, len(members)), dtype=bool)
    for k in range(1, max_networks + 1):
        for table, row in _traced(minima, layers, k, errors, members):
            uses[table, k - 1, row] = True
    return Best(uses, layers[..., -1])


def _traced(
    minima: Array, layers: Array, k: int, errors: Array, members: Rows
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Tables and the rows that serve one more set of theirs, until every task is served."""
    bits = 1 << np.arange(members.shape[1])
    remaining = np.where(np.isfinite(layers[:, k - 1, -1]), layers.shape[-1] - 1, 0)
    for left in range(k, 0, -1):
        before = layers[:, left - 2] if left > 1 else np.where(np.arange(layers.shape[-1]) == 0, 0.0, np.inf)[None]
        served = np.zeros_like(remaining)
        for state in np.unique(remaining[remaining > 0]):
            tables = np.flatnonzero(remaining == state)
            sets = _sets_with_last(int(state))
            sums = minima[np.ix_(tables, sets)] + before[np.ix_(tables if left > 1 else [0], state - sets)]
            served[tables] = sets[sums.argmin(axis=1)]
        for chosen in np.unique(served[served > 0]):
            tables = np.flatnonzero(served == chosen)
            inside = (chosen & bits) > 0
            rows = np.flatnonzero(members[:, inside].all(axis=1))
            sums = errors[tables[:, None, None], rows[:, None], np.flatnonzero(inside)].sum(axis=2)
            yield tables, rows[sums.argmin(axis=1)]
        remaining = remaining - served


def _sets_with_last(state: int) -> NDArray[np.int64]:
    """Subsets of a bit mask that hold its highest bit."""
    last = 1 << (state.bit_length() - 1)
    rest = state - last
    subsets = np.arange(rest + 1)
    return np.asarray(last + subsets[(subsets & ~rest) == 0])


def _exchanged(errors: Array, max_networks: int) -> Best:
    """Greedy choice, then one round of exchanges of each network, for every budget; the next budget starts from it."""
    n, n_groups, n_tasks = errors.shape
    known = np.isfinite(errors)
    worst = np.where(known, errors, -np.inf).max(axis=1)
    least = np.where(known, errors, np.inf).min(axis=1)
    unserved = worst + 10.0 * (worst - least) + 1e-12  # dearer than any network, so that tasks are served first
    by_task = np.where(known, errors, unserved[:, None, :]).transpose(2, 0, 1)
    step = max(1, CHUNK // (n_groups * n_tasks))
    found = [
        _greedy(np.ascontiguousarray(by_task[:, start : start + step]), unserved[start : start + step].T, max_networks)
        for start in range(0, n, step)
    ]
    return Best(np.concatenate([best.uses for best in found]), np.concatenate([best.totals for best in found]))


def _greedy(errors: Array, unserved: Array, max_networks: int) -> Best:
    """The covers of a chunk of tables; ``errors`` has shape ``(T, n, G)`` here, ``unserved`` ``(T, n)``."""
    _, n, n_groups = errors.shape
    chosen = np.empty((0, n), dtype=np.int64)
    uses = np.zeros((n, max_networks, n_groups), dtype=bool)
    totals = np.full((n, max_networks), np.inf)
    for k in range(max_networks):
        chosen = np.concatenate([chosen, _best_addition(errors, _served(errors, chosen, unserved))[None]])
        for slot in range(k + 1 if k else 0):
            others = np.delete(chosen, slot, axis=0)
            chosen[slot] = _best_addition(errors, _served(errors, others, unserved))
        served = _served(errors, chosen, unserved)
        covered = (served < unserved).all(axis=0)
        totals[:, k] = np.where(covered, served.sum(axis=0), np.inf)
        slots = errors[:, np.arange(n), chosen].argmin(axis=1)  # which of the chosen serves a task
        uses[np.arange(n), k, np.take_along_axis(chosen, slots, axis=0)] = covered
    return Best(uses, totals)


def _best_addition(errors: Array, served: Array) -> NDArray[np.int64]:
    """The group of each table that lowers its total most beside what serves already, shape ``(n,)``."""
    totals, lowered = np.zeros(errors.shape[1:]), np.empty(errors.shape[1:])
    for task, now in zip(errors, served, strict=True):
        np.minimum(task, now[:, None], out=lowered)
        totals += lowered
    return np.asarray(totals.argmin(axis=1))


def _served(errors: Array, chosen: NDArray[np.int64], unserved: Array) -> Array:
    """Error of each task from the chosen groups, shape ``(T, n)``; ``chosen`` has shape ``(k, n)``."""
    if not len(chosen):
        return unserved
    return np.asarray(errors[:, np.arange(errors.shape[1]), chosen].min(axis=1))
