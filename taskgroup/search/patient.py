"""A study's database that may be restarted at any moment: waits for it, and writes nothing twice."""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError

from taskgroup.errors import UnreachableError

PATIENCE_S = 60.0
"""So long a database may be away."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
P = ParamSpec("P")
T = TypeVar("T")


class PatientStorage(RDBStorage):
    """Optuna's storage for one writer per study.

    A database that goes away in the course of a commit leaves open whether it was done. So what is tried again is
    what may be done twice (reading, attributes), or is looked up first: a new trial by the study's number of trials,
    a trial's end by its state.

    Args:
        url: Of the database.
        shown: The same for people, without passwords.
        engine_options: Of SQLAlchemy's engine.
    """

    def __init__(self, url: str, shown: str, engine_options: Mapping[str, Any]) -> None:
        self._shown = shown
        self._n_trials: dict[int, int] = {}
        try:
            super().__init__(url, engine_kwargs=dict(engine_options))
        except Exception:
            if hasattr(self, "engine"):
                self.engine.dispose()  # closes its connections
            raise

    def _patiently(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it, again and again while the database is away.

        Raises:
            UnreachableError: It stayed away.
        """
        end, pause_s = time.monotonic() + PATIENCE_S, FIRST_PAUSE_S
        while True:
            try:
                return call(*args, **kwargs)
            except StorageInternalError as error:
                cause = error.__cause__
                if not isinstance(cause, DBAPIError):
                    raise
                if time.monotonic() > end:
                    reason = str(cause.orig).strip().splitlines()[0]
                    raise UnreachableError(
                        f"storage: {self._shown} has not answered for {PATIENCE_S:g} s: {reason}; "
                        "the same command goes on from here"
                    ) from cause
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """A second time it is there already, which :func:`optuna.create_study` expects."""
        return self._patiently(super().create_new_study, directions, study_name)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Written once more where it is not known whether it was."""
        self._patiently(super().set_study_user_attr, study_id, key, value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Written once more where it is not known whether it was."""
        self._patiently(super().set_trial_user_attr, trial_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """Read."""
        return self._patiently(super().get_study_id_from_name, study_name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Read."""
        return self._patiently(super().get_study_directions, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Read."""
        return self._patiently(super().get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Read."""
        return self._patiently(super().get_study_system_attrs, study_id)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        return self._patiently(super()._get_trials, study_id, states, included_trial_ids, trial_id_greater_than)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        """Add a trial, which an attempt that ended without a word may have done."""
        if study_id not in self._n_trials:
            self._n_trials[study_id] = len(self._get_trials(study_id, None, set(), -1))
        found = self._patiently(super()._create_new_trial, study_id, template_trial)
        self._n_trials[study_id] = found.number + 1
        return found

    def _get_prepared_new_trial(self, study_id: int, template_trial: FrozenTrial | None, session: Any) -> Any:
        """Optuna's part of each attempt that writes; the study's row is locked."""
        from optuna.storages._rdb import models

        trials = session.query(models.TrialModel).filter(models.TrialModel.study_id == study_id)
        if trials.count() > self._n_trials[study_id]:
            return trials.order_by(models.TrialModel.trial_id.desc()).first()
        return super()._get_prepared_new_trial(study_id, template_trial, session)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """End a trial, which an attempt that ended without a word may have done."""
        try:
            return self._patiently(super().set_trial_state_values, trial_id, state, values)
        except UpdateFinishedTrialError:
            if self._patiently(super().get_trial, trial_id).state is state:
                return True
            raise
