"""An app over a store of its own, and jobs to ask it for."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.testclient import TestClient

from taskgroup.core.affinity import Affinity
from taskgroup.core.gain import Interval
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import SEPARATE, SHARED, CandidateTree, Proposal, Proposals, TrialRow
from taskgroup.core.spec import (
    AdapterSpec,
    Architecture,
    ArmEvidence,
    Cost,
    Evidence,
    Spec,
    TaskEvidence,
    TrunkSpec,
    Verdict,
)
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree
from taskgroup.exporters import save_spec
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.service.app import create_app
from taskgroup.service.model import JobState
from taskgroup.service.serve import StoppableServer, listen
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore

BASE = "http://127.0.0.1:8765"
CONFIG: dict[str, Any] = {
    "name": "digits",
    "problem": {"source": "bundled", "name": "digits"},
    "trunk": {"name": "mlp"},
}
TASKS, STAGES = ("a", "b", "c"), ("s1", "s2")


@contextmanager
def running(root: Path, **settings: Any) -> Iterator[tuple[TestClient, JobStore]]:
    """An app without a scheduler, and its store."""
    root.mkdir(parents=True, exist_ok=True)
    store = JobStore(f"sqlite:///{root / 'service.db'}")
    app = create_app(Settings(data_root=root, **settings), store)
    try:
        with TestClient(app, base_url=BASE) as client:
            yield client, store
    finally:
        store.close()


def submitted(store: JobStore, name: str = "digits", **sections: Any) -> Config:
    """A queued job."""
    config = Config.model_validate({**CONFIG, "name": name, **sections})
    store.submit(config)
    return config


def finish(store: JobStore, name: str, state: JobState = JobState.DONE, message: str = "") -> None:
    """Run the next queued job, which has to be ``name``, to its end."""
    job = store.claim("test", 60)
    assert job is not None
    assert job.name == name
    store.release(name, "test", state, message)


def problems(answer: Any) -> list[str]:
    """The sentences of an error, whose shape is checked."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"status", "title", "problems"}
    assert body["error"]["status"] == answer.status_code
    found: list[str] = body["error"]["problems"]
    assert found
    return found


def topology(*rows: tuple[int, int, int]) -> Topology:
    return Topology(tasks=TASKS, stages=STAGES, matrix=rows)


def row(number: int, origin: str, matrix: Topology, gain: float | None, macs: float, **errors: float) -> TrialRow:
    cost = Cost(params=100, macs=100, params_ratio=macs, macs_ratio=macs)
    architecture = Architecture(topology=matrix)
    state = "pruned" if gain is None else "complete"
    return TrialRow(
        number=number,
        origin=origin,
        state=state,
        architecture=architecture,
        cost=cost,
        gain=gain,
        errors=errors,
        seconds=1.0,
    )


ROWS = (
    row(0, SEPARATE, topology((0, 1, 2), (0, 1, 2)), 0.0, 3.0, a=0.2, b=0.4, c=0.1),
    row(1, SHARED, topology((0, 0, 0), (0, 0, 0)), -0.5, 1.0, a=0.3, b=0.5, c=0.2),
    row(2, "sampler", topology((0, 0, 1), (0, 1, 2)), 0.1, 2.0, a=0.1, b=0.4, c=0.1),
    row(3, "sampler", topology((0, 1, 0), (0, 1, 0)), -0.1, 2.5, a=0.2, b=0.5, c=0.1),
    row(4, "sampler", topology((0, 1, 1), (0, 1, 1)), None, 2.5, a=0.9, b=0.9, c=0.9),
)


def write_measured(folder: Path) -> None:
    """What the first step leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.arange(27, dtype=np.float64).reshape(3, 3, 3)
    values[0, 1, 2] = np.nan
    Folder(folder).write_affinity(Affinity(TASKS, (*STAGES, "trunk"), values, values / 10, np.full((3, 3, 3), 5)))


def write_proposed(folder: Path) -> None:
    """What the second step leaves."""
    tree = MergeTree(tasks=TASKS, merges=((0, 2), (1, 3)), heights=(0.5, 1.5))
    grouping = Grouping(tasks=TASKS, labels=(0, 1, 0))
    proposals = Proposals(
        proposals=(Proposal(grouping=grouping, source="by hand"),),
        trees=(CandidateTree(source="by hand", tree=tree),),
        recommended=grouping,
    )
    Folder(folder).write_proposals(proposals)


def spec() -> Spec:
    """A plan: trial 2, confirmed."""
    gain = Interval(mean=0.08, low=0.02, high=0.14)
    arm = ArmEvidence(
        name="trial 2",
        fingerprint=ROWS[2].architecture.fingerprint,
        cost=ROWS[2].cost,
        gain_vs_separate=gain,
        gain_vs_shared=gain,
        chosen=True,
    )
    tasks = tuple(
        TaskEvidence(
            task=t,
            metric="r2",
            error=0.1,
            error_separate=0.2,
            error_shared=0.2,
            gain_vs_separate=gain,
            gain_vs_shared=gain,
        )
        for t in TASKS
    )
    evidence = Evidence(
        level=0.9,
        seeds=(1, 2),
        split="test",
        gain_vs_separate=gain,
        gain_vs_shared=gain,
        shared_vs_separate=gain,
        tasks=tasks,
        arms=(arm,),
        verdict=Verdict(code="better_than_both", text="Better than both."),
    )
    adapters = (AdapterSpec(stage="s1", size=0),)
    return Spec(
        tasks=TaskSet(tasks=tuple(Task(name=t, kind="regression") for t in TASKS)),
        trunk=TrunkSpec(name="mlp", stages=STAGES),
        architecture=Architecture(topology=ROWS[2].architecture.topology, adapters=adapters),
        cost=ROWS[2].cost,
        evidence=evidence,
    )


def write_finished(folder: Path) -> None:
    """Everything."""
    write_measured(folder)
    write_proposed(folder)
    Folder(folder).write_rows(ROWS)
    save_spec(spec(), folder / "spec.yaml")
    (folder / "report.html").write_text("<!doctype html><title>report</title>", encoding="utf-8")
    exports = folder / "exports"
    exports.mkdir()
    (exports / "network_onnx.onnx").write_bytes(b"onnx")
    (exports / "network_python.py").write_text("x = 1\n", encoding="utf-8")
    (exports / "network_python.safetensors").write_bytes(b"weights")


@contextmanager
def listening(root: Path, **settings: Any) -> Iterator[tuple[str, FastAPI, JobStore]]:
    """The same app behind a real port: its address, the app, the store."""
    root.mkdir(parents=True, exist_ok=True)
    store = JobStore(f"sqlite:///{root / 'service.db'}")
    app = create_app(Settings(data_root=root, **settings), store)
    server = StoppableServer(app)
    with listen(Settings(data_root=root, port=0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", app, store
        finally:
            server.stop()
            thread.join(30)
            store.close()
            assert not thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """What ``asyncio.run`` gives, in a thread: in this one Playwright's loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
