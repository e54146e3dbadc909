"""Compute: what a training costs in multiply-accumulates, in multiples of one training of all-shared."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.measures import MEASURES
from taskgroup.measures.training.schedule import look_cost
from taskgroup.nn.cost import CostModel
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.probe.tower import Tower
from taskgroup.training.weighting import WEIGHTINGS, Weighting


@dataclass(frozen=True)
class Compute:
    """Multiply-accumulates of trainings, in units of one training of all-shared over ``steps`` steps.

    One step of a candidate is as many multiply-accumulates as its forward pass, relative to all-shared's (backward
    passes cost the same multiple of it everywhere). Where tasks have rows of their own a row runs along its own task's
    path only (a helper's along the path that it helps too), and tasks count by their rows. Weightings that need a
    backward pass for each task are charged for it.

    Attributes:
        model: Costs of the trunk.
        steps: Length of the training that is the unit.
        shared: All-shared with the job's heads, of which one training is the unit.
        shares: Each task's share of the training rows where they have rows of their own; else empty.
        tower: All-shared, opened up for looks; None where it is a black box.
    """

    model: CostModel
    steps: int
    shared: Architecture
    shares: tuple[float, ...] = ()
    tower: Tower | None = None
    _known: dict[Architecture, float] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, prepared: Prepared, steps: int, head_size: int = 0) -> "Compute":
        """For the problem of a job."""
        rows, trunk, tasks = prepared.rows("train"), prepared.trunk, prepared.tasks
        model = CostModel.of(trunk, tasks, rows.inputs[:2], head_size)
        shared = Architecture(topology=Topology.shared(tasks.names, trunk.names), head_size=head_size)
        tower = SharedNetwork(tasks, shared, trunk, model.sites, 0).tower()
        if rows.owner is None:
            return cls(model, steps, shared, (), tower)
        counts = Counter(rows.owner.tolist())
        total = sum(counts[k] for k in range(len(tasks)))
        return cls(model, steps, shared, tuple(counts[k] / total for k in range(len(tasks))), tower)

    def trainings(self, candidate: Candidate, steps: int) -> float:
        """Cost of one training over ``steps`` steps."""
        ratio = self._macs(candidate.architecture) / self._unit
        return steps / self.steps * ratio * self._backwards(candidate.recipe.weighting)

    def looks(self, affinity: Mapping[str, Any], n_looks: int) -> float:
        """Cost of ``n_looks`` looks of a measure while all tasks train together; see ``schedule.look_cost``."""
        method = MEASURES.create(str(affinity["method"]), affinity)
        if method.sees != "probe":
            return 0.0
        return n_looks * look_cost(method, self.tower, len(self.model.tasks)) / self.steps

    @cached_property
    def _unit(self) -> float:
        """Multiply-accumulates of all-shared; at least one."""
        return max(self._macs(self.shared), 1.0)

    def _backwards(self, weighting: str) -> float:
        method: Weighting = WEIGHTINGS.create(weighting, {})
        return method.relative_step_cost(len(self.model.tasks))

    def _macs(self, architecture: Architecture) -> float:
        """Of one training row, on average; counted once for each architecture."""
        if architecture not in self._known:
            self._known[architecture] = self._counted(architecture)
        return self._known[architecture]

    def _counted(self, architecture: Architecture) -> float:
        parts = self.model.parts(architecture)
        if not self.shares:
            return float(sum(part.macs for part in parts))
        own = dict(zip(self.model.tasks.names, self.shares, strict=True))
        share = dict(own)  # of the rows that run along each task's path
        for helper in architecture.helpers:
            share[helper.along] += own[helper.task]
        # a part that runs several times for its tasks runs once for each row
        return sum(part.macs / max(part.runs, 1) * sum(share[t] for t in part.tasks) for part in parts)
