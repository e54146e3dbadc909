"""Cost of a topology: parameters exactly, multiply-accumulates from torch's counter, without building it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from taskgroup.adapters import ADAPTERS
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.nn.routes import adapter_groups, route
from taskgroup.nn.trunk import Trunk


@dataclass(frozen=True)
class CostModel:
    """Costs of one copy of each stage, from which every topology's cost follows.

    Attributes:
        tasks: For the widths of the heads.
        stage_params: Parameters of one copy, shape ``(S,)``.
        stage_macs: Multiply-accumulates of one run on one example, shape ``(S,)``.
        shapes: Shape of one example after each stage.
    """

    tasks: TaskSet
    stage_params: tuple[int, ...]
    stage_macs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, trunk: Trunk, tasks: TaskSet, rows: Tensor) -> "CostModel":
        """Measure ``trunk`` on ``rows``, shape ``(batch, ...)``."""
        shapes = trunk.shapes(rows)
        params, macs = [], []
        with torch.no_grad():
            for name in trunk.names:
                module = trunk.instantiate(name, 0).eval()
                with _counting() as counter:
                    output = module(rows)
                params.append(sum(p.numel() for p in module.parameters()))
                macs.append(counter.get_total_flops() // (2 * len(rows)))
                rows = output
        return cls(tasks, tuple(params), tuple(macs), tuple(shapes))

    def cost(self, architecture: Architecture) -> Cost:
        """Cost at inference (helpers' heads are gone by then)."""
        params, macs = self._absolute(architecture)
        topology = architecture.topology
        base = self._absolute(Architecture(topology=Topology.shared(topology.tasks, topology.stages)))
        return Cost(
            params=params,
            macs=macs,
            params_ratio=params / max(base[0], 1),
            macs_ratio=macs / max(base[1], 1),
        )

    def _absolute(self, architecture: Architecture) -> tuple[int, int]:
        plan = route(architecture, self.tasks.names)
        width = sum(t.n_outputs for t in self.tasks)
        params = width * (self.shapes[-1][0] + 1)
        macs = width * self.shapes[-1][0]
        for s, steps in enumerate(plan.stages):
            params += self.stage_params[s] * len(steps)
            macs += self.stage_macs[s] * sum(len(step.inputs) for step in steps)
            groups, entry = adapter_groups(architecture, s)
            if entry is not None:
                adapter = ADAPTERS.create(entry.kind, {"size": entry.size})
                n_runs = sum(a is not None for step in steps for _, a in step.outputs)
                params += adapter.n_params(self.shapes[s]) * len(groups)
                macs += adapter.n_macs(self.shapes[s]) * n_runs
        return params, macs


def measured_cost(network: torch.nn.Module, rows: Tensor) -> tuple[int, int]:
    """Parameters and multiply-accumulates per example of a built network, counted while it runs on ``rows``."""
    mode = network.training
    with torch.no_grad(), _counting() as counter:
        network.eval()(rows)
    network.train(mode)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // (2 * len(rows))


@contextlib.contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    """Torch's counter, with attention written out: it does not see the fused kernels."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
