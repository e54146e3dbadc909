"""No adapter, so that a search can name it."""

from typing import ClassVar, Literal

from torch import nn

from taskgroup.adapters import Site
from taskgroup.core.task import Frozen


class NoAdapter(Frozen):
    """``x``.

    Attributes:
        kind: Its name in the table.
        size: Always 1, there is nothing to choose.
    """

    inside: ClassVar[bool] = False
    sized: ClassVar[bool] = False

    kind: Literal["none"] = "none"
    size: Literal[1] = 1

    def fault(self, site: Site) -> str:
        """Nothing: it can stand anywhere."""
        return ""

    def build(self, site: Site) -> nn.Identity:
        """The identity."""
        return nn.Identity()

    def n_params(self, site: Site) -> int:
        """0."""
        return 0

    def n_macs(self, site: Site) -> int:
        """0."""
        return 0
