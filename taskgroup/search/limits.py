"""Limits on cost, and rules for which tasks share."""

from dataclasses import dataclass

from taskgroup.core.spec import Architecture, Cost
from taskgroup.groupers import topologies
from taskgroup.groupers.constraints import Constraints

NO_RULES = Constraints()


@dataclass(frozen=True)
class Limits:
    """Upper limits on cost relative to all-shared, None is no limit; and rules that the topology keeps."""

    params_ratio: float | None = None
    macs_ratio: float | None = None
    rules: Constraints = NO_RULES

    def excess(self, architecture: Architecture, cost: Cost) -> dict[str, float]:
        """By how much a candidate exceeds each limit and breaks each rule that is set; at most 0 is within."""
        found = {"params_ratio": self.params_ratio, "macs_ratio": self.macs_ratio}
        over = {name: getattr(cost, name) - limit for name, limit in found.items() if limit is not None}
        return {**over, **topologies.excess(self.rules, architecture.topology)}

    def allow(self, architecture: Architecture, cost: Cost) -> bool:
        """Whether a candidate keeps every limit and rule."""
        return all(value <= 0 for value in self.excess(architecture, cost).values())

    def afford(self, cost: Cost) -> bool:
        """Whether ``cost`` keeps every limit, whatever the rules say of the topology."""
        limits = ((cost.params_ratio, self.params_ratio), (cost.macs_ratio, self.macs_ratio))
        return all(limit is None or value <= limit for value, limit in limits)
