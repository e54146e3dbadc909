"""A search that was killed anywhere goes on exactly as it would have."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest
from search_samples import branched, make_search, make_space, plain, proposals_of, run, train

from taskgroup.core.record import TrialRow
from taskgroup.search.first import first_candidates
from taskgroup.search.limits import Limits
from taskgroup.search.storage import open_storage
from taskgroup.search.study import Search

N_TRIALS = 16
STRIDE = 3
LIMITS = Limits(macs_ratio=2.2)


class Killed(BaseException):
    """The power went."""


class Mortal(optuna.storages.InMemoryStorage):
    """A storage that dies before its write number ``last``."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__()
        self.last, self.n_writes = last, 0

    def _count(self) -> None:
        if self.n_writes == self.last:
            raise Killed
        self.n_writes += 1

    def create_new_trial(self, *args: Any, **options: Any) -> int:
        self._count()
        return super().create_new_trial(*args, **options)

    def set_trial_param(self, *args: Any, **options: Any) -> None:
        self._count()
        super().set_trial_param(*args, **options)

    def set_trial_user_attr(self, *args: Any, **options: Any) -> None:
        self._count()
        super().set_trial_user_attr(*args, **options)

    def set_trial_system_attr(self, *args: Any, **options: Any) -> None:
        self._count()
        super().set_trial_system_attr(*args, **options)

    def set_trial_intermediate_value(self, *args: Any, **options: Any) -> None:
        self._count()
        super().set_trial_intermediate_value(*args, **options)

    def set_trial_state_values(self, *args: Any, **options: Any) -> bool:
        self._count()
        return super().set_trial_state_values(*args, **options)

    def set_study_user_attr(self, *args: Any, **options: Any) -> None:
        self._count()
        super().set_study_user_attr(*args, **options)


def search_on(storage: optuna.storages.BaseStorage) -> Search:
    space = make_space()
    first = list(first_candidates(space, proposals_of(space.trees[0].tree), 3))
    return make_search(storage, space, first, LIMITS, N_TRIALS)


@pytest.fixture(scope="module")
def undisturbed() -> list[TrialRow]:
    rows = run(search_on(optuna.storages.InMemoryStorage()))
    states = {r.state for r in rows}
    assert states == {"complete", "pruned", "over limit"}
    assert any(r.origin == "sampler" for r in rows[12:])  # where the sampler has begun to learn
    return rows


def finish(storage: optuna.storages.BaseStorage, trained: list[str]) -> list[TrialRow]:
    return run(search_on(storage), trained)


@pytest.mark.parametrize("k", range(N_TRIALS + 1))
@pytest.mark.parametrize("in_hand", [False, True], ids=["between trials", "with a trial in hand"])
def test_interrupted_after_any_trial(undisturbed: list[TrialRow], k: int, in_hand: bool) -> None:
    storage = optuna.storages.InMemoryStorage()
    search, trained = search_on(storage), list[str]()
    run(search, trained, n_most=k)
    if in_hand:
        search.ask(0)
    assert finish(storage, trained) == undisturbed
    assert len(set(trained)) == len(trained)


def kill(last: int) -> tuple[Mortal, list[str]]:
    """A search that is killed before its write number ``last``."""
    storage, trained = Mortal(last), list[str]()
    with pytest.raises(Killed):
        run(search_on(storage), trained)
    storage.last = None
    return storage, trained


def n_writes() -> int:
    storage = Mortal()
    run(search_on(storage))
    return storage.n_writes


def check_every(writes: Iterable[int], undisturbed: list[TrialRow]) -> None:
    for last in writes:
        storage, trained = kill(last)
        assert finish(storage, trained) == undisturbed, f"killed before write {last}"
        assert len(trained) <= len(set(trained)) + 1, f"killed before write {last}"


@pytest.mark.parametrize("part", range(2))
def test_killed_before_any_write(undisturbed: list[TrialRow], part: int) -> None:
    """Before a trial is kept, between both writes of telling; all writes take half a minute."""
    total = n_writes()
    assert total > 3 * N_TRIALS
    check_every(range(part * STRIDE, total, 2 * STRIDE), undisturbed)


def test_killed_twice(undisturbed: list[TrialRow]) -> None:
    for first, second in ((20, 10), (33, 12), (41, 5)):
        storage, trained = kill(first)
        storage.last = storage.n_writes + second
        with pytest.raises(Killed):
            run(search_on(storage), trained)
        storage.last = None
        assert finish(storage, trained) == undisturbed


def test_two_workers_killed_with_both_in_hand(tmp_path: Path) -> None:
    """No row is lost and none doubled; a repeat that waited for a running trial is told too."""
    storage = open_storage(None, tmp_path)
    search = make_search(storage, make_space(2, n_trees=1, sizes=(0, 4)), n_trials=8)
    trained: list[str] = []
    run(search, trained, n_most=3)
    for n_running in (0, 1):
        asked = search.ask(n_running)
        assert asked is not None
    again = make_search(open_storage(None, tmp_path), make_space(2, n_trees=1, sizes=(0, 4)), n_trials=8)
    rows = run(again, trained)
    assert len(set(trained)) == len(trained) == 8
    assert sorted(trained) == sorted(r.architecture.fingerprint for r in rows if "repeat" not in r.origin)
    assert all(t.state.is_finished() for t in again._ledger.study.get_trials())


def test_finished_search_asks_nothing_more(undisturbed: list[TrialRow]) -> None:
    storage = optuna.storages.InMemoryStorage()
    run(search_on(storage))
    again = search_on(storage)
    assert again.ask(0) is None
    assert again.rows() == undisturbed


def test_first_candidates_are_asked_once() -> None:
    storage = optuna.storages.InMemoryStorage()
    for _ in range(5):
        search = make_search(storage, first=[("one", plain(branched(2, 1))), ("two", plain(branched(3, 1)))])
        run(search, n_most=1)
    assert [r.origin for r in search.rows()] == ["all-separate", "all-shared", "one", "two", "sampler"]


def test_the_trial_that_was_running_is_trained_with_the_same_architecture() -> None:
    storage = optuna.storages.InMemoryStorage()
    search = search_on(storage)
    run(search, n_most=13)
    asked = search.ask(0)
    again = search_on(storage).ask(0)
    assert asked is not None
    assert again is not None
    assert (again.number, again.candidate, again.bars) == (asked.number, asked.candidate, asked.bars)
    assert train(again) == train(asked)
