"""Low-rank adaptation of the layers of a stage (LoRA; Hu et al. 2021, arXiv 2106.09685)."""

from typing import ClassVar, Literal

from pydantic import Field

from taskgroup.adapters import Layer, Site
from taskgroup.adapters.lowrank import LowRank, LowRankStage
from taskgroup.core.task import Frozen
from taskgroup.errors import InputError


class LoRA(Frozen):
    """``W x + (α / k) B A x`` for linear and convolutional layers; identity at initialization (B = 0).

    For convolutions A has the layer's kernel and B is 1x1; those of several groups stay as they are. Differs from the
    source in that a rank never exceeds a layer's inputs and outputs, beyond which it adds nothing; the scale stays
    that of the size asked for.

    Attributes:
        kind: Its name in the table.
        size: Rank k, at least 1; ``min(k, n_in, n_out)`` for each layer.
        alpha: α; by default ``size``, so that the scale is 1.
        layers: Only layers whose path ends in one of these (``query``, ``attention.value``); all by default.
    """

    inside: ClassVar[bool] = True
    sized: ClassVar[bool] = True

    kind: Literal["lora"] = "lora"
    size: int = Field(ge=1)
    alpha: float | None = Field(default=None, gt=0)
    layers: tuple[str, ...] | None = Field(default=None, min_length=1)

    @property
    def scale(self) -> float:
        """``α / k``."""
        return 1.0 if self.alpha is None else self.alpha / self.size

    def rank(self, layer: Layer) -> int:
        """Rank of the change of ``layer``."""
        return min(self.size, layer.n_in, layer.n_out)

    def chosen(self, site: Site) -> list[Layer]:
        """Layers that it changes."""
        return [layer for layer in site.layers if layer.groups == 1 and self._names(layer.path)]

    def _names(self, path: str) -> bool:
        return self.layers is None or any(f".{path}".endswith(f".{end}") for end in self.layers)

    def fault(self, site: Site) -> str:
        """Stages without a layer that it could change."""
        if self.chosen(site):
            return ""
        found = ", ".join(f"`{x.path}`" + (f" ({x.groups} groups)" if x.groups > 1 else "") for x in site.layers)
        wanted = "" if self.layers is None else f" whose path ends in {' or '.join(self.layers)}"
        return (
            f"adapter: lora changes linear layers and convolutions of one group{wanted}, found a stage with "
            f"{found or 'none'}; leave the stage out"
        )

    def build(self, site: Site) -> LowRankStage:
        """The changes of all chosen layers.

        Raises:
            InputError: There are none.
        """
        fault = self.fault(site)
        if fault:
            raise InputError(fault)
        chosen = self.chosen(site)
        return LowRankStage([x.path for x in chosen], [LowRank(x, self.rank(x), self.scale) for x in chosen])

    def n_params(self, site: Site) -> int:
        """``r (n_in + n_out)`` a layer."""
        return sum(self.rank(x) * (x.n_in + x.n_out) for x in self.chosen(site))

    def n_macs(self, site: Site) -> int:
        """``r (n_in + n_out)`` a position of each layer."""
        return sum(self.rank(x) * (x.n_in + x.n_out) * x.n_positions for x in self.chosen(site))
