"""Objectives: gain against costs, their front, and studies for them."""

import optuna
import pytest
from search_samples import baseline, branched, cost_at, make_cost, make_search, row, run

from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost
from taskgroup.errors import ConflictError, InputError
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SHARED
from taskgroup.search.objectives import check_objective, directions, front, values

MANY = [branched(n, s) for n in (2, 3, 4) for s in (0, 1, 2)]


def at(number: int, gain: float, macs: float, params: float = 1.0, latency: float | None = None) -> TrialRow:
    cost = cost_at(macs, params).model_copy(update={"latency_ratio": latency})
    return row(number, MANY[number], gain).model_copy(update={"cost": cost})


def slow(architecture: Architecture) -> Cost:
    cost = make_cost(architecture)
    return cost.model_copy(update={"latency_ratio": cost.macs_ratio**0.5})


def test_values_stand_in_the_order_of_the_objective() -> None:
    cost = Cost(params=1, macs=1, params_ratio=1.5, macs_ratio=2.5, latency_ratio=3.5)
    assert values(("gain", "latency", "params"), 0.25, cost) == [0.25, 3.5, 1.5]
    assert values(("gain",), 0.25, cost) == [0.25]
    assert directions(("gain", "macs")) == ["maximize", "minimize"]


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (("gain", "mac"), "found `mac`, did you mean `macs`"),
        (("macs", "gain"), "begin with `gain`"),
        (("macs",), "begin with `gain`"),
        ((), "begin with `gain`"),
        (("gain", "macs", "macs"), "name each cost once"),
    ],
)
def test_other_objectives_are_refused(objective: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_objective(objective)


def test_front_of_gain_against_one_cost() -> None:
    rows = [at(0, 0.1, 1.0), at(1, 0.1, 2.0), at(2, 0.3, 2.0), at(3, 0.2, 1.5), at(4, 0.25, 3.0), at(5, 0.3, 2.0)]
    failed = row(6, MANY[6], None)
    assert [r.number for r in front([*rows, failed], ("macs",))] == [0, 3, 2]
    assert [r.number for r in front(rows, ())] == [2]
    assert front([failed], ("macs",)) == []


def test_front_of_gain_against_two_costs() -> None:
    rows = [
        at(0, 0.1, 1.0, 1.0),
        at(1, 0.2, 2.0, 3.0),
        at(2, 0.2, 3.0, 2.0),
        at(3, 0.2, 3.0, 3.0),
        at(4, 0.4, 4.0, 4.0),
    ]
    assert [r.number for r in front(rows, ("macs", "params"))] == [0, 1, 2, 4]
    assert [r.number for r in front(rows, ("macs",))] == [0, 1, 4]


def test_front_by_latency_needs_it_measured() -> None:
    assert [r.number for r in front([at(0, 0.1, 1.0, latency=2.0), at(1, 0.2, 1.0, latency=1.0)], ("latency",))] == [1]
    with pytest.raises(InputError, match="latency is an objective or has a limit, but it was not measured"):
        front([at(0, 0.1, 1.0)], ("latency",))


@pytest.mark.parametrize("sampler", ["tpe", "tpe-group", "nsga2", "random"])
@pytest.mark.parametrize("objective", [("gain", "macs"), ("gain", "params", "latency")])
def test_search_for_a_front_goes_on_after_any_interruption(objective: tuple[str, ...], sampler: str) -> None:
    def search_on(storage: optuna.storages.BaseStorage, n_most: int) -> list[TrialRow]:
        limits = Limits(macs_ratio=2.5)
        search = make_search(storage, n_trials=16, cost=slow, limits=limits, objective=objective, sampler=sampler)
        return run(search, n_most=n_most)

    storage, other = optuna.storages.InMemoryStorage(), optuna.storages.InMemoryStorage()
    rows = search_on(storage, 1000)
    assert {r.state for r in rows if r.errors} == {"complete"}  # several objectives are not pruned
    for k in (1, 5, 13):
        search_on(other, k)
    assert search_on(other, 1000) == rows
    study = optuna.load_study(study_name="job", storage=storage)
    assert [d.name for d in study.directions] == ["MAXIMIZE"] + ["MINIMIZE"] * (len(objective) - 1)
    told = [t.values for t in study.get_trials() if t.state == optuna.trial.TrialState.COMPLETE]
    assert told == [values(objective, r.gain, r.cost) for r in rows if r.gain is not None]


def test_study_for_another_objective_is_refused() -> None:
    storage = optuna.storages.InMemoryStorage()
    run(make_search(storage), n_most=3)
    with pytest.raises(ConflictError, match=r"made for another objective \(gain, now gain, macs\)"):
        make_search(storage, objective=("gain", "macs"))


def test_latency_that_is_not_measured_is_said_at_once() -> None:
    for options in ({"objective": ("gain", "latency")}, {"limits": Limits(latency_ratio=1.2)}):
        search = make_search(optuna.storages.InMemoryStorage(), **options)
        with pytest.raises(InputError, match="was not measured"):
            run(search, n_most=3)


def test_limit_on_latency_keeps_candidates_out() -> None:
    search = make_search(optuna.storages.InMemoryStorage(), cost=slow, limits=Limits(latency_ratio=1.3), n_trials=10)
    rows = run(search)
    trained = [r for r in rows[2:] if r.errors]
    assert len(trained) == 8
    assert all(r.cost.latency_ratio is not None and r.cost.latency_ratio <= 1.3 for r in trained)
    assert baseline(SHARED).fingerprint == rows[1].architecture.fingerprint
