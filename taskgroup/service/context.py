"""What the routes of one server share."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import Request

from taskgroup.service.artefacts import Artefacts
from taskgroup.service.hub import Hub
from taskgroup.service.metrics import Metrics
from taskgroup.service.model import Job, JobState
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore
from taskgroup.service.uploads import Uploads
from taskgroup.service.views import JobView, job_view


class Runs(Protocol):
    """The part of the scheduler that routes ask."""

    @property
    def is_alive(self) -> bool:
        """Whether it takes jobs."""
        ...

    @property
    def alive(self) -> Mapping[str, int]:
        """Trials under way of each job that it runs."""
        ...


@dataclass(frozen=True)
class Context:
    """Attributes: what there is one of in a server; ``scheduler`` is None where it runs no jobs itself."""

    settings: Settings
    store: JobStore
    scheduler: Runs | None
    hub: Hub
    metrics: Metrics
    artefacts: Artefacts
    uploads: Uploads

    def view(self, job: Job) -> JobView:
        """A job as the routes show it."""
        is_running = job.state is JobState.RUNNING
        n_alive = self.scheduler.alive.get(job.name, 0) if self.scheduler is not None and is_running else 0
        seconds = self.hub.pace.seconds_left(job.name, time.time()) if is_running else None
        outcome = self.artefacts.outcome(job) if job.state is JobState.DONE else None
        return job_view(job, n_alive, seconds, outcome)

    def views(self, jobs: Sequence[Job]) -> tuple[JobView, ...]:
        """Several jobs."""
        return tuple(self.view(job) for job in jobs)


def context_of(request: Request) -> Context:
    """The context of the app that a request came to."""
    context: Context = request.app.state.context
    return context
