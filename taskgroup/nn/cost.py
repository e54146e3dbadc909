"""Cost of a topology: parameters exactly, multiply-accumulates from torch's counter, without building it."""

from dataclasses import dataclass
from functools import cached_property

import torch

from taskgroup.adapters import Site
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.nn.counting import counting
from taskgroup.nn.flow import Flow, n_rows
from taskgroup.nn.heads import head_cost
from taskgroup.nn.routes import Place, Route, adapter_of, bodies, places, route
from taskgroup.nn.sites import own_norm, sites_of
from taskgroup.nn.trunk import Trunk


@dataclass(frozen=True)
class Part:
    """What one part of a network costs.

    Attributes:
        stage: Its stage; ``heads`` for the heads.
        copy: Which copy of the stage; for heads, which task's.
        tasks: Whom it serves.
        what: ``copy``, ``head``, or the adapter's kind and size.
        params: Parameters of its own.
        macs: Multiply-accumulates for one example, over all streams that pass through it.
        runs: Streams that pass through it.
    """

    stage: str
    copy: int
    tasks: tuple[str, ...]
    what: str
    params: int
    macs: int
    runs: int


@dataclass(frozen=True)
class CostModel:
    """Costs of one copy of each stage, from which every topology's cost follows.

    Attributes:
        tasks: For the widths of the heads.
        stage_params: Parameters of one copy, shape ``(S,)``.
        stage_macs: Multiply-accumulates of one run on one example, shape ``(S,)``.
        sites: What adapters see of each stage.
        own_norm: Positions of the stages where every task has statistics of its own, and so a run of its own.
        head_size: Heads of the all-shared that ratios are relative to; None for those of the architecture itself.
    """

    tasks: TaskSet
    stage_params: tuple[int, ...]
    stage_macs: tuple[int, ...]
    sites: tuple[Site, ...]
    own_norm: tuple[int, ...] = ()
    head_size: int | None = None

    @classmethod
    def of(cls, trunk: Trunk, tasks: TaskSet, rows: Flow, head_size: int | None = None) -> "CostModel":
        """Measure ``trunk`` on ``rows``, shape ``(batch, ...)``."""
        sites = sites_of(trunk, rows)
        params, macs = [], []
        with torch.no_grad():
            for name in trunk.names:
                module = trunk.instantiate(name, 0).eval()
                with counting() as counter:
                    output = module(rows)
                params.append(sum(p.numel() for p in module.parameters()))
                macs.append(counter.get_total_flops() // (2 * n_rows(rows)))
                rows = output
        return cls(tasks, tuple(params), tuple(macs), tuple(sites), own_norm(trunk), head_size)

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one example after each stage."""
        return tuple(site.shape for site in self.sites)

    def cost(self, architecture: Architecture) -> Cost:
        """Cost at inference (helpers' heads are gone by then)."""
        params, macs = self._absolute(architecture)
        base = self._absolute(self.reference(architecture))
        return Cost(
            params=params,
            macs=macs,
            params_ratio=params / max(base[0], 1),
            macs_ratio=macs / max(base[1], 1),
        )

    def reference(self, architecture: Architecture) -> Architecture:
        """The all-shared that ratios of ``architecture`` are relative to."""
        topology = architecture.topology
        return Architecture(
            topology=Topology.shared(topology.tasks, topology.stages),
            head_size=architecture.head_size if self.head_size is None else self.head_size,
        )

    def _absolute(self, architecture: Architecture) -> tuple[int, int]:
        parts = self.parts(architecture)
        return sum(part.params for part in parts), sum(part.macs for part in parts)

    def parts(self, architecture: Architecture) -> list[Part]:
        """Every copy, adapter and head; their sums are :meth:`cost`."""
        plan = route(architecture, self.tasks.names, own_norm=self.own_norm)
        found = []
        for s, stage in enumerate(architecture.topology.stages):
            placed = places(architecture, s)
            for copy, members in enumerate(architecture.topology.groups(s)):
                runs = sum(len(step.inputs) for step in plan.stages[s] if step.copy == copy)
                macs = self.stage_macs[s] * runs
                found.append(Part(stage, copy, members, "copy", self.stage_params[s], macs, runs))
                found += [
                    self._adapter(s, k, place, plan, architecture)
                    for k, place in enumerate(placed)
                    if place.copy == copy
                ]
        for k, task in enumerate(self.tasks):
            params, macs = head_cost(self.shapes[-1][0], architecture.head_size, task.n_outputs)
            found.append(Part("heads", k, (task.name,), "head", params, macs, 1))
        return found

    def _adapter(self, stage: int, index: int, place: Place, plan: Route, architecture: Architecture) -> Part:
        adapter, site = adapter_of(place.entry), self.sites[stage]
        steps = plan.stages[stage]
        if place.inside:
            own = _bodies_with(architecture, stage, index, self.own_norm)
            runs = sum(len(step.inputs) for step in steps if step.body in own)
        else:
            runs = sum(a == index for step in steps for _, a in step.outputs)
        name = f"{place.entry.kind} {place.entry.size}"
        macs = adapter.n_macs(site) * runs
        stage_name = architecture.topology.stages[stage]
        return Part(stage_name, place.copy, place.tasks, name, adapter.n_params(site), macs, runs)


def _bodies_with(architecture: Architecture, stage: int, place: int, own_norm: tuple[int, ...]) -> set[int]:
    """Bodies of ``stage`` that hold the adapter at ``place``."""
    found = bodies(architecture, stage, own_norm=stage in own_norm)
    return {k for k, body in enumerate(found) if body.place == place}


def measured_cost(network: torch.nn.Module, rows: Flow) -> tuple[int, int]:
    """Parameters and multiply-accumulates per example of a built network, counted while it runs on ``rows``."""
    mode = network.training
    with torch.no_grad(), counting() as counter:
        network.eval()(rows)
    network.train(mode)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // (2 * n_rows(rows))
