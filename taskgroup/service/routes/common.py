"""Types of parameters, and what several routes need."""

from typing import Annotated, Any

from fastapi import Depends, Path

from taskgroup.core.validation import NAME_PATTERN
from taskgroup.service.context import Context, context_of
from taskgroup.service.model import Job
from taskgroup.service.security.names import MAX_NAME

Here = Annotated[Context, Depends(context_of)]

JobName = Annotated[str, Path(pattern=NAME_PATTERN, max_length=MAX_NAME, description="Name of the job.")]

LARGEST = 2**31 - 1
"""Of numbers that go into a database; every one takes so many."""


def job_of(context: Here, job: JobName) -> Job:
    """The job that a path names."""
    return context.store.get(job)


ThisJob = Annotated[Job, Depends(job_of)]


def content(*types: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ``content`` of a response or body in OpenAPI."""
    return {kind: {"schema": {"type": "string"} if schema is None else schema} for kind in types}
