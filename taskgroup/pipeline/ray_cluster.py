"""The connection to a Ray cluster: how it is made, what there is, and its errors in words."""

import contextlib
import importlib
import importlib.util
import math
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from taskgroup.errors import InputError, UnreachableError

NO_RAY = "executor: ray needs the extra `ray`: pip install 'taskgroup-mtl[ray]'"
AUTO = "auto"
HEAD_GONE_S = 30.0
"""So long may the head be out of reach. Ray itself ends the whole process after 60 s, without a word to it."""
RESOURCES_S = 5.0
"""So long is believed what the cluster said it has."""
CONNECT_S = 5.0
PLACE = re.compile(r"([^\s:/@]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")
"""HOST:PORT."""
WORDS = {
    "OutOfMemoryError": "its node ran out of memory, and Ray ended its worker",
    "NodeDiedError": "its node was lost",
    "WorkerCrashedError": "its worker died",
    "TaskCancelledError": "somebody cancelled it in the cluster",
    "OutOfDiskError": "there is no room left for Ray's object store, in memory or on disk",
    "ObjectStoreFullError": "there is no room left in Ray's object store",
    "ObjectLostError": "Ray's object store lost what it needs or gave",
}
"""Names of Ray's exceptions, special ones before general ones, and what they mean for a trial."""
ABSENT = "failed to import on the worker"
"""What Ray says where it cannot load the function that it is to call."""


class RayCluster:
    """A connection to a running cluster; it is never started from here.

    Args:
        address: ``auto`` (``RAY_ADDRESS``, or a cluster on this machine) or ``HOST:PORT`` of the head.

    Attributes:
        ray: Ray's module.

    Raises:
        InputError: Ray is not installed, or the address is none.
        UnreachableError: There is no cluster, or it does not let us in.
    """

    def __init__(self, address: str | None) -> None:
        self.ray = ray_module()
        self._is_mine = not self.ray.is_initialized()
        if self._is_mine:
            _connect(self.ray, address or AUTO)
        self._head = self.ray.get_runtime_context().gcs_address
        self._seen = time.monotonic()
        self._resources: dict[str, float] = {}
        self._asked = -math.inf

    @property
    def is_reachable(self) -> bool:
        """Whether the head answered lately."""
        return time.monotonic() - self._seen < HEAD_GONE_S

    def check(self) -> None:
        """See whether the head is there.

        Raises:
            UnreachableError: It has not been for too long.
        """
        if listens(self._head):
            self._seen = time.monotonic()
        elif not self.is_reachable:
            raise UnreachableError(
                f"ray: the head of the cluster at {self._head} has been out of reach for {HEAD_GONE_S:g} s; "
                "the same command goes on once a cluster is there"
            )

    def room(self, n_cpus: int, n_gpus: float) -> int:
        """How many trials of such needs the whole cluster has room for, one at least."""
        if time.monotonic() - self._asked > RESOURCES_S and listens(self._head):  # without a head it would block
            self._resources, self._asked = self.ray.cluster_resources(), time.monotonic()
        return max(1, _fits(self._resources, n_cpus, n_gpus))

    def can_ever_run(self, n_cpus: int, n_gpus: float) -> bool:
        """Whether there is a node that such a trial fits on when nothing else runs."""
        if not listens(self._head):
            return True  # nobody knows
        return any(node["Alive"] and _fits(node["Resources"], n_cpus, n_gpus) for node in self.ray.nodes())

    def close(self) -> None:
        """Leave the cluster, if it was entered here."""
        if self._is_mine:
            self.ray.shutdown()


def _fits(resources: dict[str, float], n_cpus: int, n_gpus: float) -> int:
    by_cpu = int(resources.get("CPU", 0)) // n_cpus
    return by_cpu if not n_gpus else min(by_cpu, int(resources.get("GPU", 0) / n_gpus + 1e-9))


def ray_module() -> Any:
    """Ray.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError(NO_RAY) from None


def check_ray() -> None:
    """See that there is Ray, without loading it.

    Raises:
        InputError: It is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError(NO_RAY)


def _connect(ray: Any, address: str) -> None:
    known = os.environ.get("RAY_ADDRESS", AUTO) if address == AUTO else address
    _check_address(known)
    if known != AUTO and not listens(known):
        raise UnreachableError(f"address: no Ray cluster answers at {known}; should be `auto` or HOST:PORT of its head")
    try:
        with _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except ConnectionError as error:
        if known == AUTO:
            raise UnreachableError(
                "address: found no Ray cluster on this machine; start one with `ray start --head`, or give HOST:PORT"
            ) from error
        raise UnreachableError(
            f"address: the Ray cluster at {known} does not let us in; is it still starting, or is its token not the "
            "one in RAY_AUTH_TOKEN or ~/.ray/auth_token, or RAY_AUTH_MODE another?"
        ) from error
    except (RuntimeError, ValueError) as error:  # another version of Ray or Python, among others
        raise UnreachableError(f"address: the Ray cluster at {known} cannot be used: {_line(error)}") from error


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme and parts.netloc:
        raise InputError(
            f"address: {parts.scheme}:// is for Ray's client, which cannot tell when a trial begins; give HOST:PORT "
            "of the head on a machine of the cluster, or send the command there: ray job submit -- taskgroup run …"
        )
    if address != AUTO and PLACE.fullmatch(address) is None:
        raise InputError(f"address: should be `auto` or HOST:PORT of a Ray cluster's head, found {address}")


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def listens(address: str) -> bool:
    """Whether anything answers at ``HOST:PORT``."""
    place = PLACE.fullmatch(address)
    assert place is not None, address
    with contextlib.suppress(OSError), socket.create_connection((place[1].strip("[]"), int(place[2])), CONNECT_S):
        return True
    return False


def in_words(error: Exception, place: str) -> str:
    """Why a trial has no result.

    Args:
        error: What Ray raised.
        place: Where it ran; empty where it never began.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((words for name, words in WORDS.items() if name in names), None)
    cause = getattr(error, "cause", None) or error
    if known is None and ABSENT in str(cause):
        known = "its node has no taskgroup, or another one; install the same everywhere"
    elif known is None:
        known = f"its worker failed with {type(cause).__name__}: {_line(cause)}"
    return f"{known} ({place})" if place else known


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "without a word")
