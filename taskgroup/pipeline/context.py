"""What every step of a job needs, and how steps have trials done."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from taskgroup.core.record import SHARED
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialResult, TrialSpec
from taskgroup.pipeline.compute import Compute
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Progress
from taskgroup.search.limits import Limits
from taskgroup.search.storage import Storage


@dataclass(frozen=True)
class Job:
    """What every step needs.

    Attributes:
        config: Validated config.
        folder: Held run directory.
        prepared: Tasks, data and trunk.
        crew: Does the trials.
        progress: Is told.
        storage: Database of the study.
        base: Folder that relative paths of the config start from.
    """

    config: Config
    folder: Folder
    prepared: Prepared
    crew: Crew
    progress: Progress
    storage: Storage
    base: Path = Path()

    @property
    def limits(self) -> Limits:
        """Limits on cost, and rules for the topology."""
        limits = self.config.limits
        rules = self.config.propose.constraints
        return Limits(limits.params_ratio, limits.macs_ratio, rules, limits.latency_ratio, limits.worst_task)

    def seed(self, *parts: object) -> int:
        """A seed for one purpose."""
        return derive_seed(self.config.seed, *parts)

    def baseline(self, name: str) -> Architecture:
        """``all-shared`` or ``all-separate``."""
        make = Topology.shared if name == SHARED else Topology.separate
        topology = make(self.prepared.tasks.names, self.prepared.trunk.names)
        return Architecture(topology=topology, head_size=self.config.heads.size)

    @cached_property
    def compute(self) -> Compute:
        """What trainings cost."""
        return Compute.of(self.prepared, self.config.train.steps, self.config.heads.size)

    def division(self, step: str, number: int) -> tuple[int, int] | None:
        """Of training and validation rows, in the ``number``-th trainings of a step that repeats its trainings."""
        wanted = self.config.confirm.division
        divides = self.prepared.random_split if wanted == "auto" else wanted == "anew"
        return (self.seed(step, "division"), number) if divides else None

    def charge(self, step: str, trainings: float) -> None:
        """Note what a step cost in all, in trainings of all-shared."""
        known = self.folder.state().get("trainings", {})
        self.folder.note(trainings={**known, step: round(trainings, 3)})

    def train(self, steps: int | None) -> TrainOptions:
        """Training options with another number of steps, where one is given."""
        return self.config.train if steps is None else self.config.train.model_copy(update={"steps": steps})


def run_all(job: Job, step: str, specs: Sequence[TrialSpec]) -> list[TrialResult]:
    """Train ``specs``, told as a step of its own; results in their order."""
    job.progress.begin(step, len(specs))
    return job.crew.all(specs, counting(job))


def counting(job: Job) -> Callable[[TrialResult], None]:
    """Tells the progress how many results are in."""
    n_done = itertools.count(1)
    return lambda _: job.progress.advance(next(n_done))
