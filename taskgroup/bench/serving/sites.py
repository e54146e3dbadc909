"""Where faults strike: a server with its database and its workers, in the two set-ups that are tried."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from taskgroup.bench.serving import postgres, ray_nodes
from taskgroup.bench.serving.postgres import PostgresServer, private_postgres
from taskgroup.bench.serving.processes import is_stopped, named, parent_of
from taskgroup.bench.serving.ray_nodes import Nodes
from taskgroup.bench.serving.server import WORKER, Server

TITLE = "ray::taskgroup-search-"
"""Ray calls a worker's process after its task."""


class Site(Protocol):
    """A set-up."""

    server: Server
    killed: str
    """Pattern of the reason in the log when a worker was killed."""

    def workers(self) -> list[int]:
        """Processes that do trials now, without those that were stopped."""
        ...


class Plain:
    """SQLite files and worker processes of the server's machine."""

    killed = "ended by SIGKILL"

    def __init__(self, server: Server) -> None:
        self.server = server

    def workers(self) -> list[int]:
        """Below server, fork server, runner and nursery."""
        return [pid for pid in self.server.below(WORKER) if not is_stopped(pid)]

    def lock_databases(self, job: str, seconds: float) -> None:
        """Hold the lock of writers on jobs and study: as good as a restart, which SQLite does not have."""
        paths = [self.server.root / "service.db", self.server.root / "jobs" / job / "study.db"]
        with contextlib.ExitStack() as stack:
            for path in paths:
                connection = stack.enter_context(contextlib.closing(sqlite3.connect(path, timeout=30.0)))
                connection.isolation_level = None
                connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)


class Spread:
    """PostgreSQL, and workers on the nodes of a Ray cluster."""

    killed = "its worker died"

    def __init__(self, server: Server, database: PostgresServer, nodes: Nodes, cache: Path) -> None:
        self.server, self.database, self.nodes, self._cache = server, database, nodes, cache

    def workers(self) -> list[int]:
        """Those that have a folder for a trial: they are done with loading torch, which is not the trial's time."""
        begun = [int(path.name.split("-")[1]) for path in self._cache.glob("*/trial-*")]
        return [pid for pid in named(TITLE) if pid in begun and not is_stopped(pid)]

    def remove_node(self) -> None:
        """One that is in the middle of a trial."""
        for pid in self.workers():
            raylet = parent_of(pid)
            if raylet is not None:
                self.nodes.remove_above(raylet)
                return
        raise ProcessLookupError("no node has a trial just now")


@contextlib.contextmanager
def plain(folder: Path, options: Sequence[str]) -> Iterator[Plain]:
    """Not started yet."""
    yield Plain(Server(folder / "root", *options))


@contextlib.contextmanager
def spread(folder: Path, options: Sequence[str], n_nodes: int) -> Iterator[Spread]:
    """Database and cluster run, the server does not yet."""
    cache = folder / "nodes"
    cache.mkdir(exist_ok=True)
    with private_postgres() as database, ray_nodes.ray_nodes(n_nodes, cache) as nodes:
        words = ["--executor", "ray", "--address", nodes.address]
        yield Spread(Server(folder / "root", *options, *words, storage=database.url()), database, nodes, cache)


def missing_for_spread() -> str:
    """What a cluster over PostgreSQL would need, in words; empty where it is all there."""
    return "; ".join(words for words in (postgres.missing(), ray_nodes.missing()) if words)
