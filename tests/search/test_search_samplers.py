"""The table of samplers: each goes on after an interruption as it would have."""

import optuna
import pytest
from search_samples import make_search, make_space, run, train

from taskgroup.core.record import TrialRow
from taskgroup.errors import InputError
from taskgroup.search.limits import Limits
from taskgroup.search.samplers import SAMPLERS, Genetic, make_sampler

LIMITS = Limits(macs_ratio=2.8, worst_task=-0.2)


def search_on(storage: optuna.storages.BaseStorage, sampler: str, n_trials: int, n_most: int = 1000) -> list[TrialRow]:
    return run(make_search(storage, limits=LIMITS, n_trials=n_trials, prune=False, sampler=sampler), n_most=n_most)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_interrupted_search_goes_on_with_the_same_candidates(sampler: str) -> None:
    n_trials = 12 if sampler == "gp" else 24
    rows = search_on(optuna.storages.InMemoryStorage(), sampler, n_trials)
    storage = optuna.storages.InMemoryStorage()
    for k in (5, 6) if sampler == "gp" else (3, 9, 10):
        search_on(storage, sampler, n_trials, n_most=k)
    assert search_on(storage, sampler, n_trials) == rows
    assert sum(bool(r.errors) for r in rows) == n_trials


def test_samplers_differ() -> None:
    """Grouped TPE is not among them: it differs where several parameters occur together, but not always."""
    names = ("tpe", "nsga2", "random")
    seen = [search_on(optuna.storages.InMemoryStorage(), name, 18) for name in names]
    last = [tuple(r.architecture.fingerprint for r in rows[12:]) for rows in seen]
    assert len(set(last)) == len(last)


def test_generations_of_nsga2_follow_each_other_and_hold_what_came_first() -> None:
    storage = optuna.storages.InMemoryStorage()
    for _ in range(4):
        search_on(storage, "nsga2", 24, n_most=6)
    search = make_search(storage, limits=LIMITS, n_trials=24, prune=False, sampler="nsga2")
    complete = [n.asked.system["Genetic:generation"] for n in search.notes if n.is_complete]
    assert complete[:2] == [0, 0]
    assert complete == sorted(complete)
    assert 2 <= max(complete) <= 3  # populations of 8, repeats among them
    sampler = search._sampling.make(0)
    assert isinstance(sampler, Genetic)
    assert sampler.population_size == 8


@pytest.mark.parametrize(("n_trials", "size"), [(10, 8), (200, 25), (4000, 50)])
def test_population_follows_from_the_budget(n_trials: int, size: int) -> None:
    made = make_sampler("nsga2")(0, n_trials)
    assert isinstance(made, Genetic)
    assert made.population_size == size


def test_what_trials_have_in_common_is_what_optuna_would_find() -> None:
    search = make_search(optuna.storages.InMemoryStorage(), make_space(), n_trials=20)
    while (asked := search.ask(0)) is not None:
        study = search._sampling.study
        last = study.get_trials(deepcopy=False)[-1]
        fresh = optuna.samplers.TPESampler(multivariate=True).infer_relative_search_space(study, last)
        assert search._sampling.make(0).infer_relative_search_space(study, last) == fresh
        search.tell(asked.number, train(asked))


def test_unknown_sampler_is_refused() -> None:
    with pytest.raises(InputError, match="should be one of tpe, tpe-group, nsga2, gp, random, found `nsga3`, did you"):
        make_sampler("nsga3")
