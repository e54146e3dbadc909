"""Own rows: tasks that each bring rows of their own run along their own paths, all in one go."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from taskgroup.nn.flow import Flow, hidden, joined, n_rows, parted, with_hidden
from taskgroup.nn.routes import Route
from taskgroup.nn.running import Group, Lane, Run, Stream, flow_of, lying_together, runs_of
from taskgroup.nn.siblings import FEWEST_COPIES, LAYERS, Wide, together

MOST_FILL = 16
"""Rows that each copy may be given on average to make its batch as long as the others', to run them together."""


class Filled(Wide):
    """Features of copies with different numbers of rows, each filled up to the greatest by its last row.

    Args:
        tensor: Shape ``(k, F, greatest)``.
        sizes: Rows of each copy that count.
    """

    def __init__(self, tensor: Tensor, sizes: Sequence[int]) -> None:
        super().__init__(tensor, "stacked", len(sizes))
        self.sizes = list(sizes)

    def _apart(self) -> Sequence[Tensor]:
        longest = self.tensor.shape[2]
        counted = [longest * k + row for k, size in enumerate(self.sizes) for row in range(size)]
        flat = self.tensor.mT.flatten(0, 1)
        return torch.split(flat.index_select(0, torch.tensor(counted, device=flat.device)), self.sizes)


def filled(parts: Sequence[Tensor]) -> Filled | None:
    """Features of copies together; None where that would be mostly filling."""
    sizes = tuple(len(part) for part in parts)
    longest, start, index = max(sizes), 0, list[int]()
    if min(sizes) == 0 or longest * len(sizes) - sum(sizes) > MOST_FILL * len(sizes):
        return None
    for size in sizes:
        index += [start + min(row, size - 1) for row in range(longest)]
        start += size
    rows = torch.cat(tuple(parts))
    rows = rows.index_select(0, torch.tensor(index, device=rows.device))
    return Filled(rows.view(len(sizes), longest, -1).mT, sizes)


class OwnRows:
    """Heads by name, each on rows of its own; any of them may be left out of a call.

    One plan serves every choice of heads: paths whose heads are left out are not run. Batch normalization of a copy
    sees all rows that pass through it; a single row has no statistics, and is normalized by the running ones.

    Args:
        plan: Of all tasks, each beginning with a stream of its own.
        tasks: Names of all tasks, in the order of the plan.
        stages: Copies of each stage.
        adapters: Of each stage.
        bodies: Of each stage.
        heads: Name → the task whose path it reads, and the module.
    """

    def __init__(
        self,
        plan: Route,
        tasks: Sequence[str],
        stages: nn.ModuleList,
        adapters: nn.ModuleList,
        bodies: nn.ModuleList,
        heads: Mapping[str, tuple[str, nn.Module]],
    ) -> None:
        self._stages = runs_of(plan, stages, adapters, bodies)
        self._norms = [[_norms(run.module) for run in runs] for runs, _ in self._stages]
        self._tasks, self._ends, self._heads = tuple(tasks), plan.ends, dict(heads)

    def __call__(self, rows: Mapping[str, Flow], *, together: bool) -> dict[str, Tensor]:
        """Outputs of the heads that ``rows`` names, in its order.

        Args:
            rows: Name of a head → its rows; those of one path run in one batch.
            together: Whether sibling copies run as one where that is faster.
        """
        along: dict[str, list[str]] = {}
        for name in rows:
            along.setdefault(self._heads[name][0], []).append(name)
        streams: Sequence[Stream | None] = [
            joined([rows[name] for name in along[task]]) if task in along else None for task in self._tasks
        ]
        for (runs, groups), norms in zip(self._stages, self._norms, strict=True):
            found: dict[int, list[Stream | None]] = {}
            for group in groups if together else ():
                found |= _at_once(group, runs, streams)
            for k, run in enumerate(runs):
                if k not in found:
                    found[k] = _in_turn(run, norms[k], streams)
            streams = [stream for k in range(len(runs)) for stream in found[k]]
        last = {task: cast("Stream", streams[self._ends[task]]) for task in along}
        outputs = self._as_one(last, along) or self._each(last, along, rows)
        return {name: outputs[name] for name in rows}

    def _as_one(self, last: Mapping[str, Stream], along: Mapping[str, Sequence[str]]) -> dict[str, Tensor] | None:
        """Outputs of linear heads of one width, one a path, where the paths lie together; else None."""
        names = [found[0] for found in along.values()]
        heads = [self._heads[name][1] for name in names]
        wide = lying_together(list(last.values()), len(last))
        alike = all(isinstance(head, nn.Linear) and head.out_features == heads[0].out_features for head in heads)
        if wide is None or wide.layout != "stacked" or not alike or any(len(found) > 1 for found in along.values()):
            return None
        return dict(zip(names, _like(LAYERS[nn.Linear](heads, wide), wide).parts, strict=True))

    def _each(
        self, last: Mapping[str, Stream], along: Mapping[str, Sequence[str]], rows: Mapping[str, Flow]
    ) -> dict[str, Tensor]:
        """Outputs of the heads one by one."""
        outputs: dict[str, Tensor] = {}
        for task, names in along.items():
            features = torch.split(hidden(flow_of(last[task])), [n_rows(rows[name]) for name in names])
            outputs |= {name: self._heads[name][1](part) for name, part in zip(names, features, strict=True)}
        return outputs


def _norms(module: nn.Module) -> list[nn.Module]:
    """What normalizes by statistics of the batch, and could do so by running ones."""
    return [part for part in module.modules() if isinstance(part, _NormBase) and part.running_mean is not None]


def _in_turn(run: Run, norms: Sequence[nn.Module], streams: Sequence[Stream | None]) -> list[Stream | None]:
    """What one copy makes of those of its streams that are there."""
    incoming = {n: flow_of(stream) for n, k in enumerate(run.inputs) if (stream := streams[k]) is not None}
    if not incoming:
        return [None] * len(run.outputs)
    sizes = [n_rows(flow) for flow in incoming.values()]
    with _by_running_statistics(norms if sum(sizes) == 1 else ()):
        made = run.module(joined(list(incoming.values())) if len(incoming) > 1 else next(iter(incoming.values())))
    parts = dict(zip(incoming, parted(made, sizes) if len(sizes) > 1 else [made], strict=True))
    return [_behind(parts.get(n), adapter) for n, adapter in run.outputs]


def _behind(flow: Flow | None, adapter: nn.Module | None) -> Flow | None:
    return flow if flow is None or adapter is None else with_hidden(flow, adapter(hidden(flow)))


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


def _at_once(group: Group, runs: Sequence[Run], streams: Sequence[Stream | None]) -> dict[int, list[Stream | None]]:
    """Outgoing streams of those members of ``group`` that have something to do; empty where they do not run as one."""
    incoming = {n: stream for n, k in enumerate(group.members) if (stream := streams[runs[k].inputs[0]]) is not None}
    if len(incoming) < FEWEST_COPIES:
        return {}
    wide = lying_together(list(incoming.values()), len(incoming)) or _gathered(list(incoming.values()))
    if wide is None or not group.siblings.pays([_one_of(wide)], common=False):
        return {}
    made = _like(group.siblings(wide, list(incoming)), wide)
    lanes = {group.members[n]: Lane(made, place) for place, n in enumerate(incoming)}
    return {
        k: [lane if a is None else _behind(flow_of(lane), a) for _, a in runs[k].outputs] for k, lane in lanes.items()
    }


def _gathered(streams: Sequence[Stream]) -> Wide | None:
    """Streams together that have been apart; None where their shapes do not allow it."""
    parts = [flow for stream in streams if isinstance(flow := flow_of(stream), Tensor)]
    if len(parts) < len(streams):
        return None
    if len({part.shape for part in parts}) == 1:
        return together(parts) if parts[0].ndim in (2, 4) and len(parts[0]) > 1 else None
    return filled(parts) if parts[0].ndim == 2 else None


def _one_of(wide: Wide) -> Tensor:
    """The shape of one copy's activations."""
    return wide.tensor[0].T if wide.layout == "stacked" else wide.parts[0]


def _like(made: Wide, wide: Wide) -> Wide:
    """``made`` from ``wide``, and filled up where that was."""
    if isinstance(wide, Filled) and made.layout == "stacked":
        return Filled(made.tensor, wide.sizes)
    return made
