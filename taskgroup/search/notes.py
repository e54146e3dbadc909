"""What a study keeps with each trial: what was asked for, and what was told of it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from taskgroup.core.recipe import Candidate
from taskgroup.core.record import SEPARATE as SEPARATE
from taskgroup.core.record import SHARED as SHARED
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost, Recipe
from taskgroup.core.task import Sparse
from taskgroup.core.trial import Bar

BASELINES = (SEPARATE, SHARED)

Turn = Literal["baseline", "first", "proposer", "sampler", "neighbour"]
State = Literal["running", "complete", "pruned", "failed", "over limit"]


class Question(Sparse):
    """What was asked for; it is written once, with the trial.

    Attributes:
        origin: For people.
        turn: Whose turn it was.
        architecture: The network.
        recipe: How it is trained.
        cost: Of the network.
        excess: Over each limit, at most 0 is within.
        params: Of the sampler's space; None for a candidate outside it.
        system: What the sampler keeps with the trial (NSGA-II: its generation).
        bars: Pruning rules.
        repeat_of: Number of the first trial with the same candidate.
    """

    later: ClassVar[frozenset[str]] = frozenset({"recipe", "excess", "system", "bars", "repeat_of"})
    origin: str
    turn: Turn
    architecture: Architecture
    recipe: Recipe = Recipe()
    cost: Cost
    excess: dict[str, float] = Field(default_factory=dict)
    params: dict[str, Any] | None
    system: dict[str, Any] = Field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    repeat_of: int | None = None

    @property
    def candidate(self) -> Candidate:
        """Network and recipe."""
        return Candidate(architecture=self.architecture, recipe=self.recipe)

    @property
    def is_allowed(self) -> bool:
        """Whether it keeps the limits that are known before training."""
        return all(value <= 0 for value in self.excess.values())


class Answer(Sparse):
    """What was told; it is written once, when the trial is over.

    Attributes:
        state: How it ended.
        gain: Against all-separate, of complete trials.
        gains: At each validation check.
        errors: Final validation errors; none for repeats and what was not trained.
        history: Validation errors at each check.
        seconds: Training time.
        trainings: Compute of the training.
        message: Why it failed.
        shortfall: Below the floor for the worst task, at most 0 is above.
        clock: Wall seconds that the search had taken.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"gain", "gains", "errors", "history", "seconds", "trainings", "message", "shortfall", "clock"}
    )
    state: State
    gain: float | None = None
    gains: dict[int, float] = Field(default_factory=dict)
    errors: dict[str, float] = Field(default_factory=dict)
    history: dict[int, dict[str, float]] = Field(default_factory=dict)
    seconds: float = 0.0
    trainings: float = 0.0
    message: str = ""
    shortfall: dict[str, float] = Field(default_factory=dict)
    clock: float = 0.0

    @property
    def repeated(self) -> "Answer":
        """The same for a repeat, which was not trained."""
        return Answer(state=self.state, gain=self.gain, gains=self.gains, shortfall=self.shortfall)


@dataclass(frozen=True)
class Notes:
    """One trial as it stands.

    Attributes:
        number: In the order of asking.
        asked: What was asked for.
        fingerprint: Of the candidate.
        attempts: How many times it was sent out.
        told: None while it runs.
    """

    number: int
    asked: Question
    fingerprint: str
    attempts: int = 1
    told: Answer | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it is all-shared or all-separate."""
        return self.asked.turn == "baseline"

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier trial has the same candidate."""
        return self.asked.repeat_of is not None

    @property
    def is_idle(self) -> bool:
        """Whether it needs no training: a repeat, or over a limit."""
        return self.is_repeat or (self.told is not None and self.told.state == "over limit")

    @property
    def is_spent(self) -> bool:
        """Whether its training is over."""
        return self.told is not None and not self.is_idle

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to the end."""
        return self.is_spent and self.told is not None and self.told.state == "complete"

    def row(self) -> TrialRow:
        """The line of the trials table of a trial that is over."""
        asked, told = self.asked, self.told
        assert told is not None
        return TrialRow(
            number=self.number,
            origin=f"repeat of {asked.repeat_of}" if self.is_repeat else asked.origin,
            state=told.state,
            architecture=asked.architecture,
            cost=asked.cost,
            gain=told.gain,
            errors=told.errors,
            seconds=told.seconds,
            recipe=asked.recipe,
            trainings=told.trainings,
        )
