"""The part of the search space that is about adapters: a size, and a kind, for each stage or each shared copy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.distributions import CategoricalDistribution

from taskgroup.adapters import ADAPTERS
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology


@dataclass(frozen=True)
class AdapterChoice:
    """Adapters that search may put at the shared copies of ``stages``.

    Parameters: ``adapter_STAGE`` (size, 0 is none) and, where there are several kinds, ``kind_STAGE``. By branch
    ``adapter_STAGE_K`` and ``kind_STAGE_K`` for the copy of the stage that is the K-th of those that are shared, of
    which T tasks have at most ``T // 2``.

    Attributes:
        stages: Where adapters may stand.
        sizes: Sizes to choose from, 0 is none. Kinds without sizes take any other for 1.
        kind: Kind of adapter, or several to choose from.
        per: One adapter for each task or branch of a copy.
        vary: Whether all shared copies of a stage have the same kind and size, or each its own.
    """

    stages: tuple[str, ...]
    sizes: tuple[int, ...]
    kind: str | tuple[str, ...] = "bottleneck"
    per: Literal["task", "branch"] = "task"
    vary: Literal["stage", "branch"] = field(default="stage", repr=False)  # fingerprints of spaces hold the others

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds to choose from."""
        return (self.kind,) if isinstance(self.kind, str) else self.kind

    @property
    def steps(self) -> tuple[int, ...]:
        """Sizes that differ for at least one kind."""
        if any(ADAPTERS[kind].sized for kind in self.kinds):
            return self.sizes
        return tuple(dict.fromkeys(min(size, 1) for size in self.sizes))

    def distributions(self, n_tasks: int) -> dict[str, CategoricalDistribution]:
        """Optuna's distribution of each parameter; those with a single value are left out."""
        slots = [slot for stage in self.stages for slot in self._slots(stage, n_tasks)]
        found: dict[str, CategoricalDistribution] = {}
        if len(self.steps) > 1:
            found |= {f"adapter_{slot}": CategoricalDistribution(list(self.steps)) for slot in slots}
        if len(self.kinds) > 1 and any(self.steps):
            found |= {f"kind_{slot}": CategoricalDistribution(list(self.kinds)) for slot in slots}
        return found

    def _slots(self, stage: str, n_tasks: int) -> list[str]:
        """What has a parameter of its own."""
        if self.vary == "branch":
            return [f"{stage}_{k}" for k in range(n_tasks // 2)]  # shared copies serve two tasks or more
        return [stage] if n_tasks > 1 else []

    def entries(self, params: Mapping[str, Any], topology: Topology) -> tuple[AdapterSpec, ...]:
        """The adapters at ``params``; equal copies of a stage have one entry together."""
        if len(topology.tasks) < 2:
            return ()
        return tuple(entry for stage in self.stages for entry in self._at_stage(stage, params, topology))

    def _at_stage(self, stage: str, params: Mapping[str, Any], topology: Topology) -> list[AdapterSpec]:
        if self.vary == "stage":
            made = self._entry(stage, stage, params)
            return [made] if made else []
        shared = _shared_copies(topology, stage)
        found = [self._entry(stage, f"{stage}_{k}", params) for k in range(len(shared))]
        if len(set(found)) == 1:
            return [found[0]] if found[0] else []
        return [e.model_copy(update={"tasks": tasks}) for e, tasks in zip(found, shared, strict=True) if e]

    def _entry(self, stage: str, slot: str, params: Mapping[str, Any]) -> AdapterSpec | None:
        size, kind = params.get(f"adapter_{slot}", self.steps[0]), params.get(f"kind_{slot}", self.kinds[0])
        if not size or kind == "none":
            return None
        return AdapterSpec(stage=stage, kind=kind, size=size if ADAPTERS[kind].sized else 1, per=self.per)

    def params(self, architecture: Architecture) -> dict[str, Any]:
        """What :meth:`entries` would make the adapters of ``architecture`` of, if anything."""
        found: dict[str, Any] = {}
        for stage in self.stages:
            entries = self._entries_of(architecture, stage)
            for k, slot in enumerate(self._slots(stage, len(architecture.topology.tasks))):
                entry = entries[k] if k < len(entries) else None
                found[f"adapter_{slot}"] = self._step(entry) if entry else 0
                found[f"kind_{slot}"] = entry.kind if entry else self.kinds[0]
        return found

    def _entries_of(self, architecture: Architecture, stage: str) -> list[AdapterSpec | None]:
        """One for each slot."""
        if self.vary == "stage":
            return [next((a for a in architecture.adapters if a.stage == stage and not a.is_none), None)]
        topology = architecture.topology
        copies = [m for m in topology.modules() if topology.stages[m.stage] == stage and len(m.tasks) > 1]
        return [next(iter(architecture.adapters_of(copy)), None) for copy in copies]

    def _step(self, entry: AdapterSpec) -> int:
        """The size to choose for ``entry``."""
        sized = entry.kind not in self.kinds or ADAPTERS[entry.kind].sized
        return entry.size if sized else min((size for size in self.steps if size), default=0)


def _shared_copies(topology: Topology, stage: str) -> list[tuple[str, ...]]:
    return [tasks for tasks in topology.groups(topology.stages.index(stage)) if len(tasks) > 1]
