"""The one shape of every error, and the exception that carries it."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.core.text import printable
from taskgroup.errors import TaskgroupError

MAX_PROBLEMS = 100
"""Sentences of one answer; a config with thousands of faults needs no more to be seen as faulty."""

MAX_LENGTH = 2000
"""Characters of one sentence, which may quote what the client sent."""


class ErrorDetail(Frozen):
    """What went wrong.

    Attributes:
        status: The HTTP status.
        title: Its name.
        problems: One sentence a fault: field or file, rule, what was found, remedy.
    """

    status: int = Field(ge=400, le=599)
    title: str
    problems: tuple[str, ...]


class ErrorBody(Frozen):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


class RefusedError(TaskgroupError, RuntimeError):
    """A request that is not granted.

    Args:
        status: HTTP status, 400 or more.
        problems: One sentence a fault.
        headers: Of the answer.
    """

    def __init__(self, status: int, problems: str | Iterable[str], headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.headers = dict(headers or {})
        super().__init__("\n".join(self.problems))


def answer(status: int, problems: Iterable[str], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response of an error."""
    found = [printable(problem)[:MAX_LENGTH] for problem in problems]
    if len(found) > MAX_PROBLEMS:
        found = [*found[:MAX_PROBLEMS], f"and {len(found) - MAX_PROBLEMS} more"]
    detail = ErrorDetail(status=status, title=HTTPStatus(status).phrase, problems=tuple(found))
    return JSONResponse(
        ErrorBody(error=detail).model_dump(mode="json"), status_code=status, headers=dict(headers or {})
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: those that every route may give, and ``statuses``."""
    always = (400, 401, 403, 421, 500)
    return {
        status: {"model": ErrorBody, "description": HTTPStatus(status).phrase}
        for status in sorted({*always, *statuses})
    }
