"""Uploads: tables into the data folder."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from taskgroup.service.bodies import FORMS, content_type, limited
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import Here
from taskgroup.service.views import UploadList, UploadView

router = APIRouter(tags=["uploads"])

BINARY = {"schema": {"type": "string", "format": "binary"}}


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


@router.get("/api/uploads", responses=documented())
def list_uploads(context: Here) -> UploadList:
    """Tables that a config may name, with their columns."""
    return context.uploads.listed()
