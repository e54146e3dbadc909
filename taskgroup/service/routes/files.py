"""Results as files: spec, report, exports, log."""

import json
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import FileResponse, StreamingResponse

from taskgroup.exporters import EXPORTERS
from taskgroup.service.downloads import check_format, chunks, export_file, export_text, exports, media_type
from taskgroup.service.logs import log_lines
from taskgroup.service.negotiation import preferred
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import Here, ThisJob, content
from taskgroup.service.security.headers import REPORT
from taskgroup.service.security.names import attachment
from taskgroup.service.views import ExportList

router = APIRouter(tags=["files"])

YAML, JSON = "application/yaml", "application/json"


@router.get(
    "/api/jobs/{job}/spec",
    response_class=Response,
    responses={
        200: {"description": "The spec", "content": {**content(YAML), **content(JSON, schema={"type": "object"})}},
        **documented(404, 406, 422),
    },
)
def get_spec(context: Here, job: ThisJob, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """The plan, ``taskgroup/spec/1``: YAML, or JSON where Accept asks for it."""
    kind = preferred(accept, (YAML, JSON))
    if kind is None:
        raise RefusedError(406, f"Accept should allow {YAML} or {JSON}, found `{accept[:100]}`")
    if kind == JSON:
        return Response(json.dumps(context.artefacts.spec(job).to_dict(), allow_nan=False), media_type=JSON)
    return FileResponse(context.artefacts.find(job, "spec.yaml", "the spec"), media_type=YAML)


@router.get(
    "/api/jobs/{job}/report",
    response_class=FileResponse,
    responses={200: {"description": "One HTML file", "content": content("text/html")}, **documented(404, 422)},
)
def get_report(context: Here, job: ThisJob) -> FileResponse:
    """The report, a page by itself that needs no network."""
    path = context.artefacts.find(job, "report.html", "the report")
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT})


@router.get("/api/jobs/{job}/exports", responses=documented(404, 422))
def list_exports(context: Here, job: ThisJob) -> ExportList:
    """Formats that the plan can be had in."""
    return exports(job, context.artefacts)


@router.get(
    "/api/jobs/{job}/exports/{format}",
    response_class=Response,
    responses={
        200: {"description": "A file, an archive where it is several", "content": content("application/octet-stream")},
        **documented(404, 422),
    },
)
def get_export(
    context: Here, job: ThisJob, format: Annotated[str, Path(max_length=100, description="Name of the format.")]
) -> Response:
    """The plan in another format."""
    check_format(format)
    if format in EXPORTERS.names:
        name = f"{job.name}-spec{EXPORTERS[format]().suffix}"
        return Response(
            export_text(job, context.artefacts, format), media_type=media_type(name), headers=attachment(name)
        )
    name, stream = export_file(job, context.artefacts, format)
    return StreamingResponse(chunks(stream), media_type=media_type(name), headers=attachment(f"{job.name}-{name}"))


@router.get(
    "/api/jobs/{job}/log",
    response_class=Response,
    responses={200: {"description": "A line for each event", "content": content("text/plain")}, **documented(404, 422)},
)
def get_log(context: Here, job: ThisJob) -> StreamingResponse:
    """The job's log: every change of state, step, retry and its reason."""
    return StreamingResponse(log_lines(context.store, job.name), media_type="text/plain; charset=utf-8")
