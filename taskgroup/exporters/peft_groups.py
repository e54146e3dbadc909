"""Task groups: which tasks go through the same adapters, and what those change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from taskgroup.adapters.lowrank import LowRankStage
from taskgroup.core.spec import Spec
from taskgroup.nn.huggingface import TransformerTrunk
from taskgroup.nn.huggingface.stages import in_model
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.routes import places


@dataclass(frozen=True)
class Change:
    """``scale · B A`` added to the weight of one layer.

    Attributes:
        path: Of the layer, in the model.
        a: Shape ``(r, n_in)``, or ``(r, channels, *kernel)``.
        b: Shape ``(n_out, r)``, or ``(n_out, r, 1, ...)``.
        scale: Factor.
    """

    path: str
    a: Tensor
    b: Tensor
    scale: float

    @property
    def rank(self) -> int:
        """Number of rows of ``a``."""
        return len(self.a)


@dataclass(frozen=True)
class Group:
    """Tasks with the same adapters in every stage, and what these change; nothing where there are none."""

    tasks: tuple[str, ...]
    changes: tuple[Change, ...]


def faults(spec: Spec, network: SharedNetwork) -> list[str]:
    """What of the network peft cannot express, a sentence each."""
    if not isinstance(network.trunk, TransformerTrunk):
        return [
            f"export: peft takes models of the transformers library (trunk hf), found the trunk `{spec.trunk.name}`"
        ]
    topology = network.architecture.topology
    copied = [
        f"`{name}` ({len(topology.groups(s))})" for s, name in enumerate(topology.stages) if len(topology.groups(s)) > 1
    ]
    found = []
    if copied:
        found.append(
            "export: peft adapts one model, so that every stage should have one copy, found several of "
            f"{', '.join(copied)}; the formats python, onnx and torch-export take any topology"
        )
    others = {
        (name, place.entry.kind)
        for s, name in enumerate(topology.stages)
        for place in places(network.architecture, s)
        if place.entry.kind != "lora"
    }
    found += [
        f"export: peft expresses adapters of kind lora, found kind `{kind}` at stage `{stage}`"
        for stage, kind in sorted(others)
    ]
    return found


def groups_of(network: SharedNetwork) -> list[Group]:
    """The task groups, in the order of their first tasks."""
    groups: dict[tuple[int | None, ...], list[str]] = {}
    standing = [places(network.architecture, s) for s in range(len(network.stages))]
    for task in network.tasks.names:
        own = tuple(next((k for k, place in enumerate(there) if task in place.tasks), None) for there in standing)
        groups.setdefault(own, []).append(task)
    return [Group(tuple(tasks), tuple(_changes(network, own))) for own, tasks in groups.items()]


def _changes(network: SharedNetwork, own: tuple[int | None, ...]) -> Iterator[Change]:
    for s, k in enumerate(own):
        if k is None:
            continue
        adapter = cast("LowRankStage", cast("nn.ModuleList", network.adapters[s])[k])
        for path in adapter.paths:
            change = adapter.change(path)
            a, b = change.a.detach(), change.b.detach()
            wide = b.view(*b.shape, *[1] * (a.ndim - 2))
            yield Change(in_model(network.copies(s)[0], path), a, wide, change.scale)
