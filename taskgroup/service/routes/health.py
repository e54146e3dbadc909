"""Health: for those who watch the server."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from taskgroup import __version__
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import Here, content
from taskgroup.service.views import Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/healthz", responses=documented())
async def healthz() -> Health:
    """Whether the server answers."""
    return Health(version=__version__)


@router.get("/readyz", responses=documented(503))
def readyz(context: Here) -> Readiness:
    """Whether jobs can be taken and are run."""
    faults = [] if context.store.is_ready() else ["the database does not answer"]
    scheduler = context.scheduler
    if scheduler is not None and not scheduler.is_alive:
        faults.append("the scheduler has stopped")
    if faults:
        raise RefusedError(503, faults)
    return Readiness(scheduler="none" if scheduler is None else "alive")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Figures for Prometheus", "content": content("text/plain")}, **documented()},
)
def metrics(context: Here) -> Response:
    """Figures for Prometheus."""
    return Response(context.metrics.text(context.store), media_type=CONTENT_TYPE_LATEST)
