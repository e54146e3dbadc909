"""What every export format must be."""

from typing import Protocol

from taskgroup.core.spec import Spec


class Exporter(Protocol):
    """A format: a small frozen object whose fields are its options.

    The text depends on the spec and the options alone (no clock, no machine, no random numbers), so that the same
    spec always gives the same bytes. Names come from users: an exporter escapes them.
    """

    @property
    def suffix(self) -> str:
        """File name ending with its dot, e.g. ``.yaml``."""

    def export(self, spec: Spec) -> str:
        """The whole file as text."""
