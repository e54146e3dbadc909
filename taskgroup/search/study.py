"""The study of one job: ask for architectures, tell what they gained. Its only writer is the job's controller."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from taskgroup.core.gain import mean_gain
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Bar, TrialResult
from taskgroup.errors import ConflictError, TrialError
from taskgroup.search.bars import quantile_bars
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED, Notes
from taskgroup.search.space import Space

MAX_ATTEMPTS = 3
MAX_IDLE = 30

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Asked:
    """A candidate that waits to be trained."""

    number: int
    origin: str
    architecture: Architecture
    bars: tuple[Bar, ...]


class Search:
    """Ask and tell over an Optuna study that can be left and taken up again at any moment.

    The sampler is made anew before every ask, seeded by the job's seed and the candidate's position, so that a search
    that was interrupted goes on exactly as it would have. Candidates that were sampled before are answered from
    memory, those over a limit are not trained; neither counts against the budget, but a search in which nothing else
    comes up many times in a row is over.

    Args:
        storage: Where the study is kept.
        name: Name of the study.
        space: What may be asked.
        first: Origin and architecture of what is tried first, after the two baselines.
        cost: Cost of an architecture.
        limits: On cost and topology; the baselines are trained whatever they cost or break, as references.
        n_trials: Candidates to train, baselines included.
        seed: Of the sampler.
        prune: Whether candidates in the lowest quarter at a check are stopped.

    Raises:
        ConflictError: The study in the storage was made for another space.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        name: str,
        space: Space,
        first: Sequence[tuple[str, Architecture]],
        *,
        cost: Callable[[Architecture], Cost],
        limits: Limits,
        n_trials: int,
        seed: int,
        prune: bool,
    ) -> None:
        self.storage, self.space, self.cost, self.limits = storage, space, cost, limits
        self.n_trials, self.seed, self.prune = n_trials, seed, prune
        pruner = optuna.pruners.NopPruner()
        self.study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
        )
        known = self.study.user_attrs.get("space")
        if known not in (None, space.fingerprint):
            raise ConflictError(f"study `{name}` was made for another search space ({known}, now {space.fingerprint})")
        self.study.set_user_attr("space", space.fingerprint)
        self._twins_waiting: dict[int, list[int]] = {}
        self._held: dict[int, TrialResult] = {}
        self._rows: dict[int, TrialRow] = {}
        self._enqueue(first)
        self._discarded = {int(k.split()[1]) for k in self.study.user_attrs if k.startswith("discarded ")}
        self._recovered = self._recover()

    def _enqueue(self, first: Sequence[tuple[str, Architecture]]) -> None:
        tasks, stages = self.space.trees[0].tree.tasks, self.space.stages
        baselines = [
            (SEPARATE, self.space.plain(Topology.separate(tasks, stages))),
            (SHARED, self.space.plain(Topology.shared(tasks, stages))),
        ]
        known = {Notes(t).origin for t in self._trials()}
        for origin, architecture in [*baselines, *first]:
            params = self.space.encode(architecture)
            if params is None:
                raise TrialError(f"search: the space cannot express the candidate `{origin}`")
            if origin not in known:
                self.study.enqueue_trial(params, user_attrs={"origin": origin})

    def _recover(self) -> list[int]:
        """Numbers of the trials that an earlier controller left running, to be taken up again in order."""
        again = []
        for trial in self._trials(TrialState.RUNNING):
            if set(trial.params) == set(self.space.distributions) or "origin" in trial.user_attrs:
                again.append(trial.number)
            else:  # killed while it was being sampled: the sampler draws it anew under the same seed
                self.study.set_user_attr(f"discarded {trial.number}", True)
                self._discarded.add(trial.number)
                self.study.tell(trial.number, state=TrialState.FAIL)
        return again

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _trial(self, number: int) -> FrozenTrial:
        return self._trials()[number]

    def _set(self, trial: FrozenTrial, **notes: Any) -> None:
        """Keep ``notes`` with a trial; ``Notes`` reads them."""
        for key, value in notes.items():
            self.storage.set_trial_user_attr(trial._trial_id, key, value)

    def _position(self, number: int) -> int:
        """The trial's number, not counting those discarded before it."""
        return number - sum(d < number for d in self._discarded)

    @property
    def n_spent(self) -> int:
        """Candidates whose training is over, pruned and failed ones included."""
        return sum(Notes(t).is_spent for t in self._trials())

    def ask(self, n_running: int) -> Asked | None:
        """The next candidate to train, or None while nothing more can be started.

        Args:
            n_running: Candidates in training now. Nothing but the baselines is asked until both are told.
        """
        while self._may_ask(n_running):
            trial = self._next_trial()
            architecture = self.space.suggest(trial)
            cost = self.cost(architecture)
            self._note(trial, architecture, cost)
            if not self._answered(trial.number, architecture, cost) and self._count_attempt(trial.number):
                notes = Notes(self._trial(trial.number))
                return Asked(trial.number, notes.origin, architecture, notes.bars or ())
        return None

    def _may_ask(self, n_running: int) -> bool:
        trials = self._trials()
        open_baselines = [t.state for t in trials if Notes(t).is_baseline and not t.state.is_finished()]
        if self._recovered or TrialState.WAITING in open_baselines:
            return True
        within = sum(Notes(t).is_spent for t in trials) + n_running < self.n_trials
        waiting = any(t.state == TrialState.WAITING for t in trials)
        return within and not open_baselines and (waiting or self._may_sample(trials))

    def _may_sample(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether there is something to sample, and it was not in vain too many times in a row."""
        asked = [Notes(t) for t in trials if t.number not in self._discarded]
        idle = itertools.takewhile(lambda notes: notes.is_idle, reversed(asked))
        return bool(self.space.distributions) and sum(1 for _ in idle) < max(MAX_IDLE, self.n_trials)

    def _next_trial(self) -> optuna.Trial:
        trials = self._trials()
        waiting = [t.number for t in trials if t.state == TrialState.WAITING]
        number = (*self._recovered, *waiting, len(trials))[0]
        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + self._position(number))
        if self._recovered:
            return optuna.Trial(self.study, trials[self._recovered.pop(0)]._trial_id)
        return self.study.ask()

    def _note(self, trial: optuna.Trial, architecture: Architecture, cost: Cost) -> None:
        for name, value in self.limits.excess(architecture, cost).items():
            if name not in self._trial(trial.number).constraints:
                trial.set_constraint(name, value)
        trial.set_user_attr("architecture", architecture.model_dump_json())
        trial.set_user_attr("cost", cost.model_dump_json())

    def _answered(self, number: int, architecture: Architecture, cost: Cost) -> bool:
        """Tell at once what needs no training; whether that was so."""
        trials = self._trials()
        if Notes(trials[number]).is_baseline:
            return False
        twin = self._twin(trials, number)
        if twin is not None:
            self._set(trials[number], repeat_of=self._position(twin.number))
            if twin.state == TrialState.RUNNING:
                self._twins_waiting.setdefault(twin.number, []).append(number)
            else:
                self._copy(twin.number, number)
            return True
        if not self.limits.allow(architecture, cost):
            self.study.tell(number, state=TrialState.PRUNED)
            return True
        return False

    @staticmethod
    def _twin(trials: Sequence[FrozenTrial], number: int) -> FrozenTrial | None:
        """The first trial with the same architecture."""
        same = [t for t in trials[:number] if Notes(t).fingerprint == Notes(trials[number]).fingerprint]
        return next((t for t in same if not Notes(t).is_repeat), None)

    def _count_attempt(self, number: int) -> bool:
        """Whether the trial may be sent out; its bars are fixed the first time, so that it stays the same trial."""
        trial = self._trial(number)
        notes = Notes(trial)
        if notes.attempts >= MAX_ATTEMPTS:
            self._fail(number, f"given up after {notes.attempts} attempts, each of which ended with the whole job")
            return False
        if notes.bars is None:
            self._set(trial, bars=[bar.model_dump() for bar in self._bars()])
        self._set(trial, attempts=notes.attempts + 1)
        return True

    def put_back(self) -> None:
        """Take back the attempts at what is in training: it is stopped on purpose, which is not the trials' fault."""
        for trial in self._trials(TrialState.RUNNING):
            self._set(trial, attempts=max(Notes(trial).attempts - 1, 0))

    def _copy(self, source: int, number: int) -> None:
        """Tell trial ``number`` what its twin ``source`` gave."""
        twin = self._trial(source)
        self._report(number, twin.intermediate_values)
        self.study.tell(number, twin.value if twin.state == TrialState.COMPLETE else None, twin.state)

    def _report(self, number: int, values: dict[int, float]) -> None:
        trial = self._trial(number)
        for step, value in values.items():
            self.storage.set_trial_intermediate_value(trial._trial_id, step, value)

    def _baseline(self, origin: str) -> Notes | None:
        found = [Notes(t) for t in self._trials(TrialState.COMPLETE)]
        return next((n for n in found if n.origin == origin), None)

    def _bars(self) -> tuple[Bar, ...]:
        """Empty before the baselines are told."""
        separate = self._baseline(SEPARATE)
        if not self.prune or separate is None:
            return ()
        return quantile_bars(self._trials(TrialState.COMPLETE, TrialState.PRUNED), separate.history)

    def tell(self, number: int, result: TrialResult) -> None:
        """Record what training trial ``number`` gave.

        Raises:
            TrialError: A baseline failed; nothing could be compared with it.
        """
        if result.state == "failed":
            self._fail(number, result.message)
            return
        trial = self._trial(number)
        separate = self._baseline(SEPARATE)
        if Notes(trial).origin != SEPARATE and separate is None:
            self._held[number] = result  # its gain is not known before all-separate's errors
            return
        history = {check.step: check.errors for check in result.history}
        self._set(trial, history=history, errors=result.errors, seconds=result.seconds)
        reference = history if separate is None else separate.history
        self._report(number, {step: mean_gain(errors, reference[step]) for step, errors in history.items()})
        if result.state == "pruned":
            self.study.tell(number, state=TrialState.PRUNED)
        else:
            final = result.errors if separate is None else separate.errors
            self.study.tell(number, mean_gain(result.errors, final))
        self._release(number)

    def _release(self, number: int) -> None:
        """Tell the trials that waited for ``number``."""
        for twin in self._twins_waiting.pop(number, []):
            self._copy(number, twin)
        if self._baseline(SEPARATE) is not None:
            held, self._held = self._held, {}
            for waiting, result in held.items():
                self.tell(waiting, result)

    def _fail(self, number: int, message: str) -> None:
        trial = self._trial(number)
        notes = Notes(trial)
        if notes.is_baseline:
            self._set(trial, attempts=0)  # the same command again tries again
            raise TrialError(f"search: the baseline {notes.origin} failed, so nothing can be compared: {message}")
        self._set(trial, message=message)
        self.study.tell(number, state=TrialState.FAIL)
        self._release(number)

    def rows(self) -> list[TrialRow]:
        """The trials table: every candidate that is finished, in the order of asking."""
        for trial in self._trials():
            if trial.state.is_finished() and trial.number not in (*self._rows, *self._discarded):
                self._rows[trial.number] = Notes(trial).row(self._position(trial.number))
        return [self._rows[number] for number in sorted(self._rows)]
