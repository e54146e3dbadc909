"""Routes: which stream of activations runs through which copy and adapter; no tensors here.

A *stream* is a batch of activations that a set of tasks shares. It splits where the topology branches, and at
adapters. Streams that meet the same copy are run through it in one batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from taskgroup.adapters import ADAPTERS, Adapter
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.errors import InputError

Group = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One run of one copy.

    Attributes:
        copy: Which copy of the stage.
        inputs: Indices of the incoming streams.
        outputs: Outgoing streams: index into ``inputs`` and index of the adapter behind it (None: none).
        body: Which body of the stage runs in place of the copy (None: the copy itself).
        groups: Tasks of each outgoing stream.
    """

    copy: int
    inputs: tuple[int, ...]
    outputs: tuple[tuple[int, int | None], ...]
    body: int | None = None
    groups: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class Route:
    """Steps of every stage, and the last stream of each task."""

    stages: tuple[tuple[Step, ...], ...]
    ends: dict[str, int]


@dataclass(frozen=True)
class Place:
    """One adapter: the tasks that it serves, and the copy at which it stands."""

    copy: int
    tasks: Group
    entry: AdapterSpec

    @property
    def inside(self) -> bool:
        """Whether it changes layers of the copy."""
        return ADAPTERS[self.entry.kind].inside


@dataclass(frozen=True)
class Body:
    """What runs in place of a copy for some of its tasks: with an adapter inside, or with statistics of its own.

    Attributes:
        copy: Whose parameters it shares.
        tasks: For whom it runs.
        place: Index of the adapter inside it, None without.
    """

    copy: int
    tasks: Group
    place: int | None


def adapter_of(entry: AdapterSpec) -> Adapter:
    """The method that builds the adapters of ``entry``.

    Raises:
        InputError: No such kind, or a size that it cannot have.
    """
    try:
        made: Adapter = ADAPTERS.create(entry.kind, {"size": entry.size})
    except ValidationError as error:
        raise InputError(
            f"adapter: size of kind {entry.kind} at stage `{entry.stage}`: "
            f"{error.errors()[0]['msg'].lower()}, found {entry.size}"
        ) from None
    return made


def places(architecture: Architecture, stage: int) -> list[Place]:
    """Every adapter of ``stage``, copy after copy."""
    topology = architecture.topology
    last = stage + 1 == len(topology.stages)
    found = []
    for module in topology.modules():
        for entry in architecture.adapters_of(module) if module.stage == stage else ():
            singles = [(t,) for t in module.tasks]
            within = [g for g in topology.groups(stage + 1) if set(g) <= set(module.tasks)] if not last else singles
            groups = within if entry.per == "branch" else singles
            served = [tuple(filter(entry.serves, group)) for group in groups]
            found += [Place(module.copy, group, entry) for group in served if group]
    return found


def bodies(architecture: Architecture, stage: int, *, own_norm: bool = False) -> list[Body]:
    """Every body of ``stage``.

    Args:
        architecture: Decides.
        stage: Position of the stage.
        own_norm: Whether every task that shares a copy has normalization statistics of its own there.
    """
    inside = [(k, place) for k, place in enumerate(places(architecture, stage)) if place.inside]
    if not own_norm:
        return [Body(place.copy, place.tasks, k) for k, place in inside]
    found = []
    for copy, members in enumerate(architecture.topology.groups(stage)):
        for task in members:
            k = next((k for k, place in inside if task in place.tasks), None)
            if len(members) > 1 or k is not None:
                found.append(Body(copy, (task,), k))
    return found


def route(architecture: Architecture, tasks: Group, *, own_norm: Sequence[int] = ()) -> Route:
    """How activations flow to reach the heads of ``tasks``.

    Args:
        architecture: The modules.
        tasks: Whose paths are run.
        own_norm: Positions of the stages where every task has statistics of its own.
    """
    topology = architecture.topology
    streams: list[set[str]] = [set(tasks)]
    stages = []
    for s in range(len(topology.stages)):
        behind = [(k, set(place.tasks)) for k, place in enumerate(places(architecture, s)) if not place.inside]
        own = bodies(architecture, s, own_norm=s in own_norm)
        steps: list[Step] = []
        after: list[set[str]] = []
        for copy, members in enumerate(topology.groups(s)):
            rest = set(members).difference(*(body.tasks for body in own))
            runs = [(None, rest), *((k, set(body.tasks)) for k, body in enumerate(own) if body.copy == copy)]
            for body, passing in runs:
                step, split = _step(copy, body, passing, streams, behind)
                if step.inputs:
                    steps.append(step)
                    after += split
        stages.append(tuple(steps))
        streams = after
    return Route(tuple(stages), {t: k for k, stream in enumerate(streams) for t in stream})


def _step(
    copy: int, body: int | None, members: set[str], streams: list[set[str]], adapters: list[tuple[int, set[str]]]
) -> tuple[Step, list[set[str]]]:
    inputs = tuple(k for k, stream in enumerate(streams) if stream & members)
    outputs: list[tuple[int, int | None]] = []
    split: list[set[str]] = []
    for source, k in enumerate(inputs):
        left = streams[k] & members
        for a, group in adapters:
            if left & group:
                outputs.append((source, a))
                split.append(left & group)
                left = left - group
        if left:
            outputs.append((source, None))
            split.append(left)
    return Step(copy, inputs, tuple(outputs), body, tuple(map(frozenset, split))), split
