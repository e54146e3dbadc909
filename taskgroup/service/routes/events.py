"""Events: as a list, or as a stream that goes on."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.service.context import Context
from taskgroup.service.negotiation import preferred
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import Here, ThisJob, content
from taskgroup.service.views import EventList

router = APIRouter(tags=["events"])

JSON, STREAM = "application/json", "text/event-stream"
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": EventList, "description": "A list, or a stream as Accept asks", "content": content(STREAM)},
    **documented(404, 406, 422),
}


class EventQuery(Frozen):
    """Which events.

    Attributes:
        after: Only those with a larger id; the header Last-Event-ID says the same of a stream that goes on.
        limit: At most so many, in a list.
    """

    after: int = Field(default=0, ge=0, lt=10**18)
    limit: int = Field(default=1000, ge=1, le=1000)


Accept = Annotated[str, Header(include_in_schema=False)]
LastId = Annotated[
    str,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{0,18}$", description="Id of the last event that the client has."),
]


@router.get("/api/jobs/{job}/events", response_class=Response, responses=RESPONSES)
async def job_events(
    context: Here, job: ThisJob, query: Annotated[EventQuery, Query()], accept: Accept = "", last_event_id: LastId = ""
) -> Response:
    """What happened to a job. A stream ends when the job is over."""
    return await _events(context, job.name, query, accept, last_event_id)


@router.get("/api/events", response_class=Response, responses=RESPONSES)
async def all_events(
    context: Here, query: Annotated[EventQuery, Query()], accept: Accept = "", last_event_id: LastId = ""
) -> Response:
    """What happened to all jobs. A stream ends when the server stops."""
    return await _events(context, None, query, accept, last_event_id)


async def _events(context: Context, job: str | None, query: EventQuery, accept: str, last_id: str) -> Response:
    kind = preferred(accept, (JSON, STREAM))
    if kind is None:
        raise RefusedError(406, f"Accept should allow {JSON} or {STREAM}, found `{accept[:100]}`")
    after = max(query.after, int(last_id or 0))
    if kind == STREAM:
        return EventSourceResponse(_lines(context, job, after), headers={"X-Accel-Buffering": "no"})
    found = await to_thread.run_sync(context.store.events, job, after, query.limit)
    return JSONResponse(EventList(events=tuple(found)).model_dump(mode="json"))


async def _lines(context: Context, job: str | None, after: int) -> AsyncIterator[bytes]:
    yield KEEPALIVE_COMMENT  # the client sees at once that the stream is open
    async with aclosing(context.hub.follow(job, after)) as events:
        async for event in events:
            if event is None:
                yield KEEPALIVE_COMMENT
            else:
                yield format_sse_event(data_str=event.model_dump_json(), event=event.kind, id=str(event.id))
