"""Results as data: affinity, proposals, trials, front."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.service.fronts import pareto
from taskgroup.service.live import live_trials
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import LARGEST, Here, ThisJob
from taskgroup.service.views import AffinityView, ParetoView, ProposalsView, TrialList

router = APIRouter(tags=["results"])


class TrialQuery(Frozen):
    """Which trials.

    Attributes:
        limit: At most so many.
        offset: After so many.
    """

    limit: int = Field(default=1000, ge=1, le=10_000)
    offset: int = Field(default=0, ge=0, le=LARGEST)


class AffinityQuery(Frozen):
    """Which stages.

    Attributes:
        stage: Name of one; all by default.
    """

    stage: str | None = Field(default=None, max_length=200)


@router.get("/api/jobs/{job}/affinity", responses=documented(404, 422))
def get_affinity(context: Here, job: ThisJob, query: Annotated[AffinityQuery, Query()]) -> AffinityView:
    """How training one task moves another, per stage or at one; there as soon as it is measured."""
    return context.artefacts.affinity(job, query.stage)


@router.get("/api/jobs/{job}/proposals", responses=documented(404, 422))
def get_proposals(context: Here, job: ThisJob) -> ProposalsView:
    """Groupings that the affinity speaks for."""
    return context.artefacts.proposals(job)


@router.get("/api/jobs/{job}/trials", responses=documented(404, 422))
def get_trials(context: Here, job: ThisJob, query: Annotated[TrialQuery, Query()]) -> TrialList:
    """The trials of the search; while it goes on, what their events tell."""
    try:
        rows = context.artefacts.rows(job)
        page = rows[query.offset : query.offset + query.limit]
        return TrialList(trials=page, total=len(rows))
    except RefusedError:
        told = live_trials(context.store, job.name)
        return TrialList(trials=told[query.offset : query.offset + query.limit], total=len(told))


@router.get("/api/jobs/{job}/pareto", responses=documented(404, 422))
def get_pareto(context: Here, job: ThisJob) -> ParetoView:
    """Gain against cost with the topology of every trial; there as soon as the search is over."""
    rows = context.artefacts.rows(job)
    try:
        spec = context.artefacts.spec(job)
    except RefusedError:
        spec = None
    return ParetoView(points=pareto(rows, spec))
