"""A database that goes away: waited for, and nothing written twice, whenever it does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from taskgroup.errors import UnreachableError
from taskgroup.search import patient
from taskgroup.search.storage import open_storage


class Away:
    """The database as it goes away: before or after what a commit asked for is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = self.after = 0
        commit: Callable[[Session], None] = Session.commit

        def committed(session: Session) -> None:
            if self.before:
                self.before -= 1
                raise self.error
            commit(session)
            if self.after:
                self.after -= 1
                raise self.error

        monkeypatch.setattr(Session, "commit", committed)
        monkeypatch.setattr(patient, "FIRST_PAUSE_S", 0.001)
        monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _: None)

    error = OperationalError("INSERT …", None, Exception("the database system is shutting down\nmore"))


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    yield Away(monkeypatch)
    monkeypatch.undo()


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(None, tmp_path), study_name="s", load_if_exists=True)


def seen(tmp_path: Path) -> list[Any]:
    """What another process finds."""
    again = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    return [(trial.number, trial.state, trial.user_attrs, trial.values) for trial in again.trials]


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_write_is_done_once(study: optuna.Study, away: Away, when: str, tmp_path: Path) -> None:
    storage = study._storage
    for number in range(3):
        template = create_trial(state=TrialState.RUNNING, user_attrs={"asked": "the same"})
        setattr(away, when, 7)  # more than Optuna's own five attempts
        trial_id = storage.create_new_trial(study._study_id, template)
        assert storage.get_trial(trial_id).number == number
        setattr(away, when, 2)
        storage.set_trial_user_attr(trial_id, "told", number)
        setattr(away, when, 2)
        assert storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
        assert getattr(away, when) == 0
    attrs = {"asked": "the same"}
    assert seen(tmp_path) == [(k, TrialState.COMPLETE, {**attrs, "told": k}, [0.5]) for k in range(3)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_study_is_made_once_and_read(away: Away, when: str, tmp_path: Path) -> None:
    storage = open_storage(None, tmp_path)
    setattr(away, when, 2)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    for attribute in ("space", "objective"):
        setattr(away, when, 2)
        study.set_user_attr(attribute, "x")
    setattr(away, when, 2)
    assert study.user_attrs == {"space": "x", "objective": "x"}
    assert len(storage.get_all_studies()) == 1
    assert study.get_trials() == []


def test_a_study_that_goes_on_counts_on_from_what_is_there(study: optuna.Study, away: Away, tmp_path: Path) -> None:
    study._storage.create_new_trial(study._study_id, create_trial(state=TrialState.RUNNING))
    again = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s", load_if_exists=True)
    away.after = 1
    again._storage.create_new_trial(again._study_id, create_trial(state=TrialState.RUNNING))
    assert [row[0] for row in seen(tmp_path)] == [0, 1]


def test_a_trial_that_ended_otherwise_is_not_changed(study: optuna.Study) -> None:
    trial_id = study._storage.create_new_trial(study._study_id, create_trial(state=TrialState.RUNNING))
    study._storage.set_trial_state_values(trial_id, TrialState.FAIL)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])


def test_patience_ends_with_a_sentence(study: optuna.Study, away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient, "PATIENCE_S", 0.02)
    away.before = 10_000
    with pytest.raises(
        UnreachableError, match=r"study.db has not answered for 0.02 s: the database system is shutting"
    ):
        study.set_user_attr("a", 1)


def test_other_faults_are_not_waited_for(study: optuna.Study) -> None:
    with pytest.raises(KeyError):
        study._storage.set_trial_user_attr(999, "a", 1)
