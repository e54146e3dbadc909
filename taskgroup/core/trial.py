"""The unit of work as data: a trial goes out as JSON and comes back as JSON."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from taskgroup.core.spec import Architecture, digest
from taskgroup.core.task import Frozen, Sparse

Step = Literal["measure", "search", "confirm", "test"]


class TrainOptions(Sparse):
    """How every network of a job is trained; the same for all arms, so that they can be paired.

    Attributes:
        steps: Optimizer steps.
        batch_size: Rows per step.
        lr: Peak learning rate of AdamW, decayed to zero along a cosine.
        weight_decay: Decoupled weight decay.
        n_checks: How many times validation is scored in the course of training, the last time at its end.
        threads: Torch threads of one trial.
        adapters: ``joint``: together with all else; ``staged``: trunk and heads first, with the adapters left at the
            identity, then adapters and heads, with the trunk frozen. Networks without adapters train as ever.
        adapter_share: Share of the steps in which ``staged`` trains adapters.
        weighting: Loss weighting, or how the tasks' gradients are put together in what they share: a name of the
            weighting table; ``equal`` is the sum of the losses, each with its task's weight.
    """

    later: ClassVar[frozenset[str]] = frozenset({"adapters", "adapter_share", "weighting"})

    steps: int = Field(default=600, ge=1)
    batch_size: int = Field(default=64, ge=1)
    lr: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    n_checks: int = Field(default=4, ge=1)
    threads: int = Field(default=1, ge=1)
    adapters: Literal["joint", "staged"] = "joint"
    adapter_share: float = Field(default=0.5, gt=0, lt=1)
    weighting: str = "equal"

    @model_validator(mode="after")
    def _check_share(self) -> Self:
        if self.adapters == "joint" and self.adapter_share != 0.5:
            raise ValueError(
                f"adapter_share says how `adapters: staged` trains, found {self.adapter_share} with `adapters: joint`"
            )
        return self


class Bar(Frozen):
    """Pruning rule at one validation check: stop when the gain against ``reference`` is below ``gain``.

    It is fixed when the trial is sent out, so that a worker needs to ask nobody.
    """

    step: int
    gain: float
    reference: dict[str, float]


class TrialSpec(Sparse):
    """Everything a worker must know; equal specs give equal results.

    Attributes:
        job: Name of the job, for messages.
        data: Hash of tasks, data and trunk in the job's folder.
        step: ``measure`` (train and look at affinities), ``search``, ``confirm`` (keeps the weights) or ``test``
            (scores the kept weights of a confirmation on the test split, trains nothing).
        architecture: The network.
        seed: Decides initial weights, batches and dropout.
        train: Training options.
        measure: Name and options of the affinity measure, how often it looks; only for ``measure``.
        bars: Pruning rules; only for ``search``.
        weights: Key of the confirmation whose weights are scored; only for ``test``.
        together: Seeds that are trained at once in one batched network, this one among them; empty where it trains by
            itself. Rounding differs, so that it is another trial than one by itself.
        fork: Key of the measurement from whose weights the network starts; None where it starts afresh.
        division: Seed and number of the division of training and validation rows; None where they stay as given.
    """

    later: ClassVar[frozenset[str]] = frozenset({"together", "fork", "division"})

    job: str
    data: str
    step: Step
    architecture: Architecture
    seed: int
    train: TrainOptions
    measure: dict[str, Any] | None = None
    bars: tuple[Bar, ...] = ()
    weights: str | None = None
    together: tuple[int, ...] = ()
    fork: str | None = None
    division: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.together and self.seed not in self.together:
            raise ValueError(f"together should hold the trial's own seed {self.seed}, found {list(self.together)}")
        if self.together and self.division and self.division[1] != self.together.index(self.seed):
            raise ValueError(f"division should have the trial's place in {list(self.together)}, found {self.division}")
        return self

    @property
    def members(self) -> "tuple[TrialSpec, ...]":
        """All trials of its group, itself among them; itself alone where it trains by itself."""
        divisions = [self.division and (self.division[0], number) for number in range(len(self.together))]
        return tuple(
            self.model_copy(update={"seed": seed, "division": division})
            for seed, division in zip(self.together, divisions, strict=True)
        ) or (self,)

    @property
    def key(self) -> str:
        """Hash of the content; names the result file."""
        return digest(self.model_dump(mode="json"), 20)


class Check(Frozen):
    """Validation errors of all tasks after ``step`` optimizer steps."""

    step: int
    errors: dict[str, float]


class TrialResult(Frozen):
    """What a worker hands back.

    Attributes:
        key: The trial spec's key.
        state: ``complete``, ``pruned`` (stopped at a bar) or ``failed``.
        errors: Final error of each task on the split of the step; empty when failed.
        history: Every validation check.
        seconds: Wall time.
        message: Why it failed.
        file: Name of the file with big arrays (affinity samples or weights), in the job's trial folder.
        redrawn: Of a confirmation whose validation rows are as given: errors under draws of these rows, the same draws
            for all, a tuple for each draw in the order of the tasks.
    """

    key: str
    state: Literal["complete", "pruned", "failed"]
    errors: dict[str, float] = Field(default_factory=dict)
    history: tuple[Check, ...] = ()
    seconds: float = 0.0
    message: str = ""
    file: str | None = None
    redrawn: tuple[tuple[float, ...], ...] = ()
