"""What every export format must be."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from taskgroup.core.spec import Spec

if TYPE_CHECKING:
    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork


class Exporter(Protocol):
    """A format of the spec alone: a small frozen object whose fields are its options.

    The text depends on the spec and the options alone (no clock, no machine, no random numbers), so that the same
    spec always gives the same bytes. Names come from users: an exporter escapes them.
    """

    @property
    def suffix(self) -> str:
        """File name ending with its dot, e.g. ``.yaml``."""

    def export(self, spec: Spec) -> str:
        """The whole file as text."""


class NetworkExporter(Protocol):
    """A format of the built network with its weights: a small frozen object whose fields are its options."""

    @property
    def suffix(self) -> str:
        """File name ending with its dot, or empty where it writes a folder."""

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write ``path`` (and files beside or below it) and give all that was written, the main one first.

        Args:
            spec: Of the network.
            network: With its weights, in evaluation mode, without helpers' heads.
            rows: A few inputs, shape ``(batch, ...)``.
            path: File or folder to write.

        Raises:
            InputError: The format cannot express the spec or the trunk; names the part it cannot express.
        """
