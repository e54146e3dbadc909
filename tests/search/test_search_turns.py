"""Whose turn it is: proposers between the sampler's suggestions, neighbours where it has nothing new to say."""

from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from search_samples import baseline, branched, make_cost, make_search, make_space, plain, run, train

from taskgroup.core.recipe import Candidate, Recipe
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.search.limits import Limits
from taskgroup.search.neighbours import near
from taskgroup.search.notes import SHARED
from taskgroup.search.proposer import N_PROPOSED

FAR = Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="body", size=5),))


def memory() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


class Scripted:
    """Proposes what follows from how much it was told, and notes when it was asked."""

    def __init__(self, *more: tuple[str, Candidate]) -> None:
        self.more, self.seen = more, list[list[int]]()

    def propose(self, rows: Sequence[TrialRow], n: int) -> Sequence[tuple[str, Candidate]]:
        assert n == N_PROPOSED
        assert all(r.errors and not r.origin.startswith("repeat") for r in rows)
        self.seen.append([r.number for r in rows])
        scale = 1 + len(rows) / 8
        return [*self.more, ("tuned", Candidate(architecture=baseline(SHARED), recipe=Recipe(lr_scale=scale)))]


def origins(rows: Sequence[TrialRow]) -> list[str]:
    return ["repeat" if r.origin.startswith("repeat") else r.origin for r in rows]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_so_many_th_training_is_the_proposers(every: int) -> None:
    first = [("two groups", plain(branched(2, 1)))]
    rows = run(make_search(memory(), first=first, n_trials=15, proposer=Scripted(), propose_every=every))
    later = [origin for origin in origins(rows)[3:] if origin != "repeat"]
    assert [k % every == every - 1 for k in range(len(later))] == [origin == "tuned" for origin in later]
    assert all(r.recipe.lr_scale > 1 for r in rows if r.origin == "tuned")


def test_known_and_dear_proposals_are_passed_over() -> None:
    dear = ("dear", Candidate(architecture=branched(4, 1), recipe=Recipe(lr_scale=2.0)))
    limits = Limits(macs_ratio=make_cost(branched(4, 1)).macs_ratio - 0.1)
    proposer = Scripted(dear, ("known", plain(baseline(SHARED))))
    rows = run(make_search(memory(), limits=limits, n_trials=12, proposer=proposer))
    assert origins(rows).count("tuned") >= 3
    assert not {"dear", "known"} & set(origins(rows))


def test_proposer_without_anything_new_leaves_its_turn_to_the_sampler() -> None:
    class Silent:
        def propose(self, rows: Sequence[TrialRow], n: int) -> Sequence[tuple[str, Candidate]]:
            return [("known", plain(baseline(SHARED)))]

    assert run(make_search(memory(), proposer=Silent())) == run(make_search(memory()))


def test_sampler_learns_from_proposals_inside_its_space_alone() -> None:
    search = make_search(memory(), n_trials=14, prune=False, proposer=Scripted(("far", plain(FAR))))
    rows = run(search)
    shown = search._sampling.study.get_trials()
    inside = make_space().encode(plain(branched(2, 1)))
    assert inside is not None
    for row, trial in zip(rows, shown, strict=True):
        outside = row.origin in ("far", "tuned")
        assert (trial.params == {}) == outside
        assert (trial.state == optuna.trial.TrialState.FAIL) == outside
    assert len(search._sampling.make(99).infer_relative_search_space(search._sampling.study, shown[-1])) >= 4


@pytest.mark.parametrize("k", range(4, 14))
def test_interrupted_search_with_a_proposer_goes_on_as_it_would_have(k: int) -> None:
    def search_on(storage: optuna.storages.BaseStorage) -> list[TrialRow]:
        proposer = Scripted(("far", plain(FAR)))
        return run(make_search(storage, n_trials=14, proposer=proposer), n_most=limit)

    limit, undisturbed, storage = 1000, memory(), memory()
    wanted = search_on(undisturbed)
    limit = k
    search_on(storage)
    make_search(storage, n_trials=14, proposer=Scripted(("far", plain(FAR)))).ask(0)  # and with one in hand
    limit = 1000
    assert search_on(storage) == wanted


def test_the_same_network_under_another_recipe_is_no_repeat() -> None:
    first = [("slow", Candidate(architecture=baseline(SHARED), recipe=Recipe(lr_scale=0.5)))]
    rows = run(make_search(memory(), first=[*first, *first], n_trials=5))
    assert [rows[2].origin, rows[3].origin] == ["slow", "repeat of 2"]
    assert rows[2].candidate == rows[3].candidate == first[0][1]
    assert rows[2].gain != rows[1].gain


def test_where_limits_leave_little_neighbours_are_trained() -> None:
    limits = Limits(macs_ratio=1.45)  # 435: not more than one further copy of the last stage, and adapters
    trained: list[str] = []
    rows = run(make_search(memory(), limits=limits, n_trials=14), trained)
    assert len(trained) == len(set(trained)) == 14
    near_by = [r for r in rows if r.origin == "neighbour"]
    assert len(near_by) >= 4
    assert all(r.cost.macs_ratio <= 1.45 and r.errors for r in near_by)
    assert len(rows) < 3 * len(trained)  # what is not trained is told to the sampler, but does not pile up


def test_neighbours_are_near_first_and_anywhere_in_the_end() -> None:
    space = make_space()
    centre = space.encode(plain(baseline(SHARED)))
    assert centre is not None
    seen: list[Candidate] = []

    def refuse(candidate: Candidate) -> bool:
        seen.append(candidate)
        return False

    assert near(space, [centre], np.random.default_rng(0), refuse) is None
    changed = [
        sum(centre[name] != value for name, value in (space.encode(c) or {}).items() if name in centre) for c in seen
    ]
    assert np.mean(changed[:60]) < 2 < np.mean(changed[-60:])
    found = near(space, [centre], np.random.default_rng(0), lambda c: c == seen[7])
    assert found is not None
    assert space.decode(found) == seen[7]
    assert near(space, [], np.random.default_rng(1), lambda _: True) is not None


def test_with_everything_trained_the_search_is_over() -> None:
    space = make_space(2, n_trees=1, sizes=(0,))
    search = make_search(memory(), space, n_trials=50)
    rows = run(search)
    assert len({r.architecture.fingerprint for r in rows}) == 4
    assert search.ask(0) is None
    asked = make_search(memory(), space).ask(0)
    assert asked is not None
    assert train(asked).errors


def test_neighbours_start_from_the_front_where_there_are_several_objectives() -> None:
    search = make_search(memory(), n_trials=14, objective=("gain", "macs"))
    rows = run(search)
    centres = search._turns._centres(rows)
    inside = [r for r in rows if r.errors]
    beaten = [
        any(o.gain >= r.gain and o.cost.macs_ratio <= r.cost.macs_ratio and o != r for o in inside)  # type: ignore[operator]
        for r in inside
    ]
    assert {search.space.decode(c).fingerprint for c in centres} == {
        r.candidate.fingerprint for r, out in zip(inside, beaten, strict=True) if not out
    }
    single = make_search(memory(), n_trials=14, prune=False)
    best = max(run(single), key=lambda r: -9.0 if r.gain is None else r.gain)
    centres = single._turns._centres(single.rows())
    assert single.space.decode(centres[0]).fingerprint == best.candidate.fingerprint
    assert len(centres) == 3
