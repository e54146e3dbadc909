"""The part of the search space that is about adapters: a size, and a kind, for each stage or each shared copy."""

from dataclasses import dataclass, field
from typing import Any, Literal

from taskgroup.adapters import ADAPTERS
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Module, Topology
from taskgroup.search.asking import Ask, one_of


@dataclass(frozen=True)
class AdapterChoice:
    """Adapters that search may put at the shared copies of ``stages``.

    Parameters: ``adapter_STAGE`` (size, 0 is none) where a copy of the stage is shared and, where that is not 0 and
    there are several kinds, ``kind_STAGE``. By branch ``adapter_STAGE_K`` and ``kind_STAGE_K`` for the copy of the
    stage that is the K-th of those that are shared.

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
        if all(kind == "none" for kind in self.kinds):
            return (0,)
        if any(ADAPTERS[kind].sized for kind in self.kinds):
            return self.sizes
        return tuple(dict.fromkeys(min(size, 1) for size in self.sizes))

    def ask(self, ask: Ask, topology: Topology) -> tuple[AdapterSpec, ...]:
        """Adapters for ``topology``; equal copies of a stage have one entry together."""
        return tuple(entry for stage in self.stages for entry in self._at_stage(stage, ask, topology))

    def _at_stage(self, stage: str, ask: Ask, topology: Topology) -> list[AdapterSpec]:
        shared = _shared_copies(topology, stage)
        if self.vary == "stage":
            made = self._entry(stage, stage, ask) if shared else None
            return [made] if made else []
        found = [self._entry(stage, f"{stage}_{k}", ask) for k in range(len(shared))]
        if len(set(found)) == 1:
            return [found[0]] if found[0] else []
        return [e.model_copy(update={"tasks": copy.tasks}) for e, copy in zip(found, shared, strict=True) if e]

    def _entry(self, stage: str, slot: str, ask: Ask) -> AdapterSpec | None:
        size = one_of(ask, f"adapter_{slot}", self.steps)
        kind = one_of(ask, f"kind_{slot}", self.kinds) if size else "none"
        if kind == "none":
            return None
        return AdapterSpec(stage=stage, kind=kind, size=size if ADAPTERS[kind].sized else 1, per=self.per)

    def params(self, architecture: Architecture) -> dict[str, Any]:
        """What :meth:`ask` would make the adapters of ``architecture`` of, if anything."""
        found: dict[str, Any] = {}
        for stage in self.stages:
            copies = _shared_copies(architecture.topology, stage)
            entries = [next(iter(architecture.adapters_of(copy)), None) for copy in copies]
            slots = [stage] if self.vary == "stage" else [f"{stage}_{k}" for k in range(len(copies))]
            for slot, entry in zip(slots, entries, strict=False):
                found[f"adapter_{slot}"] = self._step(entry) if entry else min(self.steps)
                found[f"kind_{slot}"] = entry.kind if entry else "none"
        return found

    def _step(self, entry: AdapterSpec) -> int:
        """The size to choose for ``entry``."""
        sized = entry.kind not in self.kinds or ADAPTERS[entry.kind].sized
        return entry.size if sized else min((size for size in self.steps if size), default=0)


def _shared_copies(topology: Topology, stage: str) -> list[Module]:
    """The copies of ``stage`` that serve several tasks."""
    index = topology.stages.index(stage)
    return [Module(index, k, tasks) for k, tasks in enumerate(topology.groups(index)) if len(tasks) > 1]
