"""A server process: app, scheduler and, where asked for, optuna-dashboard, until a signal ends them."""

import ipaddress
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from taskgroup.core.text import plural
from taskgroup.errors import InputError
from taskgroup.service.app import create_app
from taskgroup.service.dashboard import Dashboard
from taskgroup.service.model import JobState
from taskgroup.service.scheduler import Scheduler
from taskgroup.service.settings import Settings, check_address
from taskgroup.service.store import JobStore

GRACE_S = 10
"""So long requests may go on when the server is to stop; streams are ended at once."""
KEEP_ALIVE_S = 75
"""So long a connection may lie unused. Clients close theirs sooner (httpx after 5 s): were
the server first, a request that is just on its way would be lost."""


class StoppableServer(uvicorn.Server):
    """Ends streams when a signal comes, and ends well: uvicorn's own raises the signal again.

    Args:
        app: Made by :func:`~taskgroup.service.app.create_app`.
    """

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        super().__init__(config)
        self._on_exit: Callable[[], None] = app.state.context.hub.close

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        del sig, frame
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """Take no more requests, end streams, finish what is under way."""
        self.should_exit = True
        self._on_exit()


def database_url(data_root: Path, storage: str | None) -> str:
    """Of the jobs: the operator's, or SQLite under the data root."""
    return storage or f"sqlite:///{data_root.resolve() / 'service.db'}"


def serve(
    settings: Settings, store: JobStore, scheduler: Scheduler, dashboard: Dashboard | None, say: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; then jobs in hand are put back, to go on when a server is there again.

    Args:
        settings: Of the server.
        store: Of the jobs.
        scheduler: Runs them; started and stopped here.
        dashboard: Likewise; None for none.
        say: Is told the addresses, once they can be called, and at the end what is left to do.

    Raises:
        InputError: The address needs a token, or cannot be had.
    """
    check_address(settings)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    listener = listen(settings)
    app = create_app(settings, store, scheduler)
    server = StoppableServer(app)
    scheduler.start()
    try:
        if dashboard is not None:
            dashboard.start()
            say(f"optuna-dashboard, read-only: {dashboard.url}")
        say(f"taskgroup serves {settings.data_root} at {address(settings.host, listener)}")
        server.run([listener])
    finally:
        listener.close()
        if dashboard is not None:
            dashboard.stop()
        scheduler.stop()
    _, n_waiting = store.jobs((JobState.QUEUED, JobState.RUNNING), limit=1)
    say("stopped" + (f"; {plural(n_waiting, 'job')} to go on when it is started again" if n_waiting else ""))


def address(host: str, listener: socket.socket) -> str:
    """What to open in a browser; the machine's name where it listens on all its addresses."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    name = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def listen(settings: Settings) -> socket.socket:
    """A socket that takes connections, before anything else is started: a port that is taken costs nothing.

    Raises:
        InputError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        where = f"--host {settings.host} --port {settings.port}"
        raise InputError(f"{where}: cannot be listened on: {error.strerror}; give others (--port 0: any)") from None
    # Inherited by connections. asyncio, which would set it, does not know a socket of protocol 0 for TCP; without it
    # the second packet of an answer waits 40 ms for the client to confirm the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
