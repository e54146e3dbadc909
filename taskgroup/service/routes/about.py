"""About the service: schemas, and search spaces to begin with."""

from typing import Any, Literal

from fastapi import APIRouter

from taskgroup.pipeline.schema import json_schema
from taskgroup.service.refusal import documented
from taskgroup.service.spaces import spaces
from taskgroup.service.views import SpaceView

router = APIRouter(tags=["about"])


@router.get("/api/schema/{what}", responses=documented(422))
def get_schema(what: Literal["config", "spec"]) -> dict[str, Any]:
    """JSON Schema of configs, with the options of every method, or of specs."""
    return json_schema(what)


@router.get("/api/spaces", responses=documented())
def list_spaces() -> tuple[SpaceView, ...]:
    """Search spaces to begin with."""
    return spaces()
