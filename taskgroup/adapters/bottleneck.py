"""Bottleneck adapter (Houlsby et al. 2019, arXiv 1902.00751)."""

from math import prod
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Shape
from taskgroup.core.task import Frozen
from taskgroup.errors import InputError


class BottleneckModule(nn.Module):
    """``x + up(relu(down(x)))`` over the features of each position; ``up`` starts at zero."""

    def __init__(self, n_features: int, size: int, *, channels_first: bool) -> None:
        super().__init__()
        self.channels_first = channels_first
        self.down, self.up = nn.Linear(n_features, size), nn.Linear(size, n_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape ``(batch, …, F)``, or ``(batch, C, H, W)`` where channels come first, to the same."""
        features = x.movedim(1, -1) if self.channels_first else x
        change: Tensor = self.up(F.relu(self.down(features)))
        return x + (change.movedim(-1, 1) if self.channels_first else change)


class Bottleneck(Frozen):
    """``x + W₂ relu(W₁ x + b₁) + b₂`` with W₁ of shape ``(size, F)``; identity at initialization (W₂ = b₂ = 0).

    Over maps it works on channels (a 1x1 convolution), over tokens on each position.

    Attributes:
        kind: Its name in the table.
        size: Width of the bottleneck, at least 1.
    """

    kind: Literal["bottleneck"] = "bottleneck"
    size: int = Field(ge=1)

    def build(self, shape: Shape) -> nn.Module:
        """The module for examples of ``shape``."""
        return BottleneckModule(_n_features(shape), self.size, channels_first=len(shape) == 3)

    def n_params(self, shape: Shape) -> int:
        """``2 F k + k + F``."""
        n_features = _n_features(shape)
        return 2 * n_features * self.size + self.size + n_features

    def n_macs(self, shape: Shape) -> int:
        """``2 F k`` a position."""
        return 2 * prod(shape) * self.size


def _n_features(shape: Shape) -> int:
    if len(shape) not in (1, 2, 3):
        raise InputError(
            "adapter: bottleneck works on features (F,), tokens (L, F) or maps (C, H, W), "
            f"found a stage of shape {shape}"
        )
    return shape[0] if len(shape) == 3 else shape[-1]
