"""Adapters: small residual modules behind a shared stage; know nothing of tasks or topologies."""

from typing import Protocol

from torch import nn

from taskgroup.core.table import Table

Shape = tuple[int, ...]


class Adapter(Protocol):
    """One kind of adapter: a frozen pydantic model whose ``size`` is its width.

    ``shape`` is that of one example: ``(F,)`` features, ``(L, F)`` tokens or ``(C, H, W)`` maps.
    """

    def build(self, shape: Shape) -> nn.Module:
        """A module that maps ``(batch, *shape)`` to the same, the identity at initialization."""
        ...

    def n_params(self, shape: Shape) -> int:
        """Parameters of :meth:`build`, in closed form."""
        ...

    def n_macs(self, shape: Shape) -> int:
        """Multiply-accumulates for one example, in closed form."""
        ...


ADAPTERS: Table[type[Adapter]] = Table(
    "adapter kind", "taskgroup.adapters", {"bottleneck": "taskgroup.adapters.bottleneck:Bottleneck"}
)
