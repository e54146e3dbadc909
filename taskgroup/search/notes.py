"""What the study keeps with each trial, as typed views of Optuna's user attributes."""

from dataclasses import dataclass
from functools import lru_cache

from optuna.trial import FrozenTrial, TrialState

from taskgroup.core.record import SEPARATE as SEPARATE
from taskgroup.core.record import SHARED as SHARED
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.trial import Bar

BASELINES = (SEPARATE, SHARED)


@dataclass(frozen=True)
class Notes:
    """A view of one trial.

    Attributes kept with a trial: ``origin`` (enqueued ones), ``architecture`` and ``cost`` (once sampled),
    ``bars`` and ``attempts`` (once sent out), ``repeat_of``, and once trained ``errors``, ``history``, ``seconds``, or
    ``message`` when failed.
    """

    trial: FrozenTrial

    @property
    def origin(self) -> str:
        """Where the candidate came from."""
        return str(self.trial.user_attrs.get("origin", "sampler"))

    @property
    def is_baseline(self) -> bool:
        """Whether it is all-shared or all-separate."""
        return self.origin in BASELINES

    @property
    def architecture(self) -> Architecture | None:
        """What was sampled, None before."""
        text = self.trial.user_attrs.get("architecture")
        return None if text is None else Architecture.model_validate_json(text)

    @property
    def fingerprint(self) -> str | None:
        """Of what was sampled, None before."""
        text = self.trial.user_attrs.get("architecture")
        return None if text is None else _fingerprint(text)

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier trial has the same architecture."""
        return "repeat_of" in self.trial.user_attrs

    @property
    def is_idle(self) -> bool:
        """Whether it needed no training: a repeat, or over a limit."""
        return self.is_repeat or (self.trial.state == TrialState.PRUNED and not self.is_spent)

    @property
    def attempts(self) -> int:
        """How many times it was sent out."""
        return int(self.trial.user_attrs.get("attempts", 0))

    @property
    def bars(self) -> tuple[Bar, ...] | None:
        """Its pruning rules; None before it was sent out."""
        found = self.trial.user_attrs.get("bars")
        return None if found is None else tuple(Bar.model_validate(bar) for bar in found)

    @property
    def is_spent(self) -> bool:
        """Whether it counts against the budget of trainings."""
        return "errors" in self.trial.user_attrs or "message" in self.trial.user_attrs

    @property
    def errors(self) -> dict[str, float]:
        """Final validation errors; empty before."""
        return dict(self.trial.user_attrs.get("errors", {}))

    @property
    def history(self) -> dict[int, dict[str, float]]:
        """Validation errors at each check."""
        return {int(step): errors for step, errors in self.trial.user_attrs.get("history", {}).items()}

    def row(self, position: int) -> TrialRow:
        """The line of the trials table."""
        attrs = self.trial.user_attrs
        complete = self.trial.state == TrialState.COMPLETE
        architecture = self.architecture
        assert architecture is not None
        return TrialRow(
            number=position,
            origin=f"repeat of {attrs['repeat_of']}" if self.is_repeat else self.origin,
            state=self._state(),
            architecture=architecture,
            cost=Cost.model_validate_json(attrs["cost"]),
            gain=self.trial.value if complete else None,
            errors=self.errors,
            seconds=float(attrs.get("seconds", 0.0)),
        )

    def _state(self) -> str:
        if self.trial.state == TrialState.FAIL:
            return "failed"
        if self.trial.state == TrialState.COMPLETE:
            return "complete"
        over = any(value > 0 for value in self.trial.constraints.values())
        return "over limit" if over and not self.is_spent else "pruned"


@lru_cache(maxsize=10_000)
def _fingerprint(architecture: str) -> str:
    return Architecture.model_validate_json(architecture).fingerprint
