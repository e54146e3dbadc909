"""Routes: which stream of activations runs through which copy and adapter; no tensors here.

A *stream* is one tensor of activations that a set of tasks shares. It splits where the topology branches, and behind
adapters. Streams that meet the same copy are run through it in one batch.
"""

from dataclasses import dataclass

from taskgroup.core.spec import AdapterSpec, Architecture

Group = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One run of one copy.

    Attributes:
        copy: Which copy of the stage.
        inputs: Indices of the incoming streams.
        outputs: Outgoing streams: index into ``inputs`` and index of the adapter behind it (None: none).
    """

    copy: int
    inputs: tuple[int, ...]
    outputs: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True)
class Route:
    """Steps of every stage, and the last stream of each task."""

    stages: tuple[tuple[Step, ...], ...]
    ends: dict[str, int]


def adapter_groups(architecture: Architecture, stage: int) -> tuple[list[Group], AdapterSpec | None]:
    """The sets of tasks that get one adapter each behind ``stage``; copies that serve one task get none."""
    topology = architecture.topology
    entry = next((a for a in architecture.adapters if a.stage == topology.stages[stage] and a.size), None)
    if entry is None:
        return [], None
    groups: list[Group] = []
    for copy_tasks in topology.groups(stage):
        if len(copy_tasks) == 1:
            continue
        if entry.per == "branch" and stage + 1 < len(topology.stages):
            groups += [g for g in topology.groups(stage + 1) if set(g) <= set(copy_tasks)]
        else:
            groups += [(t,) for t in copy_tasks]
    return groups, entry


def route(architecture: Architecture, tasks: Group) -> Route:
    """How activations flow to reach the heads of ``tasks``."""
    topology = architecture.topology
    streams: list[set[str]] = [set(tasks)]
    stages = []
    for s in range(len(topology.stages)):
        steps: list[Step] = []
        after: list[set[str]] = []
        adapters, _ = adapter_groups(architecture, s)
        for copy, members in enumerate(topology.groups(s)):
            step, split = _step(copy, set(members), streams, adapters)
            if step.inputs:
                steps.append(step)
                after += split
        stages.append(tuple(steps))
        streams = after
    return Route(tuple(stages), {t: k for k, stream in enumerate(streams) for t in stream})


def _step(copy: int, members: set[str], streams: list[set[str]], adapters: list[Group]) -> tuple[Step, list[set[str]]]:
    inputs = tuple(k for k, stream in enumerate(streams) if stream & members)
    outputs: list[tuple[int, int | None]] = []
    split: list[set[str]] = []
    for source, k in enumerate(inputs):
        passing = streams[k] & members
        behind = [(a, passing & set(group)) for a, group in enumerate(adapters) if passing & set(group)]
        if behind:
            outputs += [(source, a) for a, _ in behind]
            split += [tasks for _, tasks in behind]
        else:
            outputs.append((source, None))
            split.append(passing)
    return Step(copy, inputs, tuple(outputs)), split
