"""Small tables of groups, and their best covers by trying every set of rows."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.cover import Cover, GroupScores

TASKS = tuple("abcdefgh")


def random_table(seed: int, max_tasks: int = 8, max_rows: int = 14) -> GroupScores:
    """Random groups; half of the tables with whole errors (ties), some with costs, some with a group twice."""
    rng = np.random.default_rng(seed)
    n_tasks = int(rng.integers(1, max_tasks + 1))
    n_rows = int(rng.integers(1, max_rows + 1))
    members = rng.random((n_rows, n_tasks)) < rng.uniform(0.2, 0.9)
    members[np.arange(n_rows), rng.integers(0, n_tasks, n_rows)] = True
    for task in np.flatnonzero(~members.any(axis=0)):
        members[rng.integers(n_rows), task] = True
    if n_rows > 2 and seed % 3 == 0:
        members[1] = members[0]
    errors = rng.integers(0, 5, members.shape).astype(float) if seed % 2 else rng.normal(0, 1, members.shape)
    cost = rng.choice([0.5, 1.0, 1.5], n_rows) if seed % 4 > 1 else np.ones(n_rows)
    return GroupScores(TASKS[:n_tasks], members, np.where(members, errors, np.nan), cost)


def best_total(scores: GroupScores, networks: int | None = None, budget: float | None = None) -> float:
    """By trying every set of rows; infinite where none covers."""
    errors = np.where(scores.members, scores.errors, np.inf)
    most = min(len(scores.cost), len(scores.tasks), networks or len(scores.tasks))
    best = np.inf
    for size in range(1, most + 1):
        chosen: NDArray[np.int64] = np.array(list(combinations(range(len(scores.cost)), size)))
        totals = errors[chosen].min(axis=1).sum(axis=1)
        if budget is not None:
            totals[scores.cost[chosen].sum(axis=1) > budget + 1e-9] = np.inf
        best = min(best, float(totals.min()))
    return best


def check(cover: Cover, scores: GroupScores, networks: int | None, budget: float | None) -> None:
    """The cover keeps to the limits, and its total is what its networks reach."""
    assert networks is None or len(cover.networks) <= networks
    assert budget is None or cover.cost <= budget + 1e-9
    groups = [(scores.group(row), float(scores.cost[row])) for row in range(len(scores.cost))]
    assert all((network.trains, network.cost) in groups for network in cover.networks)
    total = 0.0
    for network in cover.networks:
        rows = [r for r in range(len(groups)) if groups[r] == (network.trains, network.cost)]
        served = [scores.tasks.index(task) for task in network.serves]
        total += min(float(scores.errors[r, served].sum()) for r in rows)
    assert abs(total - cover.total) < 1e-9
    assert cover.bound <= cover.total
