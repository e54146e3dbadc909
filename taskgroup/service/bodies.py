"""Bodies of requests, read as they come and no further than a limit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.documents import MAX_BYTES, read_json, read_yaml

PATIENCE_S = 60.0
"""How long a client may say nothing in the middle of a body."""

JSON = "application/json"
YAML = ("application/yaml", "application/x-yaml", "text/yaml")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""What a page of another site can send without being asked, so never taken for something else."""


def content_type(request: Request) -> str:
    """Media type of the body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_document(request: Request, types: tuple[str, ...]) -> Any:
    """The JSON or YAML of a body as plain data.

    Raises:
        RefusedError: 415 other types, 413 too much of it, 400 or 422 for its content.
    """
    kind = content_type(request)
    if kind not in types:
        found = f"found `{kind[:100]}`" if kind else "found none"
        raise RefusedError(415, f"Content-Type should be {' or '.join(types)}, {found}")
    body = b"".join([chunk async for chunk in limited(request, MAX_BYTES)])
    return read_json(body) if kind == JSON else await asyncio.to_thread(read_yaml, body)


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces.

    Raises:
        RefusedError: 413 beyond ``limit`` bytes, 408 where nothing comes any more.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:20]) > limit:
        raise _too_large(limit)
    taken, stream = 0, request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), PATIENCE_S)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RefusedError(408, f"body: nothing came for {PATIENCE_S:g} s") from None
        taken += len(chunk)
        if taken > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"body: should have at most {limit} bytes, found more", {"Connection": "close"})
