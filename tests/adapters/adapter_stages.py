"""Stages of every kind that adapters meet, and ways to run them adapted."""

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from taskgroup.adapters import Adapter, Site
from taskgroup.adapters.lowrank import LowRankStage
from taskgroup.adapters.sites import site_of


class Attention(nn.Module):
    """Tokens with a residual block, a layer that is called twice and a projection that runs once a row."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.mix, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.again = nn.Linear(width, width)
        self.gate = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.out(torch.tanh(self.mix(x)))
        changed: Tensor = x + self.again(self.again(inner)) * self.gate(x.mean(dim=1))[:, None]
        return changed


class Masked(nn.Module):
    """Hidden state and mask, in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 6)

    def forward(self, flow: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, mask = flow
        return torch.tanh(self.dense(x)) * mask[..., None], mask


def convolutions() -> nn.Module:
    """Strides, dilation, borders that go round, several groups, batch statistics."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding="same", groups=4),
        nn.Conv2d(8, 4, (3, 1), padding=(1, 0), padding_mode="circular", dilation=(1, 1)),
    )


def make_stage(name: str) -> tuple[nn.Module, Tensor | tuple[Tensor, ...]]:
    """A stage with buffers that are not at their start, and what it takes."""
    torch.manual_seed(3)
    stages: dict[str, tuple[nn.Module, Tensor | tuple[Tensor, ...]]] = {
        "features": (nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU()), torch.randn(6, 5)),
        "one feature": (nn.Sequential(nn.Linear(5, 1)), torch.randn(6, 5)),
        "layer itself": (nn.Linear(4, 9), torch.randn(6, 4)),
        "tokens": (Attention(), torch.randn(6, 4, 6)),
        "masked": (Masked(), (torch.randn(6, 4, 6), torch.ones(6, 4))),
        "maps": (convolutions(), torch.randn(6, 3, 9, 8)),
        "sequences": (nn.Sequential(nn.Conv1d(3, 5, 3, padding=1, dilation=1)), torch.randn(6, 3, 8)),
        "traced": (torch.fx.symbolic_trace(convolutions()), torch.randn(6, 3, 8, 8)),
        "encoder": (nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), torch.randn(6, 3, 8)),
    }
    stage, rows = stages[name]
    stage(rows)
    return stage, rows


STAGES = ("features", "one feature", "layer itself", "tokens", "masked", "maps", "sequences", "traced", "encoder")


def hidden(flow: Tensor | tuple[Tensor, ...]) -> Tensor:
    return flow if isinstance(flow, Tensor) else flow[0]


def adapted(module: nn.Module, stage: nn.Module, rows: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Hidden state that ``stage`` gives with its adapter."""
    if isinstance(module, LowRankStage):
        return hidden(module.applied(stage)(rows))
    output: Tensor = module(hidden(stage(rows)))
    return output


def awake(module: nn.Module) -> nn.Module:
    """``module`` with random weights, so that it is no longer the identity."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def macs(module: nn.Module, stage: nn.Module, rows: Tensor | tuple[Tensor, ...]) -> float:
    """Multiply-accumulates for one row by torch's counter."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            adapted(module, stage, rows)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return float(counter.get_total_flops()) / (2 * len(hidden(rows)))


def built(adapter: Adapter, name: str) -> tuple[nn.Module, nn.Module, Tensor | tuple[Tensor, ...], Site]:
    """Adapter module, stage in evaluation mode, rows and site."""
    stage, rows = make_stage(name)
    site = site_of(stage, rows)
    return adapter.build(site), stage.eval(), rows, site
