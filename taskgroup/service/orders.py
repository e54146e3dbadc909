"""Orders: what a runner is told when it is started, and what it and its server say to each other."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from taskgroup.core.task import Frozen

ExecutorName = Literal["local", "ray"]
Word = Literal["stop", "drain"]
"""From the server: put the job back at once, or when the trials under way have ended."""

LOST = 3
"""Exit code of a runner whose job is somebody else's."""


class Order(Frozen):
    """One run of one job.

    Attributes:
        url: Of the service's database.
        job: Name of the job.
        owner: Name of this run.
        data_root: Run directories are below its ``jobs``, and tables' paths start from it.
        workers: Trials at once, where the job does not say otherwise.
        executor: Who does the trials.
        address: Of the Ray cluster.
        gpus: Of the Ray cluster's GPUs, for one trial.
        storage: Database of the study; SQLite in the run directory where None.
        trial_limit_s: Wall time of a trial.
        lease_s: How long a lease holds.
    """

    url: str = Field(repr=False)
    job: str
    owner: str
    data_root: Path
    workers: int = Field(ge=1)
    executor: ExecutorName = "local"
    address: str | None = None
    gpus: float = Field(default=0.0, ge=0)
    storage: str | None = Field(default=None, repr=False)
    trial_limit_s: float | None = Field(default=None, gt=0)
    lease_s: float = Field(default=30.0, gt=0)

    @property
    def folder(self) -> Path:
        """Run directory."""
        return self.data_root / "jobs" / self.job


class Said(Frozen):
    """From the runner.

    Attributes:
        n_workers: Trials under way.
        reason: Why it ends before the job does; None while it goes on.
    """

    n_workers: int = 0
    reason: str | None = None
