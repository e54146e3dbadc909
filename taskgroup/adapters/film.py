"""Feature-wise scale and shift (FiLM; Perez et al. 2018, arXiv 1709.07871)."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from taskgroup.adapters import Site
from taskgroup.adapters.features import features_fault, n_features
from taskgroup.core.task import Frozen


class FiLMModule(nn.Module):
    """``x (1 + γ) + β`` for each feature or channel; both start at zero."""

    def __init__(self, n_features: int, *, channels_first: bool) -> None:
        super().__init__()
        self.channels_first = channels_first
        self.gamma, self.beta = nn.Parameter(torch.zeros(n_features)), nn.Parameter(torch.zeros(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape ``(batch, …, F)``, or ``(batch, C, H, W)`` where channels come first, to the same."""
        ends = (1, 1) if self.channels_first else ()
        return x * (1 + self.gamma.view(-1, *ends)) + self.beta.view(-1, *ends)


class FiLM(Frozen):
    """``x (1 + γ) + β`` with γ and β of shape ``(F,)``; identity at initialization (γ = β = 0).

    Differs from the source in that γ and β are parameters: there a network computes them from a condition, here the
    condition is the task, so that its output would be a constant.

    Attributes:
        kind: Its name in the table.
        size: Always 1, there is nothing to choose.
    """

    inside: ClassVar[bool] = False
    sized: ClassVar[bool] = False

    kind: Literal["film"] = "film"
    size: Literal[1] = 1

    def fault(self, site: Site) -> str:
        """Shapes other than features, tokens and maps."""
        return features_fault(self.kind, site.shape)

    def build(self, site: Site) -> FiLMModule:
        """The module for examples of ``site.shape``."""
        return FiLMModule(n_features(self.kind, site), channels_first=len(site.shape) == 3)

    def n_params(self, site: Site) -> int:
        """``2 F``."""
        return 2 * n_features(self.kind, site)

    def n_macs(self, site: Site) -> int:
        """0: elementwise work is not counted, here as in torch's counter."""
        return 0
