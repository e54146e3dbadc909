"""Controls: pause, resume, cancel."""

from fastapi import APIRouter

from taskgroup.service.refusal import documented
from taskgroup.service.routes.common import Here, JobName
from taskgroup.service.views import JobView

router = APIRouter(tags=["jobs"])


@router.post("/api/jobs/{job}/pause", responses=documented(404, 409, 422))
def pause_job(context: Here, job: JobName) -> JobView:
    """Have a job stop; trials in hand are put back, what it has is kept."""
    return context.view(context.store.pause(job))


@router.post("/api/jobs/{job}/resume", responses=documented(404, 409, 422))
def resume_job(context: Here, job: JobName) -> JobView:
    """Have a job that was paused or cancelled, or has failed, go on where it stopped."""
    return context.view(context.store.resume(job))


@router.post("/api/jobs/{job}/cancel", responses=documented(404, 409, 422))
def cancel_job(context: Here, job: JobName) -> JobView:
    """End a job; its files stay."""
    return context.view(context.store.cancel(job))
