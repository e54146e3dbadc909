"""Own rows: tasks that each bring rows of their own run along their own paths, all in one go.

All rows enter as one stream, in an order in which every stream on the way holds those of its tasks one after the other.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.nn.filled import like
from taskgroup.nn.flow import Flow, hidden, joined, n_rows
from taskgroup.nn.routes import Group, Route, Step
from taskgroup.nn.running import Stream, flow_of, lying_together
from taskgroup.nn.siblings import LAYERS
from taskgroup.nn.turns import Counts, Kin, Maybe, Turn, norms_of, split

FEW_ROWS = 512
"""Up to so many rows all linear heads on a stream are computed on all of them, as one product."""
Modules = Sequence[Sequence[nn.Module]]


class OwnRows:
    """Heads by name, each on rows of its own; any of them may be left out of a call.

    One plan serves every choice of heads: nothing runs for those left out. Batch normalization of a copy sees all rows
    that pass through it; a single row is normalized by the running statistics, and does not change them.

    Args:
        plan: Of all tasks.
        tasks: Names of all tasks.
        modules: Copies, adapters and bodies of every stage.
        heads: Name → the task along whose path it lies, and the module.
    """

    def __init__(
        self,
        plan: Route,
        tasks: Sequence[str],
        modules: Sequence[Modules],
        heads: Mapping[str, tuple[str, nn.Module]],
    ) -> None:
        self._order = _in_order(plan, tasks)
        self._heads = dict(heads)
        self._stages: list[tuple[list[Turn], list[list[tuple[int, int]]], Kin]] = []
        for steps, *parts in zip(plan.stages, *modules, strict=True):
            turns = [_turn(step, self._order, *parts) for step in steps]
            copies = [k for k, step in enumerate(steps) if step.body is None]
            self._stages.append((turns, _readers(turns), Kin(turns, copies)))
        self._last = [group for turn in self._stages[-1][0] for outputs in turn.outputs for group, _ in outputs]

    def __call__(self, rows: Mapping[str, Flow], *, together: bool) -> dict[str, Tensor]:
        """Outputs of the heads that ``rows`` names.

        Args:
            rows: Name of a head → its rows; those along one path run in one batch.
            together: Whether sibling copies run as one where that is faster.
        """
        if not rows:
            return {}
        along: dict[str, list[str]] = {task: [] for task in self._order}
        for name in rows:
            along[self._heads[name][0]].append(name)
        counts = {task: sum(n_rows(rows[name]) for name in names) for task, names in along.items()}
        streams: list[Maybe] = [joined([rows[name] for task in self._order for name in along[task]])]
        for turns, readers, kin in self._stages:
            incoming = _dealt(turns, readers, streams, counts)
            found = kin(incoming, counts) if together else {}
            streams = [s for k, turn in enumerate(turns) for s in (found.get(k) or turn(incoming[k], counts))]
        ends = [
            ([name for t in group for name in along[t]], stream)
            for group, stream in zip(self._last, streams, strict=True)
        ]
        there = [(names, stream) for names, stream in ends if stream is not None]
        outputs = self._as_one(there) or {}
        for names, stream in there if not outputs else ():
            outputs |= self._read(names, hidden(flow_of(stream)), [n_rows(rows[name]) for name in names])
        return {name: outputs[name] for name in rows}

    def _as_one(self, ends: Sequence[tuple[Sequence[str], Stream]]) -> dict[str, Tensor] | None:
        """Outputs of linear heads of one width, one a stream, where the streams lie together; else None."""
        if len(ends) < 2 or any(len(names) > 1 for names, _ in ends):
            return None
        wide = lying_together([stream for _, stream in ends], len(ends))
        heads = [self._heads[names[0]][1] for names, _ in ends]
        if wide is None or wide.layout != "stacked" or not _alike(heads):
            return None
        found = like(LAYERS[nn.Linear](heads, wide), wide).parts
        return {names[0]: output for (names, _), output in zip(ends, found, strict=True)}

    def _read(self, names: Sequence[str], features: Tensor, sizes: list[int]) -> dict[str, Tensor]:
        """Outputs of the heads of one stream, each on its own rows."""
        heads = [self._heads[name][1] for name in names]
        if len(heads) == 1 or len(features) > FEW_ROWS or not _alike(heads):
            parts = torch.split(features, sizes)
            return {name: head(part) for name, head, part in zip(names, heads, parts, strict=True)}
        layers = cast("Sequence[nn.Linear]", heads)
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        every = F.linear(features, weight, bias).view(len(features), len(heads), -1)
        owners = [k for k, size in enumerate(sizes) for _ in range(size)]
        own = every[torch.arange(len(features)), torch.tensor(owners)]
        return dict(zip(names, torch.split(own, sizes), strict=True))


def _alike(heads: Sequence[nn.Module]) -> bool:
    return len({head.out_features if isinstance(head, nn.Linear) else 0 for head in heads} | {0}) == 2


def _in_order(plan: Route, tasks: Sequence[str]) -> Group:
    """Tasks such that those of every stream come one after the other."""
    streams: dict[str, list[int]] = {task: [] for task in tasks}
    for steps in plan.stages:
        for k, group in enumerate(group for step in steps for group in step.groups):
            for task in group:
                streams[task].append(k)
    return tuple(sorted(tasks, key=streams.__getitem__))


def _turn(
    step: Step, order: Group, copies: Sequence[nn.Module], adapters: Sequence[nn.Module], bodies: Sequence[nn.Module]
) -> Turn:
    module = copies[step.copy] if step.body is None else bodies[step.body]
    outputs: list[list[tuple[Group, nn.Module | None]]] = [[] for _ in step.inputs]
    for (source, adapter), group in zip(step.outputs, step.groups, strict=True):
        ordered = tuple(task for task in order if task in group)
        outputs[source].append((ordered, None if adapter is None else adapters[adapter]))
    return Turn(module, norms_of(module), step.inputs, tuple(map(tuple, outputs)))


def _readers(turns: Sequence[Turn]) -> list[list[tuple[int, int]]]:
    """For each incoming stream the turns that read it, and which of their inputs it is."""
    n_streams = 1 + max(k for turn in turns for k in turn.inputs)
    found: list[list[tuple[int, int]]] = [[] for _ in range(n_streams)]
    for n, turn in enumerate(turns):
        for source, k in enumerate(turn.inputs):
            found[k].append((n, source))
    return found


def _dealt(
    turns: Sequence[Turn], readers: Sequence[Sequence[tuple[int, int]]], streams: Sequence[Maybe], counts: Counts
) -> list[list[Maybe]]:
    """What every turn takes of the streams."""
    incoming: list[list[Maybe]] = [[None] * len(turn.inputs) for turn in turns]
    for stream, reading in zip(streams, readers, strict=True):
        if stream is not None:
            parts = split(stream, [turns[n].taken(source, counts) for n, source in reading])
            for (n, source), part in zip(reading, parts, strict=True):
                incoming[n][source] = part
    return incoming
