"""The sections of a config: what each step of a job may be told."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from taskgroup.core.affinity import Symmetrization
from taskgroup.core.averaging import Average
from taskgroup.core.phases import WindowKind
from taskgroup.core.task import Frozen, Sparse
from taskgroup.groupers.constraints import Constraints


class HeadsConfig(Frozen):
    """The heads of every network of the job.

    Attributes:
        size: Width of their hidden layer; 0 is linear heads.
    """

    size: int = Field(default=0, ge=0)


class MeasureConfig(Sparse):
    """The lookahead phase.

    Attributes:
        affinity: Affinity measure and its options (``{method: lookahead, step_size: auto}``).
        seeds: Joint trainings that are measured.
        every: Optimizer steps between two looks; ``auto`` as many as keep to ``overhead``.
        overhead: Share of the training that looks may cost, for ``auto``; by default 0.12 up to 12 tasks, growing with
            their number to 0.6. There are ``min_looks`` looks at least.
        steps: Length of the trainings; by default ``train.steps``.
        average: Over the looks of one training: ``trimmed`` mean, ``mean`` (as published) or ``median``.
        trim: Share of looks cut from each end before averaging, for ``trimmed``.
        window: Looks that count: ``auto`` (up to the lowest validation error), ``all``, or one third of them.
        stop: Whether to stop looking once the groupings have ``settled``.
        min_looks: Looks of a training before which they do not count as settled.
        profile: Whether stages are told apart; if not, what was found for the whole trunk holds for each.
    """

    later: ClassVar[frozenset[str]] = frozenset({"profile"})

    affinity: dict[str, Any] = Field(default_factory=lambda: {"method": "lookahead"})
    seeds: int = Field(default=2, ge=1)
    every: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    overhead: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, ge=1)
    average: Average = "trimmed"
    trim: float = Field(default=0.1, ge=0, lt=0.5)
    window: WindowKind = "auto"
    stop: Literal["settled", "never"] = "settled"
    min_looks: int = Field(default=40, ge=10)
    profile: bool = True


class ProposeConfig(Frozen):
    """How groupings follow from the affinity.

    Attributes:
        groupers: Groupers and their options.
        resampled_trees: Further candidate trees, from affinities drawn within their error bars.
        draws: Affinities drawn within their error bars to see which groups are stable; 0 is none.
        symmetrization: How both directions of a pair become one similarity, for groupers that do not say otherwise.
        constraints: Rules that every grouping, and the plan, has to keep.
    """

    groupers: tuple[dict[str, Any], ...] = Field(
        default=(
            {"method": "hierarchical", "linkage": "average"},
            {"method": "hierarchical", "linkage": "complete"},
            {"method": "hierarchical", "linkage": "ward"},
            {"method": "spectral"},
        ),
        min_length=1,
    )
    resampled_trees: int = Field(default=3, ge=0)
    draws: int = Field(default=50, ge=0)
    symmetrization: Symmetrization = "centred-mean"
    constraints: Constraints = Constraints()


class AdapterConfig(Sparse):
    """Adapters that search may use.

    Attributes:
        kind: Adapter kind, or a list of kinds to choose from.
        sizes: Sizes to choose from; 0 is none and always among them. Kinds without sizes take any other for 1.
        per: One adapter for each ``task``, or for each ``branch`` (set of tasks that shares the next stage too).
        stages: Stages at whose shared copies adapters may stand; all by default.
        vary: Whether kind and size are chosen for each ``stage``, or for each ``branch``: each of its shared copies.
    """

    later: ClassVar[frozenset[str]] = frozenset({"vary"})

    kind: str | tuple[str, ...] = "bottleneck"
    sizes: tuple[int, ...] = (0, 4, 16)
    per: Literal["task", "branch"] = "task"
    stages: tuple[str, ...] | None = None
    vary: Literal["stage", "branch"] = "stage"

    @field_validator("kind", mode="before")
    @classmethod
    def _kind(cls, kind: Any) -> str | tuple[str, ...]:
        kinds = (kind,) if isinstance(kind, str) else kind
        if not isinstance(kinds, list | tuple) or not kinds or not all(isinstance(k, str) for k in kinds):
            raise ValueError(f"should be a kind of adapter or a list of kinds, found {kind}")
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"should name a kind once, found {list(kinds)}")
        return str(kinds[0]) if len(kinds) == 1 else tuple(kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds to choose from."""
        return (self.kind,) if isinstance(self.kind, str) else self.kind

    @field_validator("sizes")
    @classmethod
    def _sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 0 for size in sizes):
            raise ValueError(f"sizes should be 0 (none) or more, found {list(sizes)}")
        return tuple(sorted({0, *sizes}))


Objective = Literal["gain", "params", "macs", "latency"]


class SearchConfig(Sparse):
    """The search.

    It ends when ``trials``, ``seconds`` or ``trainings`` is used up, whichever comes first.

    Attributes:
        trials: Candidates to train, both baselines included.
        steps: Length of their trainings; by default ``train.steps``.
        prune: Whether to stop candidates that are in the lowest quarter at a check.
        first: At most so many proposals before the sampler takes over; by default a third of ``trials``, at least 4.
        adapters: Adapters to choose from.
        seconds: Wall time after which nothing more is started.
        trainings: Compute, in trainings of all-shared as long as ``train.steps``.
        lr_scales: Factors of ``train.lr`` to choose from; 1 is always among them. Both baselines are tuned first.
        head_sizes: Widths of the heads' hidden layer to choose from, beside ``heads.size``; 0 is linear heads.
        weightings: Loss weightings to choose from, beside ``train.weighting``.
        helpers: Most promising pairs of tasks of which the first may also train along the other's path; 0 is none.
        objective: ``gain`` alone, or gain and costs: the search then spreads over their Pareto front.
        sampler: What fills the gaps between proposals, a name of the sampler table.
        surrogate: Whether what all trials teach of who should share with whom is proposed between the sampler's own.
        fork: Whether candidates start from the weights of the lookahead phase: ``auto`` where that keeps their order.
        fork_steps: Share of ``steps`` that forked candidates are trained.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {
            *("seconds", "trainings", "lr_scales", "head_sizes", "weightings", "helpers", "objective", "sampler"),
            *("surrogate", "fork", "fork_steps"),
        }
    )

    trials: int = Field(default=40, ge=2)
    steps: int | None = Field(default=None, ge=1)
    prune: bool = True
    first: int | None = Field(default=None, ge=0)
    adapters: AdapterConfig = AdapterConfig()
    seconds: float | None = Field(default=None, gt=0)
    trainings: float | None = Field(default=None, gt=0)
    lr_scales: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()
    head_sizes: tuple[Annotated[int, Field(ge=0)], ...] = ()
    weightings: tuple[str, ...] = ()
    helpers: int = Field(default=0, ge=0)
    objective: tuple[Objective, ...] = ("gain",)
    sampler: str = "tpe"
    surrogate: bool = True
    fork: Literal["auto", "on", "off"] = "off"
    fork_steps: float = Field(default=0.5, gt=0, le=1)

    @field_validator("objective")
    @classmethod
    def _objective(cls, objective: tuple[Objective, ...]) -> tuple[Objective, ...]:
        if "gain" not in objective or len(set(objective)) < len(objective):
            raise ValueError(f"should be gain, alone or with costs, each once; found {list(objective)}")
        return objective


class LimitsConfig(Sparse):
    """Limits on the plan; empty is no limit.

    Attributes:
        params_ratio: Most parameters, relative to all-shared.
        macs_ratio: Most multiply-accumulates for one example, relative to all-shared.
        latency_ratio: Longest measured forward pass, relative to all-shared.
        worst_task: Least gain of any task against all-separate, e.g. -0.01: no task may lose more than 1 %.
    """

    later: ClassVar[frozenset[str]] = frozenset({"latency_ratio", "worst_task"})

    params_ratio: float | None = None
    macs_ratio: float | None = None
    latency_ratio: float | None = None
    worst_task: float | None = Field(default=None, lt=1)

    @field_validator("params_ratio", "macs_ratio", "latency_ratio")
    @classmethod
    def _reachable(cls, value: float | None) -> float | None:
        if value is not None and not value >= 1:
            raise ValueError(
                f"should be at least 1, the cost of all-shared, which no topology undercuts; found {value}"
            )
        return value


class ConfirmConfig(Sparse):
    """The confirmation.

    Attributes:
        seeds: Fresh paired seeds.
        finalists: Best candidates of the search to confirm, beside both baselines.
        steps: Length of the trainings; by default ``train.steps``.
        level: Coverage of the intervals.
        cheapest_by: Cost by which the cheapest is taken of candidates that are not distinguishable from the best.
        together: Whether all seeds of a candidate are trained as one batched network: ``auto`` where that is faster,
            by shapes and kinds of layers, whatever the number of workers; or ``never``.
        shortlist: Best candidates of the search that are trained under a further seed of the search before finalists
            are taken from them; 0 for none.
        rounds: Further seeds; the better half of the candidates goes on to the next.
        division: Training and validation rows as ``given``, or divided ``anew`` for each seed, as in cross-validation
            and for all arms alike: the choice rests on more validation rows then, and knows that they are a sample.
            ``auto`` is anew where the split is random, not where a column, a time or a set's own rule made it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"together", "shortlist", "rounds", "division"})

    seeds: int = Field(default=5, ge=2)
    finalists: int = Field(default=3, ge=1)
    steps: int | None = Field(default=None, ge=1)
    level: float = Field(default=0.9, gt=0.5, lt=1)
    cheapest_by: Literal["macs", "params"] = "macs"
    together: Literal["auto", "never"] = "auto"
    shortlist: int = Field(default=8, ge=0)
    rounds: int = Field(default=2, ge=1)
    division: Literal["given", "anew", "auto"] = "given"


class ExportConfig(Frozen):
    """Formats to write besides the spec itself: of the spec, or of the trained network.

    A network format that cannot express the trunk is told of, and does not stop the job.
    """

    formats: tuple[str, ...] = ("json", "mermaid")
