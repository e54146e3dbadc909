"""Exact selection against trying every set of rows, and what must hold of any cover."""

import dataclasses

import numpy as np
import pytest
from small_tables import TASKS, best_total, check, random_table

from taskgroup.core.cover import GroupScores
from taskgroup.errors import InputError
from taskgroup.selection import Method, all_budgets, select
from taskgroup.selection.limits import room
from taskgroup.selection.solving import solve

SEEDS = range(30)


def limits(seed: int, scores: GroupScores) -> tuple[int | None, float | None]:
    rng = np.random.default_rng(1000 + seed)
    networks = int(rng.integers(1, len(scores.tasks) + 1)) if seed % 3 else None
    return networks, (float(rng.choice([1.0, 1.5, 2.0, 2.5, 3.5])) if networks is None or seed % 5 == 0 else None)


@pytest.mark.parametrize("method", ["auto", "exact", "heuristic"])
@pytest.mark.parametrize("seed", SEEDS)
def test_least_total_under_both_limits(seed: int, method: Method) -> None:
    scores = random_table(seed)
    networks, budget = limits(seed, scores)
    best = best_total(scores, networks, budget)
    if np.isinf(best):
        with pytest.raises(InputError, match="no cover"):
            select(scores, networks=networks, budget=budget, method=method)
        return
    cover = select(scores, networks=networks, budget=budget, method=method)
    check(cover, scores, networks, budget)
    assert cover.bound <= best + 1e-9
    assert cover.total >= best - 1e-9
    if method != "heuristic":
        assert cover.total == pytest.approx(best, abs=1e-9)
        assert cover.proven


@pytest.mark.parametrize("seed", SEEDS)
def test_branch_and_bound_agrees_with_the_dynamic_program(seed: int) -> None:
    scores = random_table(seed, max_rows=40)
    for cover in all_budgets(scores):
        networks = len(cover.networks)
        chosen, bound = solve(scores, room(scores, networks, None), np.inf, prove=True)
        errors = np.where(scores.members, scores.errors, np.inf)[list(chosen)].min(axis=0).sum()
        assert len(chosen) <= networks
        assert errors == pytest.approx(cover.total, abs=1e-9) == pytest.approx(bound, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_budget_at_once(seed: int) -> None:
    scores = random_table(seed)
    n_tasks = len(scores.tasks)
    best = [best_total(scores, k) for k in range(1, n_tasks + 1)]
    if np.isinf(best[-1]):
        with pytest.raises(InputError, match="no cover"):
            all_budgets(scores)
        return
    covers = all_budgets(scores)
    feasible = [(k, total) for k, total in enumerate(best, 1) if np.isfinite(total)]
    assert len(covers) == len(feasible)
    for cover, (k, total) in zip(covers, feasible, strict=True):
        check(cover, scores, k, None)
        assert cover.total == pytest.approx(total, abs=1e-9)
        assert cover.proven


@pytest.mark.parametrize("seed", range(20))
def test_renamed_and_reordered_tasks_give_the_same_cover(seed: int) -> None:
    scores = random_table(2 * seed)  # even seeds: no ties
    networks, budget = limits(seed, scores)
    order = np.random.default_rng(seed).permutation(len(scores.tasks))
    moved = GroupScores(
        tuple(scores.tasks[i] for i in order), scores.members[:, order], scores.errors[:, order], scores.cost
    )
    try:
        cover = select(scores, networks=networks, budget=budget)
    except InputError:
        with pytest.raises(InputError):
            select(moved, networks=networks, budget=budget)
        return
    other = select(moved, networks=networks, budget=budget)
    assert other.total == pytest.approx(cover.total)
    assert {(frozenset(n.trains), frozenset(n.serves), n.cost) for n in cover.networks} == {
        (frozenset(n.trains), frozenset(n.serves), n.cost) for n in other.networks
    }


def test_a_task_may_help_where_it_is_not_served() -> None:
    scores = GroupScores.of(("a", "b"), [{"a": 1.0, "b": 5.0}, {"a": 9.0, "b": 2.0}, {"a": 3.0}, {"b": 3.0}])
    cover = select(scores, networks=2)
    assert cover.total == 3.0
    assert [(n.trains, n.serves, n.helpers) for n in cover.networks] == [
        (("a", "b"), ("a",), ("b",)),
        (("a", "b"), ("b",), ("a",)),
    ]


def test_a_group_at_two_costs_is_taken_in_the_size_that_the_budget_allows() -> None:
    rows = [{"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}, {"b": 1.5}]
    scores = GroupScores.of(("a", "b"), rows, [1.0, 0.5, 0.25])
    totals = [select(scores, budget=budget).total for budget in (0.5, 0.75, 1.0)]
    assert totals == [4.0, 3.5, 2.0]


def test_more_of_either_limit_is_never_worse() -> None:
    scores = random_table(6)
    by_networks = [cover.total for cover in all_budgets(scores)]
    assert by_networks == sorted(by_networks, reverse=True)
    by_budget = [select(scores, budget=b).total for b in (2.0, 3.0, 4.0, 6.0)]
    assert by_budget == sorted(by_budget, reverse=True)


def test_time_that_is_up_leaves_a_cover_and_its_gap() -> None:
    rng = np.random.default_rng(0)
    members = np.unique(rng.random((300, 20)) < 0.3, axis=0)
    members = members[members.any(axis=1)]
    members = np.vstack([members, np.ones((1, 20), dtype=bool)])
    errors = np.where(members, rng.random(members.shape), np.nan)
    scores = GroupScores(tuple(f"t{i}" for i in range(20)), members, errors, np.ones(len(members)))
    hurried, exact = select(scores, networks=4, time_limit_s=1e-6), select(scores, networks=4)
    check(hurried, scores, 4, None)
    assert hurried.bound <= exact.total <= hurried.total
    assert not hurried.proven
    assert hurried.gap > 0
    assert exact.proven
    assert select(scores, networks=4) == exact


def test_limits_that_cannot_be_kept_are_named() -> None:
    scores = GroupScores.of(("a", "b", "c"), [{"a": 1.0}, {"b": 1.0}, {"c": 1.0, "a": 2.0}], [1.0, 1.0, 2.0])
    with pytest.raises(InputError, match="no cover has 1 or fewer networks; the fewest that train every task are 2"):
        select(scores, networks=1)
    with pytest.raises(InputError, match=r"no cover costs 2\.5 or less; the cheapest that trains every task costs 3"):
        select(scores, budget=2.5)
    with pytest.raises(InputError, match=r"no cover costs 0\.5 or less; the cheapest group costs 1"):
        select(scores, budget=0.5)
    with pytest.raises(InputError, match="no cover has 1 or fewer networks"):
        all_budgets(scores, 1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"networks": 0}, "`networks` should be 1 or more, found 0"),
        ({"budget": -1.0}, "`budget` should be positive, found -1.0"),
        ({"budget": np.nan}, "`budget` should be positive, found nan"),
        ({"time_limit_s": 0.0}, "`time_limit_s` should be positive, found 0.0"),
        ({"method": "best"}, "`method` should be auto, exact or heuristic, found `best`"),
    ],
)
def test_wrong_limits_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        select(random_table(0), **wrong)  # type: ignore[arg-type]


def test_tasks_that_nothing_trains_are_named() -> None:
    scores = GroupScores.of(("a", "b", "c"), [{"a": 1.0}])
    for call in (select, all_budgets):
        with pytest.raises(InputError, match="should be trained by some group, found none for b, c"):
            call(scores)


def test_too_many_tasks_for_the_dynamic_program() -> None:
    names = tuple(f"t{i}" for i in range(17))
    with pytest.raises(InputError, match="at most 16 tasks, found 17"):
        all_budgets(GroupScores.of(names, [dict.fromkeys(names, 1.0)]))
    with pytest.raises(InputError, match="`max_networks` should be 1 or more, found 0"):
        all_budgets(random_table(0), 0)


def test_costs_that_are_equal_count_as_networks() -> None:
    scores = random_table(4)
    doubled = dataclasses.replace(scores, cost=scores.cost * 0.1)
    for networks in range(2, len(TASKS)):
        if np.isfinite(best_total(scores, networks)):
            assert select(doubled, budget=0.1 * networks).total == select(scores, networks=networks).total
