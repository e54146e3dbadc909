"""Tasks: what is predicted, by which loss it is trained and by which metric it is judged."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

Kind = Literal["binary", "multiclass", "regression"]
Loss = Literal["bce", "cross_entropy", "mse", "mae", "huber"]
Metric = Literal["accuracy", "balanced_accuracy", "auc", "r2", "mae"]

LOSSES: dict[Kind, tuple[Loss, ...]] = {
    "binary": ("bce",),
    "multiclass": ("cross_entropy",),
    "regression": ("mse", "mae", "huber"),
}
METRICS: dict[Kind, tuple[Metric, ...]] = {
    "binary": ("accuracy", "balanced_accuracy", "auc"),
    "multiclass": ("accuracy", "balanced_accuracy"),
    "regression": ("r2", "mae"),
}


class Frozen(BaseModel):
    """A pydantic model that cannot change and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sparse(Frozen):
    """Fields named in ``later`` are left out of dumps while they have their defaults.

    They came after files and hashes of such models existed, which stay as they were.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _leave_out(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        usual = {k: type(self).model_fields[k].get_default(call_default_factory=True) for k in self.later}
        return {k: v for k, v in data.items() if k not in self.later or getattr(self, k) != usual[k]}


class Task(Sparse):
    """One prediction task.

    Attributes:
        name: Unique within its task set.
        kind: ``binary``, ``multiclass`` or ``regression``.
        n_classes: Number of classes; only for ``multiclass``, at least 2.
        loss: Training loss; by default the kind's first in ``LOSSES``.
        metric: Quality of predictions; by default the kind's first in ``METRICS``.
        weight: Factor of the task's loss in the sum that is trained.
        mean: Of the training labels (regression): the network predicts ``(label - mean) / scale``.
        scale: Standard deviation of the training labels (regression).
        prior: Share of each class among the training labels (the positive one's for ``binary``); its head's first
            predictions. Empty where unknown.
    """

    later: ClassVar[frozenset[str]] = frozenset({"prior"})
    name: str = Field(min_length=1)
    kind: Kind
    n_classes: int | None = Field(default=None, ge=2)
    loss: Loss | None = None
    metric: Metric | None = None
    weight: float = Field(default=1.0, gt=0)
    mean: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    prior: tuple[float, ...] = ()

    @field_validator("prior")
    @classmethod
    def _check_prior(cls, prior: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= share <= 1 for share in prior) or sum(prior) > 1 + 1e-6:
            raise ValueError(f"prior should hold shares between 0 and 1 that do not exceed 1 in sum, found {prior}")
        return prior

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if (self.kind == "multiclass") != (self.n_classes is not None):
            rule = "needs" if self.kind == "multiclass" else "takes no"
            raise ValueError(f"task `{self.name}` of kind {self.kind} {rule} n_classes, found {self.n_classes}")
        for field, allowed in (("loss", LOSSES[self.kind]), ("metric", METRICS[self.kind])):
            value = getattr(self, field)
            if value is None:
                object.__setattr__(self, field, allowed[0])
            elif value not in allowed:
                choices = ", ".join(allowed)
                raise ValueError(f"{field} of {self.kind} task `{self.name}` should be one of {choices}, found {value}")
        if self.prior and (self.kind == "regression" or len(self.prior) != self.n_outputs):
            rule = "takes no prior" if self.kind == "regression" else f"needs {self.n_outputs} in its prior"
            raise ValueError(f"task `{self.name}` of kind {self.kind} {rule}, found {list(self.prior)}")
        return self

    @property
    def n_outputs(self) -> int:
        """Width of the task's head: the number of classes, else 1."""
        return self.n_classes or 1


class TaskSet(Frozen):
    """The tasks of one problem, in a fixed order; names are unique."""

    tasks: tuple[Task, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        repeated = sorted({n for n in self.names if self.names.count(n) > 1})
        if repeated:
            raise ValueError(f"task names should be unique, found {', '.join(repeated)} more than once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Task names in order."""
        return tuple(t.name for t in self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]
        return iter(self.tasks)

    def __getitem__(self, name: str) -> Task:
        return self.tasks[self.names.index(name)]
