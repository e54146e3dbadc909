"""What a search may spend, and what it has spent."""

from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from taskgroup.core.task import Frozen


@dataclass(frozen=True)
class Spent:
    """What was spent.

    Attributes:
        n_trials: Trainings that are over, stopped and failed ones included.
        seconds: Wall time of the search, interruptions not counted.
        trainings: Compute, in trainings of all-shared as long as ``train.steps``.
    """

    n_trials: int = 0
    seconds: float = 0.0
    trainings: float = 0.0


class Budget(Frozen):
    """A search asks for nothing more once any of these is used up; both baselines are trained in any case.

    What is in training is finished, so that ``seconds`` and ``trainings`` are exceeded by what the last candidates
    take.

    Attributes:
        n_trials: Candidates to train, baselines included.
        seconds: Wall time.
        trainings: Compute, in trainings of all-shared as long as ``train.steps``.
    """

    n_trials: int | None = Field(default=None, ge=2)
    seconds: float | None = Field(default=None, gt=0)
    trainings: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.n_trials is None and self.seconds is None and self.trainings is None:
            raise ValueError("a budget should give n_trials, seconds or trainings, found none of them")
        return self

    def with_trials(self, n_trials: int) -> "Budget":
        """With another number of candidates to train."""
        return Budget(n_trials=n_trials, seconds=self.seconds, trainings=self.trainings)

    def covers(self, spent: Spent) -> bool:
        """Whether something is left of everything that is given."""
        pairs = ((self.n_trials, spent.n_trials), (self.seconds, spent.seconds), (self.trainings, spent.trainings))
        return all(limit is None or used < limit for limit, used in pairs)
