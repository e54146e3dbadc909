"""Bottleneck adapter (Houlsby et al. 2019, arXiv 1902.00751)."""

from math import prod
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Site
from taskgroup.adapters.features import features_fault, n_features
from taskgroup.core.task import Frozen


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

    inside: ClassVar[bool] = False
    sized: ClassVar[bool] = True

    kind: Literal["bottleneck"] = "bottleneck"
    size: int = Field(ge=1)

    def fault(self, site: Site) -> str:
        """Shapes other than features, tokens and maps."""
        return features_fault(self.kind, site.shape)

    def build(self, site: Site) -> BottleneckModule:
        """The module for examples of ``site.shape``."""
        return BottleneckModule(n_features(self.kind, site), self.size, channels_first=len(site.shape) == 3)

    def n_params(self, site: Site) -> int:
        """``2 F k + k + F``."""
        n = n_features(self.kind, site)
        return 2 * n * self.size + self.size + n

    def n_macs(self, site: Site) -> int:
        """``2 F k`` a position."""
        return 2 * prod(site.shape) * self.size
