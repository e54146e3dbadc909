"""Turns: runs of modules on streams that hold the rows of several tasks one after the other."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from taskgroup.nn.filled import gathered, like, sample
from taskgroup.nn.flow import hidden, joined, n_rows, parted, with_hidden
from taskgroup.nn.routes import Group
from taskgroup.nn.running import Lane, Stream, flow_of
from taskgroup.nn.siblings import FEWEST_COPIES, Siblings, steps_of

Counts = Mapping[str, int]
"""Rows of each task; 0 where it has none."""
Maybe = Stream | None
"""None where there are no rows."""


@dataclass(frozen=True)
class Turn:
    """One run of one module on those rows of its incoming streams that are for its tasks.

    Attributes:
        module: The copy, or what runs in its place.
        norms: What in it normalizes by statistics of the batch, and could do so by running ones.
        inputs: Indices of the incoming streams.
        outputs: For each of them the tasks of the outgoing streams, and the adapter behind each.
    """

    module: nn.Module
    norms: tuple[nn.Module, ...]
    inputs: tuple[int, ...]
    outputs: tuple[tuple[tuple[Group, nn.Module | None], ...], ...]

    def taken(self, source: int, counts: Counts) -> int:
        """Rows that it takes of an incoming stream, by its position in ``inputs``."""
        return sum(counts[t] for group, _ in self.outputs[source] for t in group)

    def __call__(self, incoming: Sequence[Maybe], counts: Counts) -> list[Maybe]:
        """The outgoing streams; a single row has no statistics, and is normalized by the running ones."""
        flows = [flow_of(stream) for stream in incoming if stream is not None]
        if not flows:
            return [None for outputs in self.outputs for _ in outputs]
        flow = flows[0] if len(flows) == 1 else joined(flows)
        with _by_running_statistics(self.norms if n_rows(flow) == 1 else ()):
            made = self.module(flow)
        return self.behind(made, counts)

    def behind(self, made: Stream, counts: Counts) -> list[Maybe]:
        """The outgoing streams, from what the module made of all its rows."""
        found = [(sum(counts[t] for t in group), adapter) for outputs in self.outputs for group, adapter in outputs]
        parts = split(made, [size for size, _ in found])
        return [_adapted(part, adapter) for part, (_, adapter) in zip(parts, found, strict=True)]


def _adapted(stream: Maybe, adapter: nn.Module | None) -> Maybe:
    if stream is None or adapter is None:
        return stream
    flow = flow_of(stream)
    return with_hidden(flow, adapter(hidden(flow)))


def split(stream: Stream, sizes: Sequence[int]) -> list[Maybe]:
    """The rows of a stream in parts; left in one piece where the other parts are empty."""
    if sum(map(bool, sizes)) == 1:
        return [stream if size else None for size in sizes]
    return [part if size else None for part, size in zip(parted(flow_of(stream), sizes), sizes, strict=True)]


def norms_of(module: nn.Module) -> tuple[nn.Module, ...]:
    """See :class:`Turn`."""
    return tuple(part for part in module.modules() if isinstance(part, _NormBase) and part.running_mean is not None)


@contextlib.contextmanager
def _by_running_statistics(norms: Sequence[nn.Module]) -> Iterator[None]:
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm, mode in zip(norms, modes, strict=True):
            norm.training = mode


class Kin:
    """Turns of one stage that may be taken together, since they run copies of it on a stream each.

    Args:
        turns: All turns of the stage.
        members: Positions of those that run copies.
    """

    def __init__(self, turns: Sequence[Turn], members: Sequence[int]) -> None:
        self.members = [k for k in members if len(turns[k].inputs) == 1]
        program = steps_of(turns[self.members[0]].module) if len(self.members) > 1 else None
        self._siblings = Siblings([turns[k].module for k in self.members], program) if program else None
        self._turns = turns

    def __call__(self, incoming: Sequence[Sequence[Maybe]], counts: Counts) -> dict[int, list[Maybe]]:
        """Outgoing streams of those that have rows, by position; empty where in turn is faster or the only way."""
        taken = [(n, stream) for n, k in enumerate(self.members) if (stream := incoming[k][0]) is not None]
        if self._siblings is None or len(taken) < (2 if self._siblings.maps else FEWEST_COPIES):
            return {}
        first = sample(taken[0][1])
        alone = first is not None and len(first) == 1 and bool(self._turns[self.members[0]].norms)
        if first is None or alone or not self._siblings.pays([first], common=False):
            return {}
        wide = gathered([stream for _, stream in taken])
        if wide is None:
            return {}
        made = like(self._siblings(wide, [n for n, _ in taken]), wide)
        lanes = {self.members[n]: Lane(made, place) for place, (n, _) in enumerate(taken)}
        return {k: self._turns[k].behind(lane, counts) for k, lane in lanes.items()}
