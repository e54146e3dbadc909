"""Larger tables: proofs where the dynamic program does not reach, planted groups found, honest bounds."""

import numpy as np
import pytest

from taskgroup.core.cover import GroupScores
from taskgroup.selection import select


def random_groups(n_tasks: int, n_groups: int, sizes: tuple[int, int], seed: int = 0) -> GroupScores:
    """Random groups, singles and all together; error = base (1 + mean effect of the partners + size) + noise."""
    rng = np.random.default_rng(seed)
    members = np.zeros((n_groups, n_tasks), dtype=bool)
    for group in members:
        group[rng.choice(n_tasks, rng.integers(sizes[0], sizes[1] + 1), replace=False)] = True
    members = np.vstack([members, np.eye(n_tasks, dtype=bool), np.ones((1, n_tasks), dtype=bool)])
    base, effects = rng.uniform(0.2, 1, n_tasks), rng.normal(0, 0.15, (n_tasks, n_tasks))
    np.fill_diagonal(effects, 0.0)
    partners = members.sum(axis=1)[:, None] - 1
    lift = members @ effects / np.maximum(partners, 1) + 0.02 * np.sqrt(partners)
    errors = base * (1 + lift + rng.normal(0, 0.02, members.shape))
    tasks = tuple(f"t{i}" for i in range(n_tasks))
    return GroupScores(tasks, members, np.where(members, errors, np.nan), np.ones(len(members)))


def planted(n_tasks: int, n_groups: int) -> tuple[GroupScores, list[int]]:
    """Tasks of one label help each other, others harm; the true groups are among random ones."""
    rng = np.random.default_rng(0)
    labels = np.arange(n_tasks) % n_groups
    random = rng.random((600, n_tasks)) < 6 / n_tasks
    true = labels == np.arange(n_groups)[:, None]
    members = np.vstack([random[random.any(axis=1)], true, np.ones((1, n_tasks), dtype=bool)])
    same = labels[:, None] == labels
    effects = np.where(same, -0.03, 0.02) * (1 - np.eye(n_tasks))
    errors = np.exp(np.clip(members @ effects, -0.5, 0.5)) * (1 + rng.normal(0, 0.01, members.shape))
    tasks = tuple(f"t{i}" for i in range(n_tasks))
    return GroupScores(tasks, members, np.where(members, errors, np.nan), np.ones(len(members))), labels.tolist()


@pytest.mark.parametrize("networks", [3, 6])
def test_eighteen_tasks_to_a_proof_that_milp_agrees_with(networks: int) -> None:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    scores = random_groups(18, 150, (2, 7))
    row, task = np.nonzero(scores.members)
    n, n_rows, at = len(row), len(scores.cost), np.arange(len(row))
    once = csr_array((np.ones(n), (task, n_rows + at)), shape=(18, n_rows + n))
    linked = csr_array((np.repeat([1.0, -1.0], n), (np.tile(at, 2), np.r_[n_rows + at, row])), shape=(n, n_rows + n))
    count = np.r_[np.ones(n_rows), np.zeros(n)][None]
    limits = [
        LinearConstraint(once, 1, 1),
        LinearConstraint(linked, -np.inf, 0),
        LinearConstraint(count, 0, networks),
    ]
    price = np.r_[np.zeros(n_rows), scores.errors[row, task]]
    whole = np.r_[np.ones(n_rows), np.zeros(n)].astype(np.int64)
    best = milp(price, constraints=limits, bounds=Bounds(0, 1), integrality=whole, options={"mip_rel_gap": 0.0})
    cover = select(scores, networks=networks)
    assert cover.proven
    assert cover.total == pytest.approx(best.fun, abs=1e-7)
    guess = select(scores, networks=networks, method="heuristic")
    assert guess.bound <= cover.total <= guess.total <= 1.02 * cover.total


def test_planted_groups_of_a_hundred_tasks_are_found() -> None:
    scores, labels = planted(100, 12)
    cover = select(scores, networks=12)
    groups = {tuple(f"t{i}" for i in range(100) if labels[i] == label) for label in range(12)}
    assert {network.serves for network in cover.networks} == groups
    assert cover.proven


def test_a_hundred_tasks_without_structure_come_with_a_bound() -> None:
    scores = random_groups(100, 1000, (2, 10))
    cover = select(scores, networks=15)
    assert len(cover.networks) <= 15
    assert 0 < cover.gap < 0.03 * cover.total
    alone = np.nansum(scores.errors[-1])
    assert cover.total < 0.95 * alone
