"""optuna-dashboard beside the server, on a loopback port of its own, where it can change nothing."""

import socketserver
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from taskgroup.errors import InputError
from taskgroup.service.security.doors import host_name
from taskgroup.service.settings import is_loopback

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"), ("Allow", "GET, HEAD")]


def reading_only(app: Wsgi) -> Wsgi:
    """``app`` for requests that read, by programs and pages of this machine."""

    def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start("405 Method Not Allowed", HEADERS)
            return [b"this dashboard may only read\n"]
        host = host_name(environ.get("HTTP_HOST", ""))
        if host is None or not is_loopback(host):
            start("421 Misdirected Request", HEADERS)
            return [b"this dashboard is for this machine alone\n"]
        return app(environ, start)

    return guarded


class Dashboard:
    """Shows the studies of one database.

    Args:
        storage: Its URL.

    Raises:
        InputError: optuna-dashboard is missing, or there is no such database.
    """

    def __init__(self, storage: str) -> None:
        try:
            from optuna_dashboard import wsgi  # type: ignore[import-untyped]
        except ImportError as error:
            raise InputError(
                f'--dashboard: needs optuna-dashboard ({error}); run: pip install "taskgroup-mtl[dashboard]"'
            ) from error
        from taskgroup.search.storage import open_storage

        app = reading_only(wsgi(open_storage(storage, Path())))
        self._server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, name="dashboard", daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request, none of which keeps the server from ending."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
