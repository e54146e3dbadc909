"""The study as it is kept: one attribute with what was asked, one with what was told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from taskgroup.errors import ConflictError
from taskgroup.search.notes import Answer, Notes, Question
from taskgroup.search.objectives import directions, values

ASKED, ATTEMPTS, TOLD = "asked", "attempts", "told"

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "over limit": TrialState.PRUNED,
}


class Ledger:
    """The trials of a study: read once from the storage, then kept in memory as well.

    There is one writer. A trial is written in one transaction when it is asked for and in two steps when it is told,
    so a writer that is killed at any moment leaves nothing but whole trials, some of them running. Parameters stand
    in the attribute ``asked`` and not in Optuna's tables, where each costs a transaction's worth of statements
    (1.5 ms, for 15 to 25 of them a trial).

    Args:
        storage: Where the study is kept.
        name: Of the study.
        space: Fingerprint of the search space.
        objective: What the study is for.

    Raises:
        ConflictError: The study in the storage is for another space or other objectives, or of an older version.
    """

    def __init__(
        self, storage: optuna.storages.BaseStorage, name: str, space: str, objective: Sequence[str] = ("gain",)
    ) -> None:
        self.objective = tuple(objective)
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions(objective),
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.NopPruner(),
        )
        self._storage = self.study._storage
        self._check(name, "search space", "space", space)
        self._check(name, "objective", "objective", ", ".join(objective))
        trials = self.study.get_trials(deepcopy=False)
        if any(ASKED not in trial.user_attrs for trial in trials):
            raise ConflictError(f"study `{name}` was begun by an older version: finish it there, or begin a new job")
        self._ids = [trial._trial_id for trial in trials]
        self.notes = [_read(trial) for trial in trials]
        self.twins: dict[str, int] = {}
        for note in self.notes:
            self.twins.setdefault(note.fingerprint, note.number)

    def _check(self, name: str, what: str, key: str, wanted: str) -> None:
        known = self.study.user_attrs.get(key)
        if known not in (None, wanted):
            raise ConflictError(f"study `{name}` was made for another {what} ({known}, now {wanted})")
        if known is None:
            self.study.set_user_attr(key, wanted)

    def add(self, asked: Question, fingerprint: str, told: Answer | None = None) -> Notes:
        """Keep a new trial, running or at once with what is told of it."""
        notes = Notes(len(self.notes), asked, fingerprint, told=told)
        kept = {ASKED: asked.model_dump(mode="json")}  # attempts are written when there is a second one
        template = create_trial(
            state=_STATES["running" if told is None else told.state],
            values=self._values(asked, told),
            user_attrs=kept | ({} if told is None else {TOLD: told.model_dump(mode="json")}),
        )
        template.datetime_start = template.datetime_start or datetime.now()
        self._ids.append(self._storage.create_new_trial(self.study._study_id, template))
        self.notes.append(notes)
        self.twins.setdefault(fingerprint, notes.number)
        return notes

    def _values(self, asked: Question, told: Answer | None) -> list[float] | None:
        """What Optuna's own tools show as the trial's values."""
        if told is None or told.state != "complete" or told.gain is None:
            return None
        return values(self.objective, told.gain, asked.cost)

    def count(self, number: int, attempts: int) -> None:
        """Keep how many times a trial was sent out."""
        self._storage.set_trial_user_attr(self._ids[number], ATTEMPTS, attempts)
        self.notes[number] = replace(self.notes[number], attempts=attempts)

    def finish(self, number: int, told: Answer) -> Notes:
        """Keep what was told of a running trial."""
        notes = replace(self.notes[number], told=told)
        self._storage.set_trial_user_attr(self._ids[number], TOLD, told.model_dump(mode="json"))
        values_ = self._values(notes.asked, told)
        self._storage.set_trial_state_values(self._ids[number], _STATES[told.state], values_)
        self.notes[number] = notes
        return notes


def _read(trial: FrozenTrial) -> Notes:
    attrs = trial.user_attrs
    asked = Question.model_validate(attrs[ASKED])
    over = trial.state.is_finished()  # else it was being told, and will be again
    told = Answer.model_validate(attrs[TOLD]) if over else None
    return Notes(trial.number, asked, asked.candidate.fingerprint, int(attrs.get(ATTEMPTS, 1)), told)
