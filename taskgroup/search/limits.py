"""Limits on cost."""

from dataclasses import dataclass

from taskgroup.core.spec import Cost


@dataclass(frozen=True)
class Limits:
    """Upper limits on cost relative to all-shared; None is no limit."""

    params_ratio: float | None = None
    macs_ratio: float | None = None

    def excess(self, cost: Cost) -> dict[str, float]:
        """By how much ``cost`` exceeds each limit that is set; at most 0 is within."""
        found = {"params_ratio": self.params_ratio, "macs_ratio": self.macs_ratio}
        return {name: getattr(cost, name) - limit for name, limit in found.items() if limit is not None}

    def allow(self, cost: Cost) -> bool:
        """Whether ``cost`` keeps every limit."""
        return all(value <= 0 for value in self.excess(cost).values())
