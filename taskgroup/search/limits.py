"""Limits on cost, rules for which tasks share, and how much a task may lose."""

from collections.abc import Mapping
from dataclasses import dataclass

from taskgroup.core.spec import Architecture, Cost
from taskgroup.groupers import topologies
from taskgroup.groupers.constraints import Constraints
from taskgroup.search.objectives import COSTS, ratio

NO_RULES = Constraints()


@dataclass(frozen=True)
class Limits:
    """Upper limits on cost relative to all-shared, None is no limit; and rules that the topology keeps.

    Attributes:
        params_ratio: On parameters.
        macs_ratio: On multiply-accumulates.
        rules: For the topology.
        latency_ratio: On measured latency.
        worst_task: Least gain of any task against all-separate, -0.01 for "no task may lose more than 1 %". It is
            known only after training, and one seed is noisy: the sampler keeps away from candidates that break it,
            but none is left out for it before confirmation, which has the last word.
    """

    params_ratio: float | None = None
    macs_ratio: float | None = None
    rules: Constraints = NO_RULES
    latency_ratio: float | None = None
    worst_task: float | None = None

    def excess(self, architecture: Architecture, cost: Cost) -> dict[str, float]:
        """By how much a candidate exceeds each limit and breaks each rule that is set; at most 0 is within.

        Raises:
            InputError: Latency has a limit, but was not measured.
        """
        return {**self._over(cost), **topologies.excess(self.rules, architecture.topology)}

    def _over(self, cost: Cost) -> dict[str, float]:
        limits = {name: getattr(self, f"{name}_ratio") for name in COSTS}
        return {f"{name}_ratio": ratio(cost, name) - limit for name, limit in limits.items() if limit is not None}

    def allow(self, architecture: Architecture, cost: Cost) -> bool:
        """Whether a candidate keeps every limit and rule that is known before it is trained."""
        return all(value <= 0 for value in self.excess(architecture, cost).values())

    def afford(self, cost: Cost) -> bool:
        """Whether ``cost`` keeps every limit, whatever the rules say of the topology."""
        return all(value <= 0 for value in self._over(cost).values())

    def shortfall(self, errors: Mapping[str, float], separate: Mapping[str, float]) -> dict[str, float]:
        """By how much the worst task falls below the floor, if there is one; at most 0 is above.

        Args:
            errors: Of each task.
            separate: Those of all-separate under the same seed.
        """
        if self.worst_task is None:
            return {}
        return {"worst_task": self.worst_task - min(1.0 - errors[task] / separate[task] for task in separate)}
