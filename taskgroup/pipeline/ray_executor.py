"""Trials as tasks of a Ray cluster, whose nodes share no files with the job."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskgroup import __version__
from taskgroup.core.trial import TrialSpec
from taskgroup.errors import UnreachableError
from taskgroup.pipeline.executors import Ended, over_limit
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.parcels import Parcel, pack, unpack
from taskgroup.pipeline.ray_cluster import RayCluster, in_words
from taskgroup.pipeline.ray_work import do_trial

TICK_S = 1.0
"""Between two looks at the head, the limits and what waits."""
LOAD_S = 120.0
"""So long a worker may take to load torch, beyond the trial's limit."""
PATIENCE_S = 240.0
"""So long a trial waits for a node that it fits on, which a cluster that grows may be starting, or for a first word."""
N_SHIPPED = 8
"""Parcels of weights that are held in the object store."""


@dataclass
class _UnderWay:
    """A task.

    Attributes:
        spec: Its trial.
        stream: What it yields.
        handed: When it was handed to the cluster.
        place: Where it runs; empty before it began.
        deadline: When it has to be over.
        n_heard: How often it yielded.
    """

    spec: TrialSpec
    stream: Any
    handed: float
    place: str = ""
    deadline: float = math.inf
    n_heard: int = 0


class RayExecutor:
    """One task per trial attempt; what a trial needs is sent once to each node, what it gives is kept in the folder.

    Args:
        folder: The job's folder, which the controller alone reads from and writes to.
        capacity: Trials under way at once; None for as many as the cluster has room for, however it grows or shrinks.
        address: ``auto`` (also None) or ``HOST:PORT`` of the cluster's head.
        num_gpus: Of each trial; fractions share a GPU.
        limit_s: Wall time of a trial from its begin on a worker, after which that is killed.

    Raises:
        InputError: Ray is not installed, or the address is none.
        UnreachableError: There is no cluster, or it does not let us in.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int | None = None,
        address: str | None = None,
        num_gpus: float = 0.0,
        limit_s: float | None = None,
    ) -> None:
        self._folder = Folder(folder)
        self._asked, self._num_gpus, self._limit_s = capacity, num_gpus, limit_s
        self._cluster = RayCluster(address)
        self._ray = self._cluster.ray
        self._task = self._ray.remote(do_trial)
        self._threads = 1
        self._under_way: dict[str, _UnderWay] = {}
        self._ended: list[Ended] = []
        self._shipped: dict[str, tuple[str, Any]] = {}

    @property
    def capacity(self) -> int:
        """As asked for, or what the cluster has room for just now."""
        return self._asked or self._cluster.room(self._threads, self._num_gpus)

    def submit(self, spec: TrialSpec) -> None:
        """Hand a trial to the cluster; it begins when there is room."""
        self._threads = spec.train.threads
        try:
            parcels = [self._ship(name) for name in ("data", *_needs(spec, self._folder))]
            task = self._task.options(
                name=f"taskgroup-{spec.step}-{spec.key}",
                num_returns="streaming",
                max_retries=0,
                num_cpus=self._threads,
                num_gpus=self._num_gpus,
            )
            stream = task.remote(spec.model_dump_json(), parcels, __version__)
        except self._ray.exceptions.RayError as error:
            self._ended.append(Ended(spec.key, in_words(error, "")))
        else:
            self._under_way[spec.key] = _UnderWay(spec, stream, time.monotonic())

    def _ship(self, name: str) -> tuple[str, Any]:
        """Digest and reference of the job's data, or of a file of weights, in the object store."""
        if name not in self._shipped:
            root = self._folder.path
            files = sorted(f"data/{path.name}" for path in (root / name).iterdir()) if name == "data" else [name]
            parcel = pack(root, files)
            self._shipped[name] = parcel.digest, self._ray.put(parcel.content)
            weights = [other for other in self._shipped if other != "data"]
            for old in weights[:-N_SHIPPED]:
                del self._shipped[old]  # tasks that need it hold it themselves
        return self._shipped[name]

    def wait(self, timeout_s: float | None = None) -> list[Ended]:
        """Block until a trial is over, well or not, or has to be.

        Raises:
            UnreachableError: The cluster's head has been out of reach for too long, or this machine has left it.
        """
        until = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
        while True:
            self._look(max(0.0, min(TICK_S, until - time.monotonic())))
            if self._ended or time.monotonic() >= until:
                ended, self._ended = self._ended, []
                return ended

    def _look(self, timeout_s: float) -> None:
        """Take what is there; end what is too late."""
        by_stream = {under_way.stream: key for key, under_way in self._under_way.items()}
        if by_stream and not self._ended:
            try:
                ready, _ = self._ray.wait(list(by_stream), num_returns=1, timeout=timeout_s)
            except self._ray.exceptions.RayError as error:
                raise UnreachableError(f"ray: the connection to the cluster broke: {error}") from error
            for stream in ready:
                self._take(by_stream[stream])
        self._cluster.check()
        for key, reason in list(self._overdue()):
            self._cancel(self._under_way.pop(key))
            self._ended.append(Ended(key, reason))
        for key in self._silent():
            task = self._under_way.pop(key)
            self._cancel(task)
            self.submit(task.spec)

    def _take(self, key: str) -> None:
        """The next word of a task."""
        task = self._under_way[key]
        try:
            content = self._ray.get(next(task.stream))
        except self._ray.exceptions.RayError as error:
            if isinstance(error, self._ray.exceptions.ObjectLostError):
                self._shipped.clear()  # the next attempt brings it again
            self._end(key, in_words(error, task.place))
        except StopIteration:
            self._end(key, f"its worker left no result ({task.place})")
        else:
            task.n_heard += 1
            self._hear(key, task, content)

    def _hear(self, key: str, task: _UnderWay, content: bytes) -> None:
        limit_s = math.inf if self._limit_s is None else self._limit_s
        if task.n_heard == 1:
            task.place, task.deadline = content.decode(), time.monotonic() + limit_s + LOAD_S
        elif task.n_heard == 2:
            task.deadline = time.monotonic() + limit_s
        else:
            unpack(Parcel(content), self._folder.path)
            self._end(key, None)

    def _end(self, key: str, reason: str | None) -> None:
        del self._under_way[key]
        self._ended.append(Ended(key, reason))

    def _overdue(self) -> Iterator[tuple[str, str]]:
        """Keys of tasks that are to be ended, and why."""
        now = time.monotonic()
        for key, task in self._under_way.items():
            if now >= task.deadline:
                yield key, f"{over_limit(self._limit_s or 0.0)} ({task.place})"
            elif not task.place and now - task.handed > PATIENCE_S:
                threads = task.spec.train.threads
                if not self._cluster.can_ever_run(threads, self._num_gpus):
                    needs = f"{threads} CPUs" + (f" and {self._num_gpus:g} GPUs" if self._num_gpus else "")
                    yield key, f"no node of the cluster has {needs}, which it waited {PATIENCE_S:g} s for"

    def _silent(self) -> list[str]:
        """Keys of tasks to hand in again: of them no word came.

        Whether such a task waits for room or hangs in a worker that came not even to its first word (stopped, or
        loading from a disk that is gone) is not to be known. The first loses nothing by it, the second is freed.
        """
        before = time.monotonic() - PATIENCE_S - (math.inf if self._limit_s is None else self._limit_s)
        return [key for key, task in self._under_way.items() if not task.place and task.handed < before]

    def _cancel(self, task: _UnderWay) -> None:
        """Kill its worker; one that was stopped is killed by its node a few seconds later."""
        with contextlib.suppress(self._ray.exceptions.RayError, ConnectionError):
            self._ray.cancel(task.stream, force=True)

    def close(self) -> None:
        """End what is under way, and leave the cluster."""
        if self._cluster.is_reachable:
            for task in self._under_way.values():
                self._cancel(task)
        self._under_way.clear()
        self._shipped.clear()
        self._cluster.close()


def _needs(spec: TrialSpec, folder: Folder) -> list[str]:
    """Files of the job, beside its data, that a trial reads; it says itself what is missing."""
    names = [f"trials/{key}.safetensors" for key in (spec.weights, spec.fork) if key is not None]
    return [name for name in names if (folder.path / name).exists()]
