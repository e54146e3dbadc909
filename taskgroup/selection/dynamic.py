"""The best covers of a few tasks for every number of networks at once, on plain arrays that may hold many tables.

Sets of tasks are bit masks: bit t stands for task t. `served_minima` and `partition_minima` take any leading axes
(sampled tables over the same groups), so that a loop over samples is one call. Costs of networks play no part here.
"""

from collections.abc import Sequence

import numpy as np

from taskgroup.core.cover import Array
from taskgroup.selection.sets import CHUNK, Pairs, Rows, pairs, rows_by_size, subsets

MAX_TASKS = 16
"""Most tasks: there are 3^15 pairs of sets, about 0.1 GB of index."""


def served_minima(errors: Array, members: Rows) -> Array:
    """The least sum of errors with which one network serves a set of tasks.

    ``W[S] = min over rows g ⊇ S of sum_{t ∈ S} errors[g, t]``; ``W[∅] = 0``; infinite where no row trains all of S.

    Cost: the sum over the rows of ``2^|g|``, for each table; ``3^T`` where every group is a row.

    Args:
        errors: Shape ``(..., G, T)``; what stands outside ``members`` is not read.
        members: Whether a row's network trains a task, shape ``(G, T)``, T at most ``MAX_TASKS``.

    Returns:
        Shape ``(..., 2^T)``.
    """
    n_tasks = members.shape[1]
    assert n_tasks <= MAX_TASKS, f"at most {MAX_TASKS} tasks, found {n_tasks}"
    flat = np.asarray(errors, dtype=np.float64).reshape(-1, *members.shape)
    minima = np.full((len(flat), 1 << n_tasks), np.inf)
    minima[:, 0] = 0.0
    for block in rows_by_size(np.ascontiguousarray(members).tobytes(), n_tasks):
        step = max(1, CHUNK // block.order.size)
        for start in range(0, len(flat), step):
            block.lower(minima[start : start + step], flat[start : start + step])
    return minima.reshape(*errors.shape[:-2], -1)


def partition_minima(minima: Array, max_networks: int) -> Array:
    """The least total of every set of tasks, for each number of networks.

    ``f_1 = W``; ``f_k[S] = min over S' ⊆ S with S's last task of W[S'] + f_{k-1}[S - S']``: each partition of S into at
    most k served sets is met exactly once.

    Cost: ``K 3^T / 2`` additions, for each table.

    Args:
        minima: Of :func:`served_minima`, shape ``(..., 2^T)``.
        max_networks: K, 1 or more.

    Returns:
        Totals with at most 1 … K networks, shape ``(..., K, 2^T)``; infinite where there is no cover. The totals of all
        tasks are ``[..., -1]``; where only they are wanted, :func:`full_totals` is faster.
    """
    n_sets = minima.shape[-1]
    single = np.ascontiguousarray(minima.reshape(-1, n_sets).T)
    if single.shape[1] == 1:  # numpy is several times faster on plain vectors
        single = single[:, 0]
    plan = pairs(max(n_sets.bit_length() - 2, 0))
    layers = np.empty((max_networks, *single.shape))
    layers[0] = single
    for k in range(1, max_networks):
        layers[k, 0] = 0.0
        for task in range(n_sets.bit_length() - 1):
            low, high = 1 << task, 2 << task
            layers[k, low:high] = _layer(single[low:high], layers[k - 1, :low], plan)
    by_table = layers.reshape(max_networks, n_sets, -1)
    return np.moveaxis(by_table, -1, 0).reshape(*minima.shape[:-1], max_networks, n_sets)


def _layer(single: Array, before: Array, plan: Pairs) -> Array:
    """``min over q ⊆ r of W[q + last task] + f_{k-1}[r - q]`` for all sets r of the tasks before the last."""
    found = np.empty_like(single)
    for first, last in plan.chunks(len(single), single.size // len(single)):
        begin, end = plan.starts[first], plan.starts[last]
        sums = np.take(single, plan.subset[begin:end], axis=0)
        sums += np.take(before, plan.rest[begin:end], axis=0)
        found[first:last] = np.minimum.reduceat(sums, plan.starts[first:last] - begin, axis=0)
    return found


def full_totals(minima: Array, max_networks: int) -> Array:
    """The least totals of all tasks with at most 1 … K networks, a third of the work of :func:`partition_minima`.

    Args:
        minima: Of :func:`served_minima`, shape ``(..., 2^T)``.
        max_networks: K, 1 or more.

    Returns:
        Shape ``(..., K)``.
    """
    half = minima.shape[-1] // 2
    rest = np.full((*minima.shape[:-1], max_networks, half), np.inf)
    rest[..., 0, 0] = 0.0
    if max_networks > 1:
        rest[..., 1:, :] = partition_minima(minima[..., :half], max_networks - 1)
    with_last = np.flip(minima[..., half:], axis=-1)
    totals: Array = (with_last[..., None, :] + rest).min(axis=-1)
    return totals


def traceback(minima: Array, layers: Array, n_networks: int) -> tuple[int, ...]:
    """The served sets of a best cover of all tasks with at most ``n_networks`` networks, for one table.

    Args:
        minima: Of :func:`served_minima`, shape ``(2^T,)``.
        layers: Of :func:`partition_minima`, shape ``(K, 2^T)``; the total must be finite.
        n_networks: From 1 to K.

    Returns:
        Bit masks of the served sets; by ties the fewest networks, then the first in order of masks.
    """
    remaining, served = minima.size - 1, []
    k = int(np.argmin(layers[:n_networks, remaining])) + 1
    while remaining:
        last = 1 << (remaining.bit_length() - 1)
        sets = last + subsets(remaining - last)
        rest = layers[k - 2, remaining - sets] if k > 1 else np.where(sets == remaining, 0.0, np.inf)
        chosen = int(sets[np.argmin(minima[sets] + rest)])
        served.append(chosen)
        remaining, k = remaining - chosen, k - 1
    return tuple(served)


def serving_rows(errors: Array, members: Rows, served: Sequence[int]) -> tuple[int, ...]:
    """The row that serves each task: for each served set the best row that trains all of it.

    Args:
        errors: Of one table, shape ``(G, T)``.
        members: Shape ``(G, T)``.
        served: Bit masks that partition the tasks, each trained by some row.

    Returns:
        Shape ``(T,)``; by ties the first row.
    """
    serving = np.zeros(members.shape[1], dtype=np.int64)
    for mask in served:
        inside = (mask >> np.arange(members.shape[1])) & 1 == 1
        sums = np.where(members[:, inside].all(axis=1), errors[:, inside].sum(axis=1), np.inf)
        serving[inside] = int(np.argmin(sums))
    return tuple(int(row) for row in serving)
