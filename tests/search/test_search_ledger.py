"""What is kept of a study: whole trials alone, read again as they were."""

from pathlib import Path

import optuna
import pytest
from search_samples import baseline, branched, make_cost, make_search, plain, run, train

from taskgroup.core.recipe import Candidate, Recipe
from taskgroup.errors import ConflictError
from taskgroup.search.ledger import Ledger
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SHARED, Answer, Question
from taskgroup.search.storage import open_storage


def question(candidate: Candidate) -> Question:
    return Question(
        origin="mine",
        turn="first",
        architecture=candidate.architecture,
        recipe=candidate.recipe,
        cost=make_cost(candidate.architecture),
        params={"split_0": 2},
    )


def test_notes_are_read_as_they_were_written(tmp_path: Path) -> None:
    ledger = Ledger(open_storage(None, tmp_path), "job", "space")
    tuned = Candidate(architecture=branched(2, 1), recipe=Recipe(lr_scale=2.0, weighting="pcgrad"))
    ledger.add(question(tuned), tuned.fingerprint)
    ledger.count(0, 2)
    ledger.add(question(plain(baseline(SHARED))), "shared")
    history = {10: {"a": 0.1 + 0.2}, 20: {"a": 1 / 3}}
    told = Answer(state="complete", gain=0.1, gains={10: 0.0, 20: 0.1}, errors={"a": 1 / 3}, history=history, clock=7.5)
    ledger.finish(1, told)
    ledger.add(question(plain(branched(3, 1))), plain(branched(3, 1)).fingerprint, Answer(state="over limit"))
    again = Ledger(open_storage(None, tmp_path), "job", "space")
    assert again.notes[0] == ledger.notes[0]
    assert again.notes[0].asked.candidate == tuned
    assert (again.notes[0].attempts, again.notes[1].told) == (2, told)
    assert again.notes[2].is_idle
    assert again.twins == {n.fingerprint: n.number for n in again.notes}


def test_study_of_an_older_version_is_refused() -> None:
    storage = optuna.storages.InMemoryStorage()
    old = optuna.create_study(storage=storage, study_name="job", direction="maximize")
    old.enqueue_trial({"split_0": 1}, user_attrs={"origin": SHARED})
    with pytest.raises(ConflictError, match="`job` was begun by an older version"):
        Ledger(storage, "job", "space")


def test_one_transaction_asks_and_two_tell() -> None:
    class Counting(optuna.storages.InMemoryStorage):
        n = 0

        def create_new_trial(self, *args: object, **options: object) -> int:
            self.n += 1
            return super().create_new_trial(*args, **options)  # type: ignore[arg-type]

        def set_trial_user_attr(self, *args: object, **options: object) -> None:
            self.n += 1
            super().set_trial_user_attr(*args, **options)  # type: ignore[arg-type]

        def set_trial_state_values(self, *args: object, **options: object) -> bool:
            self.n += 1
            return super().set_trial_state_values(*args, **options)  # type: ignore[arg-type]

    storage = Counting()
    search = make_search(storage, limits=Limits(macs_ratio=2.0), n_trials=12)
    rows = run(search)
    n_trained = sum(bool(row.errors) for row in rows)
    assert n_trained == 12
    assert storage.n == len(rows) + 2 * n_trained


def test_best_gain_is_that_of_candidates_within_limits() -> None:
    search = make_search(optuna.storages.InMemoryStorage(), limits=Limits(macs_ratio=2.0))
    assert search.best_gain is None
    for _ in range(8):
        asked = search.ask(0)
        assert asked is not None
        search.tell(asked.number, train(asked))
    allowed = [r.gain for r in search.rows() if r.gain is not None and r.cost.macs_ratio <= 2.0]
    assert search.best_gain == max(allowed)
