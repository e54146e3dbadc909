"""The app: routes behind the gate, and errors of one shape."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from taskgroup import __version__
from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.config import Config
from taskgroup.service.artefacts import Artefacts
from taskgroup.service.context import Context, Runs
from taskgroup.service.hub import Hub
from taskgroup.service.metrics import Measured, Metrics
from taskgroup.service.refusal import RefusedError, answer
from taskgroup.service.routes import ROUTERS
from taskgroup.service.routes.page import static
from taskgroup.service.security.gate import LOG, Gate
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore, NoSuchJobError
from taskgroup.service.uploads import Uploads

SUMMARY = "Plan which tasks share a network: jobs, their events, and what they found."


def create_app(settings: Settings, store: JobStore, scheduler: Runs | None = None) -> FastAPI:
    """The app of one server.

    Args:
        settings: Of the server.
        store: Of the jobs.
        scheduler: Runs them; None where other servers do. Starting and stopping it is the caller's.
    """
    metrics = Metrics()
    hub = Hub(store, metrics)
    app = FastAPI(
        title="taskgroup",
        summary=SUMMARY,
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # those pages fetch scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.context = Context(settings, store, scheduler, hub, metrics, Artefacts(settings.jobs), Uploads(settings))
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", static, "static")
    _add_handlers(app)
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(Measured, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI's documents tell one to
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.context.hub
    await hub.start()
    reader = asyncio.create_task(hub.run())
    yield
    hub.close()
    reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return answer(error.status, error.problems, error.headers)

    @app.exception_handler(NoSuchJobError)
    async def no_such_job(_: Request, error: NoSuchJobError) -> Response:
        return answer(404, error.problems)

    @app.exception_handler(InputError)
    async def faulty(_: Request, error: InputError) -> Response:
        return answer(422, error.problems)

    @app.exception_handler(ConflictError)
    async def conflict(_: Request, error: ConflictError) -> Response:
        return answer(409, [line.strip() for line in str(error).splitlines()])

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(422, [_sentence(fault) for fault in error.errors()])

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return answer(404, [f"there is nothing at {request.url.path[:200]}"])
        if error.status_code == 405:
            allowed = ", ".join(_methods(request.url.path)) or "GET"
            return answer(405, [f"{request.url.path[:200]} takes {allowed}"], {"Allow": allowed})
        return answer(error.status_code, [str(error.detail)], error.headers)

    @app.exception_handler(SQLAlchemyError)
    async def no_database(_: Request, error: SQLAlchemyError) -> Response:
        LOG.error("the database does not answer: %s", error)
        return answer(503, ["the database does not answer; try again in a moment"], {"Retry-After": "5"})


def _methods(path: str) -> list[str]:
    """What a path takes, over all routes: the router tells of the first alone."""
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})


def _sentence(fault: Any) -> str:
    place, *names = (str(part) for part in fault["loc"])
    found = f", found `{str(fault['input'])[:100]}`" if fault["type"] != "missing" else ""
    return f"{place} `{'.'.join(names)}`: {fault['msg'][:1].lower()}{fault['msg'][1:]}{found}"


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema, with that of configs, which routes read themselves."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        config = Config.model_json_schema(ref_template="#/components/schemas/{model}")
        inner = config.pop("$defs")
        schema["components"]["schemas"] |= {**inner, "Config": config}
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{}, {"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema
