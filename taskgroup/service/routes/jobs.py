"""Jobs: submit, list, look at, edit, delete."""

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, ValidationError

from taskgroup.core.task import Frozen
from taskgroup.core.validation import sentences
from taskgroup.service.bodies import JSON, YAML, read_document
from taskgroup.service.model import MAX_PRIORITY, Job, JobState
from taskgroup.service.refusal import RefusedError, documented
from taskgroup.service.routes.common import LARGEST, Here, JobName, ThisJob, content
from taskgroup.service.security.configs import posted_config
from taskgroup.service.views import JobEdit, JobList, JobView

router = APIRouter(tags=["jobs"])

CONFIG = {"$ref": "#/components/schemas/Config"}


class SubmitQuery(Frozen):
    """How a job is queued.

    Attributes:
        priority: Higher is run first.
        workers: Trials at once; by default the server's number.
    """

    priority: int = Field(default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    workers: int | None = Field(default=None, ge=1, le=4096)


class ListQuery(Frozen):
    """Which jobs.

    Attributes:
        state: Only those in one of these states.
        search: Only those whose name contains this, in whatever case.
        limit: At most so many.
        offset: After so many.
    """

    state: tuple[JobState, ...] = ()
    search: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9._-]*$")
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=LARGEST)


@router.post(
    "/api/jobs",
    status_code=202,
    response_model=JobView,
    responses={
        200: {"model": JobView, "description": "Such a job is there already"},
        **documented(408, 409, 413, 415, 422),
    },
    openapi_extra={"requestBody": {"required": True, "content": content(JSON, *YAML, schema=CONFIG)}},
)
async def submit_job(
    request: Request, response: Response, context: Here, query: Annotated[SubmitQuery, Query()]
) -> JobView:
    """Queue a job: its body is the config. The same config under the same name is the same job."""
    data = await read_document(request, (JSON, *YAML))

    def submit() -> tuple[JobView, bool]:
        config = posted_config(data, context.settings)
        job, created = context.store.submit(config, priority=query.priority, workers=query.workers)
        return context.view(job), created

    view, created = await to_thread.run_sync(submit)
    response.status_code = 202 if created else 200
    return view


@router.get("/api/jobs", responses=documented(422))
def list_jobs(context: Here, query: Annotated[ListQuery, Query()]) -> JobList:
    """Jobs, newest first."""
    last = context.hub.last  # before the list is read: what happens between comes again
    found, total = context.store.jobs(query.state, query.search, query.limit, query.offset)
    return JobList(jobs=context.views(found), total=total, last_event=last)


@router.get("/api/jobs/{job}", responses=documented(404, 422))
def get_job(context: Here, job: ThisJob) -> JobView:
    """A job as it stands."""
    return context.view(job)


@router.get("/api/jobs/{job}/config", responses=documented(404, 422))
def get_config(job: ThisJob) -> dict[str, Any]:
    """What was asked for, complete with defaults."""
    return job.config


@router.patch(
    "/api/jobs/{job}",
    responses=documented(404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": {"required": True, "content": content(JSON, schema=JobEdit.model_json_schema())}},
)
async def edit_job(request: Request, context: Here, job: JobName) -> JobView:
    """Change budget, trials at once or priority; a running job heeds it."""
    data = await read_document(request, (JSON,))
    try:
        edit = JobEdit.model_validate(data)
    except ValidationError as error:
        raise RefusedError(422, sentences(error, JobEdit, "body")) from None

    def apply() -> Job:
        return context.store.edit(job, trials=edit.trials, workers=edit.workers, priority=edit.priority)

    return await to_thread.run_sync(lambda: context.view(apply()))


@router.delete("/api/jobs/{job}", status_code=204, responses=documented(404, 409, 422))
def delete_job(context: Here, job: JobName) -> None:
    """Forget a job that is not running, its events, its study and its files."""
    context.store.delete(job)
    if context.settings.storage is not None:
        from taskgroup.search.storage import forget_studies  # Optuna takes a second to load

        forget_studies(context.settings.storage.get_secret_value(), job)
    context.artefacts.remove(job)
