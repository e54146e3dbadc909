"""The study of one job: ask for candidates, tell what they gained. Its only writer is the job's controller."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

from taskgroup.core.gain import mean_gain
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.trial import Bar, TrialResult
from taskgroup.errors import TrialError
from taskgroup.search.bars import quantile_bars
from taskgroup.search.budget import Budget, Spent
from taskgroup.search.ledger import Ledger
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, Answer, Notes, Question, State
from taskgroup.search.objectives import check_objective
from taskgroup.search.proposer import Proposer, Proposing
from taskgroup.search.samplers import make_sampler
from taskgroup.search.sampling import Sampling
from taskgroup.search.space import Space
from taskgroup.search.turns import Chosen, Turns

MAX_ATTEMPTS = 3

N_EXPECTED = 100
"""Trials that samplers expect where the budget does not say."""


@dataclass(frozen=True)
class Asked:
    """A candidate that waits to be trained."""

    number: int
    origin: str
    candidate: Candidate
    bars: tuple[Bar, ...]

    @property
    def architecture(self) -> Architecture:
        """The candidate's network."""
        return self.candidate.architecture


class Search:
    """Ask and tell over a study that can be left and taken up again at any moment.

    The sampler is made anew before every ask, seeded by the job's seed and the candidate's number, so that a search
    that was interrupted goes on exactly as it would have (with one worker; with several, the order in which they
    finish decides too). Candidates that were sampled before are answered from memory, those over a limit are not
    trained; neither counts against the budget. Who chooses the next candidate: :class:`~.turns.Turns`.

    Args:
        storage: Where the study is kept.
        name: Name of the study.
        space: What the sampler may ask.
        first: Origin and candidate of what is tried first, after the two baselines; it may lie outside the space.
        cost: Cost of an architecture.
        limits: On cost and topology, and the floor for the worst task; the baselines are trained whatever they break,
            as references.
        budget: What may be spent.
        seed: Of the sampler.
        prune: Whether candidates in the lowest quarter at a check are stopped; never with several objectives, which
            cannot be compared before the end.
        objective: ``gain``, alone or with any of ``params``, ``macs``, ``latency``: a study for their Pareto front.
        sampler: A name of the table of samplers.
        proposer: Proposes candidates from what was told.
        propose_every: Every so many-th training after ``first`` is the proposer's.
        training_cost: Compute of training a candidate for so many steps, in trainings of all-shared as long as
            ``train.steps``. Needed where the budget gives ``trainings``.
        clock: Seconds that pass; for tests.

    Raises:
        ConflictError: The study in the storage was made for another space or other objectives.
        InputError: Unknown objective or sampler.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        name: str,
        space: Space,
        first: Sequence[tuple[str, Candidate]],
        *,
        cost: Callable[[Architecture], Cost],
        limits: Limits,
        budget: Budget,
        seed: int,
        prune: bool,
        objective: Sequence[str] = ("gain",),
        sampler: str = "tpe",
        proposer: Proposer | None = None,
        propose_every: int = 2,
        training_cost: Callable[[Candidate, int], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_objective(objective)
        if budget.trainings is not None and training_cost is None:
            raise TrialError("search: a budget in trainings needs `training_cost`")
        self.space, self.cost, self.limits = space, cost, limits
        self.budget, self.seed, self.prune = budget, seed, prune and len(objective) == 1
        self.training_cost = training_cost
        make = make_sampler(sampler)
        self._ledger = Ledger(storage, name, space.fingerprint, objective)
        self._sampling = Sampling(space, objective, lambda k: make(seed + k, budget.n_trials or N_EXPECTED))
        proposing = None if proposer is None else Proposing(proposer, propose_every)
        self._turns = Turns(self._ledger, self._sampling, tuple(first), proposing, self._is_new, seed)
        for notes in self.notes:
            self._sampling.restore(notes)
        self._clock, self._start = clock, clock()
        self._clock_before = max((n.told.clock for n in self.notes if n.told is not None), default=0.0)
        self._held: dict[int, TrialResult] = {}
        self._rows: dict[int, TrialRow] = {}
        self._waiting: dict[int, list[int]] = {}
        self._recovered = [n.number for n in self.notes if n.told is None and not n.is_repeat]
        for notes in [n for n in self.notes if n.told is None and n.is_repeat]:
            self._wait_or_copy(notes)

    @property
    def notes(self) -> list[Notes]:
        """Every trial as it stands."""
        return self._ledger.notes

    @property
    def n_spent(self) -> int:
        """Candidates whose training is over, pruned and failed ones included."""
        return sum(n.is_spent for n in self.notes)

    @property
    def spent(self) -> Spent:
        """What was spent, in all units."""
        trainings = sum(n.told.trainings for n in self.notes if n.told is not None)
        return Spent(self.n_spent, self._seconds, trainings)

    @property
    def _seconds(self) -> float:
        return self._clock_before + self._clock() - self._start

    @property
    def best_gain(self) -> float | None:
        """Highest gain of a complete candidate within the limits."""
        found = [n.told.gain for n in self.notes if n.is_complete and n.told is not None and n.asked.is_allowed]
        return max((gain for gain in found if gain is not None), default=None)

    def ask(self, n_running: int) -> Asked | None:
        """The next candidate to train, or None while nothing more can be started.

        Args:
            n_running: Candidates in training now. Nothing but the baselines is asked until both are told.

        Raises:
            InputError: Latency is an objective or has a limit, but was not measured.
            TrialError: A baseline ended the whole job ``MAX_ATTEMPTS`` times.
        """
        while self._recovered:
            number = self._recovered.pop(0)
            if self._count_attempt(number):
                return self._asked(number)
        while self._may_ask(n_running) and (chosen := self._turns.choose(self.rows())) is not None:
            notes = self._add(chosen)
            if notes.told is None and not notes.is_repeat:
                return self._asked(notes.number)
        return None

    def _asked(self, number: int) -> Asked:
        asked = self.notes[number].asked
        return Asked(number, asked.origin, asked.candidate, asked.bars)

    def _may_ask(self, n_running: int) -> bool:
        baselines = [n for n in self.notes if n.is_baseline]
        if len(baselines) < 2:
            return True
        return all(n.told is not None for n in baselines) and self.budget.covers(self._committed(n_running))

    def _committed(self, n_running: int) -> Spent:
        """What is spent once everything that runs is over."""
        spent = self.spent
        running = sum(self._trainings(n, self._n_steps) for n in self.notes if n.told is None and not n.is_repeat)
        return Spent(spent.n_trials + n_running, spent.seconds, spent.trainings + running)

    @property
    def _n_steps(self) -> int:
        """Length of a whole training."""
        separate = self._baseline(SEPARATE)
        return max(separate.history, default=0) if separate is not None else 0

    def _trainings(self, notes: Notes, n_steps: int) -> float:
        return 0.0 if self.training_cost is None else self.training_cost(notes.asked.candidate, n_steps)

    def _is_new(self, candidate: Candidate) -> bool:
        """Whether a candidate is not known, and within the limits."""
        if candidate.fingerprint in self._ledger.twins:
            return False
        return self.limits.allow(candidate.architecture, self.cost(candidate.architecture))

    def _add(self, chosen: Chosen) -> Notes:
        """Keep a new trial; what needs no training is told at once."""
        number, architecture = len(self.notes), chosen.candidate.architecture
        fingerprint = chosen.candidate.fingerprint
        twin = None if chosen.turn == "baseline" else self._ledger.twins.get(fingerprint)
        cost = self.cost(architecture) if twin is None else self.notes[twin].asked.cost
        excess = self.limits.excess(architecture, cost)
        self._sampling.constrain(number, excess)
        asked = Question(
            origin=chosen.origin,
            turn=chosen.turn,
            architecture=architecture,
            recipe=chosen.candidate.recipe,
            cost=cost,
            excess=excess,
            params=None if chosen.draw is None else chosen.draw.params,
            system={} if chosen.draw is None else chosen.draw.system,
            repeat_of=twin,
        )
        told = self._known_answer(asked)
        if told is None and twin is None:
            asked = asked.model_copy(update={"bars": self._bars()})
        notes = self._ledger.add(asked, fingerprint, told)
        if told is not None:
            self._sampling.tell(notes)
        elif twin is not None:
            self._wait_or_copy(notes)
        return notes

    def _known_answer(self, asked: Question) -> Answer | None:
        """What can be told without training: of repeats of what is over, and of what is over a limit."""
        if asked.repeat_of is not None:
            told = self.notes[asked.repeat_of].told
            return None if told is None else told.repeated
        return None if asked.is_allowed or asked.turn == "baseline" else Answer(state="over limit")

    def _wait_or_copy(self, repeat: Notes) -> None:
        """Tell a running repeat what its twin gave, now or once that is over."""
        assert repeat.asked.repeat_of is not None
        told = self.notes[repeat.asked.repeat_of].told
        if told is None:
            self._waiting.setdefault(repeat.asked.repeat_of, []).append(repeat.number)
        else:
            self._sampling.tell(self._ledger.finish(repeat.number, told.repeated))

    def _count_attempt(self, number: int) -> bool:
        """Whether a trial that an earlier controller left running may be sent out again."""
        attempts = self.notes[number].attempts
        if attempts >= MAX_ATTEMPTS:
            self._fail(number, f"given up after {attempts} attempts, each of which ended with the whole job")
            return False
        self._ledger.count(number, attempts + 1)
        return True

    def put_back(self) -> None:
        """Take back the attempts at what is in training: it is stopped on purpose, which is not the trials' fault."""
        for notes in [n for n in self.notes if n.told is None and not n.is_repeat]:
            self._ledger.count(notes.number, max(notes.attempts - 1, 0))

    def _baseline(self, origin: str) -> Answer | None:
        """What was told of a baseline."""
        return next((n.told for n in self.notes[:2] if n.asked.origin == origin), None)

    def _bars(self) -> tuple[Bar, ...]:
        """Empty before the baselines are told."""
        separate = self._baseline(SEPARATE)
        if not self.prune or separate is None:
            return ()
        return quantile_bars([n.told.gains for n in self.notes if n.is_spent and n.told is not None], separate.history)

    def tell(self, number: int, result: TrialResult) -> None:
        """Record what training trial ``number`` gave.

        Raises:
            TrialError: A baseline failed; nothing could be compared with it.
        """
        if result.state == "failed":
            self._fail(number, result.message)
            return
        separate = self._baseline(SEPARATE)
        if self.notes[number].asked.origin != SEPARATE and separate is None:
            self._held[number] = result  # its gain is not known before all-separate's errors
            return
        history = {check.step: check.errors for check in result.history}
        reference = history if separate is None else separate.history
        final = result.errors if separate is None else separate.errors
        complete = result.state == "complete"
        self._finish(
            number,
            state="complete" if complete else "pruned",
            gain=mean_gain(result.errors, final) if complete else None,
            gains={step: mean_gain(errors, reference[step]) for step, errors in history.items()},
            errors=result.errors,
            history=history,
            seconds=result.seconds,
            trainings=self._trainings(self.notes[number], max(history, default=0)),
            shortfall=self.limits.shortfall(result.errors, final) if complete else {},
        )

    def _finish(self, number: int, *, state: State, **told: object) -> None:
        """Keep what was told, and tell the trials that waited for it."""
        answer = Answer.model_validate({"state": state, "clock": self._seconds, **told})
        self._sampling.tell(self._ledger.finish(number, answer))
        for twin in self._waiting.pop(number, []):
            self._wait_or_copy(self.notes[twin])
        if self._baseline(SEPARATE) is not None:
            held, self._held = self._held, {}
            for waiting, result in held.items():
                self.tell(waiting, result)

    def _fail(self, number: int, message: str) -> None:
        """A failed training counts as a whole one: how far it came is not known."""
        notes = self.notes[number]
        if notes.is_baseline:
            self._ledger.count(number, 0)  # the same command again tries again
            raise TrialError(f"search: the baseline {notes.asked.origin} failed, nothing can be compared: {message}")
        self._finish(number, state="failed", message=message, trainings=self._trainings(notes, self._n_steps))

    def rows(self) -> list[TrialRow]:
        """The trials table: every candidate that is finished, in the order of asking."""
        for notes in self.notes:
            if notes.told is not None and notes.number not in self._rows:
                self._rows[notes.number] = notes.row()
        return [self._rows[number] for number in sorted(self._rows)]
