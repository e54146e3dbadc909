"""The gate: every request passes it, every answer is dressed by it, and no error leaves it undressed."""

import logging

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskgroup.service.refusal import RefusedError, answer
from taskgroup.service.security.doors import check_doors
from taskgroup.service.security.headers import dress
from taskgroup.service.settings import Settings

LOG = logging.getLogger("taskgroup.service")


class Gate:
    """ASGI middleware.

    Args:
        app: What lies behind.
        settings: Of the server.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                dress(MutableHeaders(scope=message), scope["path"])
            await send(message)

        try:
            check_doors(HTTPConnection(scope), self._settings)
            await self._app(scope, receive, dressed)
        except RefusedError as refusal:
            await answer(refusal.status, refusal.problems, refusal.headers)(scope, receive, dressed)
        except ClientDisconnect:
            LOG.info("%s %r: the client went before its request was whole", scope["method"], scope["path"])
        except Exception:
            LOG.exception("%s %r failed", scope["method"], scope["path"])
            if begun:
                raise
            text = "the server failed at this request; its log says why"
            await answer(500, [text])(scope, receive, dressed)
