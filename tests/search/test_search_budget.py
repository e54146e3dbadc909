"""Budgets: trials, wall seconds, compute; what was spent of each."""

import itertools

import optuna
import pytest
from pydantic import ValidationError
from search_samples import CHECKS, baseline, make_cost, make_search, run, train

from taskgroup.core.recipe import Candidate
from taskgroup.core.trial import TrialResult
from taskgroup.errors import TrialError
from taskgroup.search.budget import Budget, Spent
from taskgroup.search.notes import SEPARATE, SHARED


def compute(candidate: Candidate, steps: int) -> float:
    return make_cost(candidate.architecture).macs_ratio * steps / CHECKS[-1]


def memory() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


def test_budget_covers_until_one_of_its_parts_is_used_up() -> None:
    budget = Budget(n_trials=5, trainings=3.0)
    assert budget.covers(Spent(4, 1e9, 2.9))
    assert not budget.covers(Spent(5, 0.0, 0.0))
    assert not budget.covers(Spent(0, 0.0, 3.0))
    assert not Budget(seconds=2.0).covers(Spent(0, 2.0, 0.0))


@pytest.mark.parametrize("wrong", [{}, {"n_trials": 1}, {"seconds": 0.0}, {"trainings": -1.0}])
def test_no_budget_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(wrong)


def test_trainings_are_counted_as_far_as_they_went() -> None:
    search = make_search(memory(), n_trials=20, training_cost=compute)
    rows = run(search)
    stopped = [r for r in rows if r.state == "pruned" and r.errors]
    assert stopped
    for row in rows:
        whole = make_cost(row.architecture).macs_ratio
        if not row.errors:
            assert row.trainings == 0
        elif row.state == "complete":
            assert row.trainings == pytest.approx(whole)
        else:
            assert any(row.trainings == pytest.approx(whole * step / CHECKS[-1]) for step in CHECKS[:-1])
    assert search.spent.trainings == pytest.approx(sum(r.trainings for r in rows))
    assert search.spent.n_trials == search.n_spent == 20


def test_search_stops_when_its_compute_is_used_up() -> None:
    budget = Budget(trainings=20.0)
    search = make_search(memory(), budget=budget, prune=False, training_cost=compute)
    rows = run(search)
    assert 20.0 <= search.spent.trainings < 20.0 + 4.1
    assert search.spent.trainings - rows[-1].trainings < 20.0
    assert search.ask(0) is None


def test_what_runs_is_reserved() -> None:
    budget = Budget(trainings=10.0)  # the baselines take 4 and 1
    search = make_search(memory(), budget=budget, prune=False, training_cost=compute)
    run(search, n_most=2)
    running = list(itertools.takewhile(lambda a: a is not None, (search.ask(k) for k in range(20))))
    costs = [compute(a.candidate, CHECKS[-1]) for a in running if a is not None]
    assert sum(costs[:-1]) < 5.0 <= sum(costs)


def test_baselines_are_trained_whatever_they_cost() -> None:
    search = make_search(memory(), budget=Budget(trainings=0.5, seconds=0.001), training_cost=compute)
    assert [r.origin for r in run(search)] == [SEPARATE, SHARED]


def test_failed_trainings_count_as_whole_ones() -> None:
    search = make_search(memory(), budget=Budget(trainings=12.0), training_cost=compute)
    n_asked = 0
    while (asked := search.ask(0)) is not None:
        n_asked += 1
        assert n_asked < 20
        bad = TrialResult(key="k", state="failed", message="no")
        search.tell(asked.number, bad if n_asked > 2 else train(asked))
    assert search.spent.trainings >= 12.0


def test_seconds_go_on_where_the_session_before_ended() -> None:
    storage, now = memory(), [0.0]

    def work(n_most: int) -> int:
        search, n = make_search(storage, budget=Budget(seconds=10.0), clock=lambda: now[0]), 0
        while n < n_most and (asked := search.ask(0)) is not None:
            n, now[0] = n + 1, now[0] + 1.5
            search.tell(asked.number, train(asked))
        assert search.spent.seconds == pytest.approx(1.5 * search.n_spent)
        return n

    assert work(4) == 4
    now[0] = 1000.0  # a break does not count
    assert work(100) == 3
    assert baseline(SHARED).topology.is_shared


def test_compute_needs_to_be_told() -> None:
    with pytest.raises(TrialError, match="needs `training_cost`"):
        make_search(memory(), budget=Budget(trainings=3.0))
