"""The sharing-topology spec ``taskgroup/spec/1``: what a plan leaves behind, and what builds the network."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from taskgroup.core.gain import Interval
from taskgroup.core.task import Frozen, Sparse, TaskSet
from taskgroup.core.topology import Module, Topology
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError

SCHEMA = "taskgroup/spec/1"


def digest(data: Any, length: int = 16) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of ``data``, shortened."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


class AdapterSpec(Sparse):
    """Adapters of the shared copies of one stage.

    Attributes:
        stage: Stage that they adapt.
        kind: A name of the adapter table (``bottleneck``).
        size: Width of the bottleneck, rank; 0 is none.
        per: ``task``: one adapter for each task; ``branch``: one for each set of tasks that shares the next stage too.
        tasks: Only for these, e.g. those of one copy; None for all.
        everywhere: Also where a copy serves one task only: such an adapter carries on what a fork took over.
    """

    later: ClassVar[frozenset[str]] = frozenset({"tasks", "everywhere"})
    stage: str
    kind: str = "bottleneck"
    size: int = Field(ge=0)
    per: Literal["task", "branch"] = "task"
    tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    everywhere: bool = False

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to build."""
        return self.size == 0 or self.kind == "none"

    def serves(self, task: str) -> bool:
        """Whether it is for ``task``."""
        return self.tasks is None or task in self.tasks


class Helper(Frozen):
    """``task`` also trains along the path that serves ``along``, with a head of its own that is dropped at export."""

    task: str
    along: str


class Architecture(Sparse):
    """A topology with its adapters, helpers and heads: everything that decides which modules exist.

    Attributes:
        topology: Which tasks share which copy of each stage.
        adapters: Of shared copies; for one stage and task at most one entry.
        helpers: Tasks that also train along other paths.
        head_size: Width of the hidden layer of every head; 0 is a linear head.
    """

    later: ClassVar[frozenset[str]] = frozenset({"head_size"})
    topology: Topology
    adapters: tuple[AdapterSpec, ...] = ()
    helpers: tuple[Helper, ...] = ()
    head_size: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for k, adapter in enumerate(self.adapters):
            self._check_adapter(adapter, self.adapters[:k])
        for helper in self.helpers:
            for name in (helper.task, helper.along):
                if name not in self.topology.tasks:
                    raise ValueError(f"helper names task `{name}`, but the tasks are {', '.join(self.topology.tasks)}")
            if helper.task == helper.along or self.helpers.count(helper) > 1:
                raise ValueError(f"helper `{helper.task}` along `{helper.along}` should name two tasks, and only once")
        return self

    def _check_adapter(self, adapter: AdapterSpec, before: tuple[AdapterSpec, ...]) -> None:
        known = self.topology.tasks
        if adapter.stage not in self.topology.stages:
            raise ValueError(
                f"adapter names stage `{adapter.stage}`, but the stages are {', '.join(self.topology.stages)}"
            )
        for task in adapter.tasks or ():
            if task not in known:
                raise ValueError(f"adapter names task `{task}`, but the tasks are {', '.join(known)}")
        twice = [
            t for t in known if any(b.stage == adapter.stage and b.serves(t) and adapter.serves(t) for b in before)
        ]
        if twice:
            raise ValueError(
                f"a stage takes one adapter entry a task at most, found two behind `{adapter.stage}` for `{twice[0]}`"
            )

    def adapters_of(self, module: Module) -> tuple[AdapterSpec, ...]:
        """The adapters of one copy of a stage; size 0 does not count, nor do copies that serve one task only."""
        stage = self.topology.stages[module.stage]
        return tuple(
            a
            for a in self.adapters
            if a.stage == stage
            and not a.is_none
            and (a.everywhere or len(module.tasks) > 1)
            and any(map(a.serves, module.tasks))
        )

    @property
    def fingerprint(self) -> str:
        """Hash of what would be built: entries of size 0, and adapters where no copy is shared, do not count."""
        return _fingerprint(self)


@lru_cache(maxsize=50_000)
def _fingerprint(architecture: Architecture) -> str:
    used = {a for m in architecture.topology.modules() if len(m.tasks) > 1 for a in architecture.adapters_of(m)}
    alone = [a for a in architecture.adapters if a.everywhere and not a.is_none]
    live = [a.model_dump() for a in architecture.adapters if a in used or a in alone]
    content = [architecture.topology.model_dump(), live, [h.model_dump() for h in architecture.helpers]]
    return digest([*content, architecture.head_size] if architecture.head_size else content)


class Recipe(Sparse):
    """How a network is trained where search may vary it; all else is the same for all arms.

    Attributes:
        lr_scale: Factor of the job's learning rate.
        weighting: Loss weighting, or how the tasks' gradients are put together; ``equal`` is the job's own.
    """

    later: ClassVar[frozenset[str]] = frozenset({"lr_scale", "weighting"})
    lr_scale: float = Field(default=1.0, gt=0)
    weighting: str = "equal"

    @property
    def words(self) -> str:
        """For people: ``learning rate x 2, pcgrad``; empty where nothing is said."""
        parts = [f"learning rate x {self.lr_scale:g}"] * (self.lr_scale != 1)
        return ", ".join(parts + [self.weighting] * (self.weighting != "equal"))


class TrunkSpec(Frozen):
    """How to get the trunk again: a name of the trunk table or ``module:function``, its options and its stages."""

    name: str
    stages: tuple[str, ...]
    options: dict[str, Any] = Field(default_factory=dict)
    input_shape: tuple[int, ...] = ()
    input_dtype: Literal["float32", "int64"] = "float32"


class Cost(Sparse):
    """Parameters and multiply-accumulates for one example, absolute and relative to all-shared.

    Attributes:
        params: Parameters.
        macs: Multiply-accumulates.
        params_ratio: Relative to all-shared.
        macs_ratio: Relative to all-shared.
        latency_ratio: Measured latency relative to all-shared; None where it was not measured.
    """

    later: ClassVar[frozenset[str]] = frozenset({"latency_ratio"})
    params: int
    macs: int
    params_ratio: float
    macs_ratio: float
    latency_ratio: float | None = None


class TaskEvidence(Frozen):
    """One task's mean errors over the seeds, and its gains with intervals."""

    task: str
    metric: str
    error: float
    error_separate: float
    error_shared: float
    gain_vs_separate: Interval
    gain_vs_shared: Interval


class ArmEvidence(Sparse):
    """One confirmed candidate on the validation split, with its heads and its training."""

    later: ClassVar[frozenset[str]] = frozenset({"head_size", "recipe"})
    name: str
    fingerprint: str
    cost: Cost
    gain_vs_separate: Interval
    gain_vs_shared: Interval
    chosen: bool
    head_size: int = 0
    recipe: Recipe = Recipe()


class Verdict(Frozen):
    """The answer in one code and one sentence."""

    code: Literal[
        "share_everything",
        "separate_everything",
        "better_than_both",
        "as_good_as_separate",
        "as_good_as_shared",
        "best_within_limits",
        "not_enough",
    ]
    text: str


class Evidence(Sparse):
    """What was measured for the chosen topology on seeds that search never saw.

    Gains and tasks are those of the test split, read once after the choice; ``arms`` are the finalists and baselines
    on the validation split, on which the choice was made. ``shared_vs_separate`` compares the baselines on the test
    split. ``optimism_vs_separate`` and ``optimism_vs_shared`` are what was taken off both mean gains, because the best
    of several looks better than it is.
    """

    later: ClassVar[frozenset[str]] = frozenset({"optimism_vs_separate", "optimism_vs_shared"})
    level: float
    seeds: tuple[int, ...]
    split: str
    gain_vs_separate: Interval
    gain_vs_shared: Interval
    shared_vs_separate: Interval
    tasks: tuple[TaskEvidence, ...]
    arms: tuple[ArmEvidence, ...]
    verdict: Verdict
    optimism_vs_separate: float = 0.0
    optimism_vs_shared: float = 0.0

    @property
    def losses(self) -> tuple[TaskEvidence, ...]:
        """Tasks that clearly lose against all-separate, their whole interval below zero; the greatest loss first."""
        lost = [t for t in self.tasks if t.gain_vs_separate.below_zero]
        return tuple(sorted(lost, key=lambda t: t.gain_vs_separate.mean))

    @property
    def worst(self) -> TaskEvidence:
        """The task with the greatest clear loss against all-separate, or else the smallest gain."""
        return min(self.losses or self.tasks, key=lambda t: t.gain_vs_separate.mean)


class Provenance(Sparse):
    """Where a spec comes from, and what each step cost; not part of its fingerprint.

    ``seconds`` are wall time; ``trainings`` compute, in trainings of all-shared; ``asked`` the config's objectives,
    limits, rules and budgets, where it has any.
    """

    later: ClassVar[frozenset[str]] = frozenset({"trainings", "asked"})
    job: str
    created: str
    seed: int
    config_hash: str
    data_hash: str
    versions: dict[str, str]
    n_trials: int
    seconds: dict[str, float] = Field(default_factory=dict)
    trainings: dict[str, float] = Field(default_factory=dict)
    asked: dict[str, str] = Field(default_factory=dict)


class Spec(Sparse):
    """A sharing topology with its cost, evidence and provenance, and the recipe that it was confirmed with."""

    later: ClassVar[frozenset[str]] = frozenset({"recipe"})
    schema_: Literal["taskgroup/spec/1"] = Field(default="taskgroup/spec/1", alias="schema")
    tasks: TaskSet
    trunk: TrunkSpec
    architecture: Architecture
    recipe: Recipe = Recipe()
    cost: Cost | None = None
    evidence: Evidence | None = None
    provenance: Provenance | None = None
    fingerprint: str = ""

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        topology = self.architecture.topology
        if topology.tasks != self.tasks.names:
            raise ValueError(
                f"architecture.topology.tasks should be the spec's tasks {list(self.tasks.names)}, "
                f"found {list(topology.tasks)}"
            )
        if topology.stages != self.trunk.stages:
            raise ValueError(
                f"architecture.topology.stages should be the trunk's {list(self.trunk.stages)}, "
                f"found {list(topology.stages)}"
            )
        computed = digest(self.model_dump(mode="json", by_alias=True, exclude={"fingerprint", "provenance"}))
        if self.fingerprint not in ("", computed):
            raise ValueError(
                f"fingerprint should be {computed} for this content, found {self.fingerprint}: the file was edited by "
                "hand; remove the fingerprint line to accept the edit"
            )
        object.__setattr__(self, "fingerprint", computed)
        return self

    @property
    def is_edited(self) -> bool:
        """Whether cost and evidence are those of another architecture: the spec was changed after it was confirmed."""
        arms = self.evidence.arms if self.evidence else ()
        return any(arm.chosen and arm.fingerprint != self.architecture.fingerprint for arm in arms)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON or YAML."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_dict(cls, data: Any, source: str = "spec") -> "Spec":
        """Spec from plain data.

        Raises:
            InputError: With one sentence per fault, each naming ``source`` and the field.
        """
        if not isinstance(data, Mapping):
            found = "nothing" if data is None else type(data).__name__
            raise InputError(f"{source}: a spec should be a mapping, found {found}")
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"{source}: `schema` should be `{SCHEMA}`, the only one that can be read, found "
                + (f"`{data['schema']}`" if "schema" in data else "none")
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(sentences(error, cls, source)) from error
