"""The study of one job: ask for architectures, tell what they gained. Its only writer is the job's controller."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    memory, those over a limit are not trained; neither counts against the budget.

    Args:
        storage: Where the study is kept.
        name: Name of the study.
        space: What may be asked.
        first: Origin and architecture of what is tried first, after the two baselines.
        cost: Cost of an architecture.
        limits: Constraints on cost; the baselines are trained whatever they cost, as references.
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
        self.space, self.cost, self.limits = space, cost, limits
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
        self._enqueue(first)
        self._recovered = self._recover()

    def _enqueue(self, first: Sequence[tuple[str, Architecture]]) -> None:
        tasks, stages = self.space.trees[0].tree.tasks, self.space.stages
        baselines = [
            (SEPARATE, Architecture(topology=Topology.separate(tasks, stages))),
            (SHARED, Architecture(topology=Topology.shared(tasks, stages))),
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
                self.study.tell(trial.number, state=TrialState.FAIL)
        return again

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _handle(self, number: int) -> optuna.Trial:
        """Optuna's writable view of a trial that exists."""
        return optuna.Trial(self.study, self._trials()[number]._trial_id)

    def _discarded(self) -> set[int]:
        return {int(key.split()[1]) for key in self.study.user_attrs if key.startswith("discarded ")}

    def _position(self, number: int) -> int:
        """The trial's number, not counting those discarded before it."""
        return number - sum(d < number for d in self._discarded())

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
            if self._answered(trial.number, architecture, cost):
                continue
            attempts = trial.user_attrs.get("attempts", 0)
            if attempts >= MAX_ATTEMPTS:
                self._fail(trial.number, f"given up after {attempts} attempts, each of which ended with the whole job")
                continue
            trial.set_user_attr("attempts", attempts + 1)
            origin = trial.user_attrs.get("origin", "sampler")
            return Asked(trial.number, origin, architecture, () if origin in (SEPARATE, SHARED) else self._bars())
        return None

    def _may_ask(self, n_running: int) -> bool:
        open_baselines = [t.state for t in self._trials() if Notes(t).is_baseline and not t.state.is_finished()]
        if self._recovered or TrialState.WAITING in open_baselines:
            return True
        n_asked = len(self._trials()) - len(self._trials(TrialState.WAITING))
        within = self.n_spent + n_running < self.n_trials and n_asked < 10 * self.n_trials
        return within and not open_baselines

    def _next_trial(self) -> optuna.Trial:
        if self._recovered:
            number = self._recovered.pop(0)
            self._reseed(number)
            return self._handle(number)
        waiting = self._trials(TrialState.WAITING)
        self._reseed(waiting[0].number if waiting else len(self._trials()))
        return self.study.ask()

    def _reseed(self, number: int) -> None:
        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + self._position(number))

    def _note(self, trial: optuna.Trial, architecture: Architecture, cost: Cost) -> None:
        known = self._trials()[trial.number].constraints
        for name, value in self.limits.excess(cost).items():
            if name not in known:
                trial.set_constraint(name, value)
        trial.set_user_attr("architecture", architecture.model_dump_json())
        trial.set_user_attr("cost", cost.model_dump_json())

    def _answered(self, number: int, architecture: Architecture, cost: Cost) -> bool:
        """Tell at once what needs no training; whether that was so."""
        if Notes(self._trials()[number]).is_baseline:
            return False
        twin = self._twin(number, architecture)
        if twin is not None:
            self._handle(number).set_user_attr("repeat_of", self._position(twin.number))
            if twin.state == TrialState.RUNNING:
                self._twins_waiting.setdefault(twin.number, []).append(number)
            else:
                self._copy(twin.number, number)
            return True
        if not self.limits.allow(cost):
            self.study.tell(number, state=TrialState.PRUNED)
            return True
        return False

    def _twin(self, number: int, architecture: Architecture) -> FrozenTrial | None:
        for trial in self._trials()[:number]:
            notes = Notes(trial)
            if trial.state == TrialState.WAITING or notes.is_repeat or notes.architecture is None:
                continue
            if notes.architecture.fingerprint == architecture.fingerprint:
                return trial
        return None

    def _copy(self, source: int, number: int) -> None:
        """Tell trial ``number`` what its twin ``source`` gave."""
        twin = self._trials()[source]
        self._report(number, twin.intermediate_values)
        self.study.tell(number, twin.value if twin.state == TrialState.COMPLETE else None, twin.state)

    def _report(self, number: int, values: dict[int, float]) -> None:
        known = self._trials()[number].intermediate_values
        trial = self._handle(number)
        for step, value in values.items():
            if step not in known:
                trial.report(value, step)

    def _baseline(self, origin: str) -> Notes | None:
        found = [Notes(t) for t in self._trials(TrialState.COMPLETE)]
        return next((n for n in found if n.origin == origin), None)

    def _bars(self) -> tuple[Bar, ...]:
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
        origin = Notes(self._trials()[number]).origin
        separate = self._baseline(SEPARATE)
        if origin != SEPARATE and separate is None:
            self._held[number] = result  # its gain is not known before all-separate's errors
            return
        trial = self._handle(number)
        history = {check.step: check.errors for check in result.history}
        for key, value in (("history", history), ("errors", result.errors), ("seconds", result.seconds)):
            trial.set_user_attr(key, value)
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
        notes = Notes(self._trials()[number])
        if notes.is_baseline:
            raise TrialError(f"search: the baseline {notes.origin} failed, so nothing can be compared: {message}")
        self._handle(number).set_user_attr("message", message)
        self.study.tell(number, state=TrialState.FAIL)
        self._release(number)

    def rows(self) -> list[TrialRow]:
        """The trials table: every candidate that is finished, in the order of asking."""
        discarded = self._discarded()
        return [
            Notes(t).row(self._position(t.number))
            for t in self._trials()
            if t.state.is_finished() and t.number not in discarded
        ]
