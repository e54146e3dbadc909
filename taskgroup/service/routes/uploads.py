"""Uploads: tables into the data folder."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from taskgroup.core.validation import NAME_PATTERN
from taskgroup.service.bodies import FORMS, content_type, limited
from taskgroup.service.model import Job, JobState
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import Here
from taskgroup.service.security.configs import tables_of
from taskgroup.service.security.names import MAX_NAME
from taskgroup.service.store import JobStore
from taskgroup.service.views import ColumnList, UploadList, UploadView

router = APIRouter(tags=["uploads"])

BATCH = 200
BINARY = {"schema": {"type": "string", "format": "binary"}}
ThisTable = Annotated[str, Path(pattern=NAME_PATTERN, max_length=MAX_NAME, description="Name of the table.")]


@router.post(
    "/api/uploads",
    status_code=201,
    responses={
        200: {"model": UploadView, "description": "The same table is there already"},
        **documented(408, 409, 413, 415, 422, 507),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}},
)
async def upload_table(
    request: Request,
    response: Response,
    context: Here,
    name: Annotated[str, Query(max_length=200, description="Name of the file: .csv, .parquet or .npz.")],
) -> UploadView:
    """Keep a table: the body is the file. In a config its path is ``uploads/NAME`` with the name in the answer."""
    kind = content_type(request)
    if kind in FORMS:
        raise RefusedError(415, f"Content-Type should be application/octet-stream, or the table's own, found `{kind}`")
    view, created = await context.uploads.keep(name, limited(request, context.settings.max_upload_bytes))
    response.status_code = 201 if created else 200
    return view


@router.get("/api/uploads/{name}/columns", responses=documented(404, 422))
def list_columns(context: Here, name: ThisTable) -> ColumnList:
    """What the columns of a table look like in its first rows: which kind of task they could be, and which inputs."""
    return context.uploads.columns(name)


@router.delete("/api/uploads/{name}", status_code=204, responses=documented(404, 409, 422))
def delete_upload(context: Here, name: ThisTable) -> None:
    """Remove a table that no job needs which is not done."""
    job = next((job for job in _unfinished(context.store) if f"uploads/{name}" in tables_of(job.config)), None)
    if job is not None:
        raise RefusedError(409, f"`{name}` is needed by job `{job.name}`, which is {job.state}; delete the job first")
    context.uploads.remove(name)


def _unfinished(store: JobStore) -> Iterator[Job]:
    states = [state for state in JobState if state is not JobState.DONE]
    n_seen = 0
    while found := store.jobs(states, "", BATCH, n_seen)[0]:
        yield from found
        n_seen += len(found)


@router.get("/api/uploads", responses=documented())
def list_uploads(context: Here) -> UploadList:
    """Tables that a config may name, with their columns."""
    return context.uploads.listed()
