"""Running: a route made into calls of modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from taskgroup.nn.flow import Flow, hidden, joined, n_rows, parted, with_hidden
from taskgroup.nn.routes import Route, Step
from taskgroup.nn.siblings import Siblings, Wide, steps_of, together


@dataclass(frozen=True)
class Lane:
    """A stream that lies together with those of sibling copies until somebody needs it alone."""

    wide: Wide
    index: int


Stream = Flow | Lane


def flow_of(stream: Stream) -> Flow:
    """The stream by itself."""
    return stream.wide.parts[stream.index] if isinstance(stream, Lane) else stream


@dataclass(frozen=True)
class Run:
    """One call of one module.

    Attributes:
        module: The copy, or what runs in its place.
        inputs: Indices of the incoming streams.
        outputs: Outgoing streams: index into ``inputs``, and the adapter behind it, None for none.
    """

    module: nn.Module
    inputs: tuple[int, ...]
    outputs: tuple[tuple[int, nn.Module | None], ...]

    def __call__(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        """The outgoing streams."""
        if len(self.inputs) == 1:
            return self.behind([self.module(flow_of(streams[self.inputs[0]]))])
        incoming = [flow_of(streams[k]) for k in self.inputs]
        return self.behind(parted(self.module(joined(incoming)), [n_rows(flow) for flow in incoming]))

    def behind(self, found: Sequence[Stream]) -> list[Stream]:
        """What the adapters make of the module's outputs."""
        return [
            found[source] if adapter is None else _adapted(flow_of(found[source]), adapter)
            for source, adapter in self.outputs
        ]


def _adapted(flow: Flow, adapter: nn.Module) -> Flow:
    return with_hidden(flow, adapter(hidden(flow)))


@dataclass(frozen=True)
class Group:
    """Runs of one stage that may be done together.

    Attributes:
        members: Positions of the runs.
        siblings: Their copies.
        common: Whether they all read the same stream.
    """

    members: tuple[int, ...]
    siblings: Siblings
    common: bool

    def __call__(self, runs: Sequence[Run], streams: Sequence[Stream]) -> Wide | None:
        """Outputs of all members, None where it is faster to run them one after the other, or not possible."""
        incoming = [streams[runs[k].inputs[0]] for k in self.members]
        if self.common:
            incoming = incoming[:1]
        wide = lying_together(incoming, self.siblings.k)
        parts = [wide.parts[0]] if wide else [flow_of(stream) for stream in incoming]
        tensors = [part for part in parts if isinstance(part, Tensor)]
        if len(tensors) < len(parts) or len({part.shape for part in tensors}) > 1:
            return None
        if not self.siblings.pays(tensors, common=self.common):
            return None
        if self.common:
            return self.siblings(Wide(tensors[0], "common", self.siblings.k))
        return self.siblings(wide or together(tensors))


def lying_together(streams: Sequence[Stream], k: int) -> Wide | None:
    """What all of them lie in, in order, if there is nothing else in it."""
    first = streams[0]
    if not isinstance(first, Lane) or len(streams) != k or first.wide.k != k:
        return None
    in_order = all(isinstance(s, Lane) and s.wide is first.wide and s.index == n for n, s in enumerate(streams))
    return first.wide if in_order else None


class Runner:
    """Calls the modules of a route in order, each once.

    Attributes:
        ends: Index of each task's last stream.
    """

    def __init__(self, route: Route, stages: nn.ModuleList, adapters: nn.ModuleList, bodies: nn.ModuleList) -> None:
        self.ends = route.ends
        self._stages = runs_of(route, stages, adapters, bodies)
        self._paths = _paths([runs for runs, _ in self._stages])
        self._kin = any(groups for _, groups in self._stages)

    def __call__(self, streams: Sequence[Stream], *, together: bool) -> Sequence[Stream]:
        """Streams after the last stage; ``together``: siblings at once where it pays."""
        together = together and self._kin
        if self._paths and not together:
            return self._along(streams)
        for runs, groups in self._stages:
            if groups and together:
                streams = _through(runs, groups, streams)
            else:
                streams = [stream for run in runs for stream in run(streams)]
        return streams

    def _along(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        """Path after path: what one branch makes is still at hand when its next stage wants it, and let go then."""
        held: dict[tuple[int, int], Any] = {(0, k): flow_of(stream) for k, stream in enumerate(streams)}
        for module, source, target, last_use in self._paths:
            held[target] = module(held.pop(source) if last_use else held[source])
        last = len(self._stages)
        return [held[last, k] for k in range(len(self._stages[-1][0]))]

    def finds_siblings(self, streams: Sequence[Stream]) -> bool:
        """Whether any copies run together on these streams; runs them."""
        for runs, groups in self._stages:
            if any(group(runs, streams) for group in groups):
                return True
            streams = _through(runs, groups, streams)
        return False


def _through(runs: Sequence[Run], groups: Sequence[Group], streams: Sequence[Stream]) -> list[Stream]:
    """The streams after one stage."""
    found: list[Any] = [None] * len(runs)
    for group in groups:
        wide = group(runs, streams)
        for n, k in enumerate(group.members if wide else ()):
            found[k] = runs[k].behind([Lane(cast("Wide", wide), n)])
    return [
        stream for run, done in zip(runs, found, strict=True) for stream in (run(streams) if done is None else done)
    ]


def runs_of(
    route: Route, stages: nn.ModuleList, adapters: nn.ModuleList, bodies: nn.ModuleList
) -> list[tuple[list[Run], list[Group]]]:
    """Runs of every stage that has any, and which of them may be done together."""
    found = []
    for steps, *parts in zip(route.stages, stages, adapters, bodies, strict=True):
        if steps:
            runs = [_run(step, *(list(cast("nn.ModuleList", part)) for part in parts)) for step in steps]
            found.append((runs, _groups(steps, runs)))
    return found


def _run(step: Step, copies: list[nn.Module], adapters: list[nn.Module], bodies: list[nn.Module]) -> Run:
    module = copies[step.copy] if step.body is None else bodies[step.body]
    outputs = tuple((source, None if a is None else adapters[a]) for source, a in step.outputs)
    return Run(module, step.inputs, outputs)


Place = tuple[int, int]
"""Number of stages behind a stream, and its index there."""


def _paths(stages: Sequence[Sequence[Run]]) -> list[tuple[nn.Module, Place, Place, bool]]:
    """Runs path after path: module, stream in, stream out, and whether nobody wants the stream in after it.

    Empty unless all runs take one stream and give one.
    """
    if not all(len(run.inputs) == 1 and run.outputs == ((0, None),) for runs in stages for run in runs):
        return []

    def below(place: Place) -> list[tuple[nn.Module, Place, Place]]:
        depth, index = place
        found = []
        for k, run in enumerate(stages[depth] if depth < len(stages) else ()):
            if run.inputs[0] == index:
                found += [(run.module, place, (depth + 1, k)), *below((depth + 1, k))]
        return found

    roots = dict.fromkeys(run.inputs[0] for run in stages[0]) if stages else ()
    steps = [step for index in roots for step in below((0, index))]
    last = {source: n for n, (_, source, _) in enumerate(steps)}
    return [(module, source, target, last[source] == n) for n, (module, source, target) in enumerate(steps)]


def _groups(steps: Sequence[Step], runs: Sequence[Run]) -> list[Group]:
    """Runs that read one stream, and runs that read one each."""
    alone = [k for k, step in enumerate(steps) if step.body is None and len(step.inputs) == 1]
    program = steps_of(runs[alone[0]].module) if len(alone) > 1 else None
    if program is None:
        return []
    readers: dict[int, list[int]] = {}
    for k in alone:
        readers.setdefault(steps[k].inputs[0], []).append(k)
    fans = [members for members in readers.values() if len(members) > 1]
    lanes = [members[0] for members in readers.values() if len(members) == 1]
    chosen = [(members, True) for members in fans] + ([(lanes, False)] if len(lanes) > 1 else [])
    found = [
        Group(tuple(members), Siblings([runs[k].module for k in members], program), common)
        for members, common in chosen
    ]
    return [group for group in found if group.siblings.may_pay]
