"""Running: a route made into calls of modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from taskgroup.nn.flow import Flow, hidden, joined, n_rows, parted, with_hidden
from taskgroup.nn.routes import Route, Step


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

    def __call__(self, streams: Sequence[Flow]) -> list[Flow]:
        """The outgoing streams."""
        if len(self.inputs) == 1:
            flows: Sequence[Flow] = (self.module(streams[self.inputs[0]]),)
        else:
            incoming = [streams[k] for k in self.inputs]
            flows = parted(self.module(joined(incoming)), [n_rows(flow) for flow in incoming])
        return [
            flows[source] if adapter is None else with_hidden(flows[source], adapter(hidden(flows[source])))
            for source, adapter in self.outputs
        ]


class Runner:
    """Calls the modules of a route in order, each once."""

    def __init__(self, route: Route, stages: nn.ModuleList, adapters: nn.ModuleList, bodies: nn.ModuleList) -> None:
        self._ends = route.ends
        self._stages = [
            [_run(step, *(list(cast("nn.ModuleList", part)) for part in parts)) for step in steps]
            for steps, *parts in zip(route.stages, stages, adapters, bodies, strict=True)
            if steps
        ]

    def __call__(self, streams: Sequence[Flow]) -> tuple[Sequence[Flow], dict[str, int]]:
        """Streams after the last stage, and the index of each task's."""
        for runs in self._stages:
            streams = [flow for run in runs for flow in run(streams)]
        return streams, self._ends


def _run(step: Step, copies: list[nn.Module], adapters: list[nn.Module], bodies: list[nn.Module]) -> Run:
    module = copies[step.copy] if step.body is None else bodies[step.body]
    outputs = tuple((source, None if a is None else adapters[a]) for source, a in step.outputs)
    return Run(module, step.inputs, outputs)
