"""The best covers of many tables, against brute force."""

from itertools import combinations

import numpy as np
import pytest

from taskgroup.active import best_covers as module
from taskgroup.active.best_covers import Rows, best_covers
from taskgroup.active.pool import every_group
from taskgroup.core.cover import Array


def brute(errors: Array, n_networks: int) -> float:
    """Least total over all choices of groups; infinite errors for tasks that a group has not."""
    choices = combinations(range(len(errors)), min(n_networks, len(errors)))
    return min(float(errors[list(rows)].min(axis=0).sum()) for rows in choices)


def tables(n: int, n_tasks: int, n_groups: int, seed: int) -> tuple[Array, Rows]:
    rng = np.random.default_rng(seed)
    every = every_group(n_tasks, n_tasks)
    members = every[np.sort(rng.choice(len(every), n_groups, replace=False))]
    return rng.normal(0, 1, (n, n_groups, n_tasks)), members


@pytest.mark.parametrize("seed", range(6))
def test_exact_totals_are_those_of_brute_force(seed: int) -> None:
    errors, members = tables(5, 4, 9, seed)
    found = best_covers(errors, members, 4)
    for table, totals in zip(np.where(members, errors, np.inf), found.totals, strict=True):
        assert totals == pytest.approx([brute(table, k) for k in range(1, 5)])


@pytest.mark.parametrize("exact_tasks", [8, 0], ids=["exact", "exchanged"])
@pytest.mark.parametrize("seed", range(4))
def test_the_groups_used_give_the_totals(exact_tasks: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT_TASKS", exact_tasks)
    errors, members = tables(6, 5, 14, seed)
    found = best_covers(errors, members, 5)
    for table, uses, totals in zip(np.where(members, errors, np.inf), found.uses, found.totals, strict=True):
        for k, (used, total) in enumerate(zip(uses, totals, strict=True), 1):
            assert used.sum() <= k
            if np.isfinite(total):
                assert table[used].min(axis=0).sum() == pytest.approx(total)
            else:
                assert not used.any()


@pytest.mark.parametrize("chunk", [1, 10**9])
def test_exchanges_come_close_to_the_optimum(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    errors, members = tables(40, 6, 40, 1)
    exact = best_covers(errors, members, 5).totals
    monkeypatch.setattr(module, "EXACT_TASKS", 0)
    monkeypatch.setattr(module, "CHUNK", chunk)
    near = best_covers(errors, members, 5).totals
    both = np.isfinite(exact) & np.isfinite(near)
    assert (near >= exact - 1e-9).all()
    assert both.sum() >= 0.95 * np.isfinite(exact).sum()
    assert np.mean(near[both] <= exact[both] + 1e-9) > 0.6
    assert np.mean(near[both] - exact[both]) < 0.1


def test_no_cover_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    members = np.array([[True, False], [True, True]])[:1]
    for exact_tasks in (8, 0):
        monkeypatch.setattr(module, "EXACT_TASKS", exact_tasks)
        found = best_covers(np.zeros((3, 1, 2)), members, 2)
        assert np.isinf(found.totals).all()
        assert not found.uses.any()
