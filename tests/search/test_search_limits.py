"""Limits that are known before training, and the floor for the worst task, which is not."""

import optuna
import pytest
from search_samples import branched, cost_at, make_errors, make_search, run

from taskgroup.errors import InputError
from taskgroup.search.limits import Limits


def test_latency_has_its_limit() -> None:
    cost = cost_at(1.0).model_copy(update={"latency_ratio": 1.5})
    assert Limits(latency_ratio=1.25).excess(branched(2, 1), cost) == {"latency_ratio": 0.25}
    assert Limits(latency_ratio=1.5).allow(branched(2, 1), cost)
    assert not Limits(latency_ratio=1.25).afford(cost)
    with pytest.raises(InputError, match="latency"):
        Limits(latency_ratio=1.25).afford(cost_at(1.0))


def test_shortfall_is_that_of_the_worst_task() -> None:
    errors, separate = {"a": 0.9, "b": 1.04, "c": 1.02}, {"a": 1.0, "b": 1.0, "c": 2.0}
    assert Limits(worst_task=-0.01).shortfall(errors, separate) == {"worst_task": pytest.approx(0.03)}
    assert Limits(worst_task=-0.05).shortfall(errors, separate)["worst_task"] < 0
    assert Limits().shortfall(errors, separate) == {}


def test_floor_is_shown_to_the_sampler_and_leaves_the_rows_alone() -> None:
    floor = -0.1
    storage = optuna.storages.InMemoryStorage()
    search = make_search(storage, limits=Limits(worst_task=floor), n_trials=12)
    rows = run(search)
    separate = make_errors(rows[0].architecture, 30)
    again = make_search(storage, limits=Limits(worst_task=floor), n_trials=12)
    broken = 0
    for found in (search, again):  # an earlier session's are shown too
        for row, trial in zip(rows, found._sampling.study.get_trials(), strict=True):
            if row.state != "complete":
                assert trial.constraints == {}
                continue
            worst = min(1 - make_errors(row.candidate, 30)[task] / separate[task] for task in separate)
            assert trial.constraints == {"worst_task": pytest.approx(floor - worst)}
            broken += worst < floor
    assert broken > 0  # and yet they are complete rows with a gain
    assert all(row.gain is not None for row in rows if row.state == "complete")
