"""Ray: trials on nodes without files in common give what they give here, whatever becomes of workers and nodes."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskgroup.bench.serving.processes import descendants, is_alive, named, wait_until
from taskgroup.bench.serving.ray_nodes import Nodes, missing, ray_nodes
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialSpec
from taskgroup.errors import UnreachableError
from taskgroup.pipeline import ray_cluster, ray_executor
from taskgroup.pipeline.config import Config, parse_config
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.executors import Ended
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import python_source, run_job
from taskgroup.pipeline.prepared import prepare
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.ray_executor import RayExecutor
from taskgroup.problems.load import load_problem

CONFIG = {
    "name": "x",
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 4},
    "train": {"steps": 20, "batch_size": 8, "n_checks": 2},
    "measure": {"seeds": 1, "every": 5},
    "search": {"trials": 4, "fork": "on", "adapters": {"sizes": [0, 2]}},
    "confirm": {"seeds": 2, "finalists": 1},
    "export": {"formats": ["json"]},
}
TASKS, STAGES = ("weight", "waist", "pulse"), ("block1", "block2", "block3")
PATIENCE_S = 60
POISON = """
import os
import signal
import numpy as np
import torch
from taskgroup import Problem, Task, Trunk


class Poison(torch.nn.Linear):
    def forward(self, rows):
        if self.training:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(rows)


def make():
    inputs = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    trunk = Trunk({"one": Poison(3, 4)})
    return Problem.from_arrays("poison", [Task(name="t", kind="regression")], inputs, {"t": inputs[:, 0]},
                               np.arange(60) % 3, trunk)
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """With one connection for all, whose workers load torch once."""
    if words := missing():
        pytest.skip(words)
    with ray_nodes(2, tmp_path_factory.mktemp("cache")) as made:
        import ray

        ray.init(address=made.address, log_to_driver=False, configure_logging=False)
        yield made
        ray.shutdown()


def config(**changes: object) -> Config:
    return parse_config({**CONFIG, **changes}, "x", Path())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return prepared_folder(tmp_path / "job", config())


def prepared_folder(path: Path, wanted: Config, base: Path = Path()) -> Folder:
    assert wanted.problem is not None
    found = Folder(path)
    with found.held():
        prepare(load_problem(wanted.problem, wanted.trunk, base), found, python_source(wanted, base))
    return found


@pytest.fixture
def make(nodes: Nodes, folder: Folder) -> Iterator[Callable[..., RayExecutor]]:
    made: list[RayExecutor] = []

    def one(**options: float) -> RayExecutor:
        made.append(RayExecutor(folder.path, address=nodes.address, **options))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for executor in made:
        executor.close()


def trial(seed: int, steps: int = 3, **changes: object) -> TrialSpec:
    architecture = Architecture(topology=Topology.shared(TASKS, STAGES))
    fields = {"job": "x", "data": "d", "step": "search", "architecture": architecture, "seed": seed}
    return TrialSpec.model_validate({**fields, "train": TrainOptions(steps=steps), **changes})


ENDLESS = 100_000_000


def ended(executor: RayExecutor, n: int = 1) -> dict[str, Ended]:
    found: dict[str, Ended] = {}
    end = time.monotonic() + PATIENCE_S
    while len(found) < n:
        assert time.monotonic() < end, "waited too long"
        found |= {over.key: over for over in executor.wait(1.0)}
    return found


def place(executor: RayExecutor, spec: TrialSpec) -> str:
    """Where a trial runs, once it trains."""
    end = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < end, "waited too long"
        assert executor.wait(0.1) == []
        task = executor._under_way[spec.key]
        if task.n_heard == 2:
            return task.place


def process_in(words: str) -> int:
    found = re.search(r"process (\d+)", words)
    assert found is not None
    return int(found[1])


def test_a_job_on_nodes_ends_like_one_done_here(nodes: Nodes, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    one = run_job(config(), here, workers=1, progress=Silent(), base=Path(), inline=True, report=False)
    with closing(RayExecutor(there, 1, nodes.address)) as executor:
        other = run_job(config(), there, workers=1, progress=Silent(), base=Path(), report=False, executor=executor)
    assert other.spec.fingerprint == one.spec.fingerprint
    assert json.loads((there / "fork.json").read_text())["on"]  # searching began from weights of the measurement
    for name in ("trials.csv", "affinity.csv", "weights.safetensors"):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    kept = [sorted(path.name for path in (out / "trials").iterdir()) for out in (here, there)]
    assert kept[0] == kept[1]


def test_a_killed_worker_costs_its_own_trial_alone(make: Callable[..., RayExecutor], folder: Folder) -> None:
    executor, endless, short = make(), trial(1, ENDLESS), trial(2)
    assert executor.capacity == 2
    executor.submit(endless)
    where = place(executor, endless)
    executor.submit(short)
    assert ended(executor) == {short.key: Ended(short.key)}
    result = folder.result(short)
    assert result is not None
    assert result.state == "complete"
    os.kill(process_in(where), signal.SIGKILL)
    assert ended(executor) == {endless.key: Ended(endless.key, f"its worker died ({where})")}
    assert folder.result(endless) is None
    assert executor.wait(0.0) == []


def test_a_trial_that_takes_too_long_is_killed_even_if_stopped(make: Callable[..., RayExecutor]) -> None:
    executor, endless = make(limit_s=3.0), trial(3, ENDLESS)
    executor.submit(endless)
    where = place(executor, endless)
    os.kill(process_in(where), signal.SIGSTOP)
    reason = f"its worker took longer than the limit of 3 s ({where})"
    assert ended(executor) == {endless.key: Ended(endless.key, reason)}
    end = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{process_in(where)}").exists():
        assert time.monotonic() < end, "the worker lives on"
        time.sleep(0.05)


def idle_workers() -> list[int]:
    return [pid for pid in named("ray::IDLE") if pid in descendants(os.getpid())]


def hangs(executor: RayExecutor, spec: TrialSpec) -> bool:
    """Whether a trial was handed to a stopped worker and then in again; else another worker had it, and it is over."""
    executor.submit(spec)
    handed = executor._under_way[spec.key].handed
    end = time.monotonic() + PATIENCE_S
    while executor.wait(0.1) == []:
        assert time.monotonic() < end, "waited too long"
        if executor._under_way[spec.key].handed > handed:
            return True
    return False


def test_a_worker_that_hangs_before_its_first_word_is_given_up(
    make: Callable[..., RayExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle workers are stopped, and the cluster hands one of them a trial, unless it has started others meanwhile."""
    executor = make(limit_s=1.0)
    stopped: set[int] = set()
    monkeypatch.setattr(ray_executor, "PATIENCE_S", 8.0)
    try:
        for seed in range(15, 25):
            executor.submit(trial(seed))
            ended(executor)
            wait_until(lambda: bool(set(idle_workers()) - stopped), PATIENCE_S, "an idle worker")
            for pid in idle_workers():
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)
            if hangs(executor, short := trial(100 + seed)):
                break
        else:
            pytest.fail("no stopped worker was ever handed a trial")
    finally:
        monkeypatch.undo()
        for pid in filter(is_alive, stopped):
            os.kill(pid, signal.SIGCONT)
    assert ended(executor) == {short.key: Ended(short.key)}


def test_a_removed_node_costs_its_own_trial_and_what_it_alone_held(
    make: Callable[..., RayExecutor], nodes: Nodes
) -> None:
    executor, endless = make(), trial(5, ENDLESS)
    executor.submit(endless)
    where = place(executor, endless)
    (executor._folder.data / "new.bin").write_bytes(os.urandom(1_000_000))  # a parcel that no node has
    executor._shipped.clear()
    digest, reference = executor._ship("data")
    executor._shipped["data"] = digest, nodes.held(reference, where)
    nodes.remove(where)
    try:
        assert ended(executor) == {endless.key: Ended(endless.key, f"its node was lost ({where})")}
        executor.submit(trial(6))
        (lost,) = ended(executor).values()
        assert lost.reason is not None
        assert lost.reason.startswith("Ray's object store lost what it needs or gave (process ")
        executor.submit(trial(6))
        assert ended(executor) == {trial(6).key: Ended(trial(6).key)}
    finally:
        nodes.add()


def test_weights_travel_to_where_they_are_tested(make: Callable[..., RayExecutor], folder: Folder) -> None:
    executor, confirmed = make(), trial(7, step="confirm")
    executor.submit(confirmed)
    assert ended(executor) == {confirmed.key: Ended(confirmed.key)}
    scored = trial(7, step="test", weights=confirmed.key)
    executor.submit(scored)
    assert ended(executor) == {scored.key: Ended(scored.key)}
    result = folder.result(scored)
    assert result is not None
    assert set(result.errors) == set(TASKS)
    missing = trial(7, step="test", weights="0" * 20)
    executor.submit(missing)
    assert ended(executor) == {missing.key: Ended(missing.key)}
    assert "0000.safetensors" in (folder.trials / f"{missing.key}.json").read_text()


def test_a_group_leaves_the_results_of_all_members(make: Callable[..., RayExecutor], folder: Folder) -> None:
    group = [trial(seed, step="confirm", together=(1, 2)) for seed in (1, 2)]
    executor = make()
    executor.submit(group[0])
    assert ended(executor) == {group[0].key: Ended(group[0].key)}
    assert all(folder.result(spec) is not None for spec in group)
    assert all((folder.trials / f"{spec.key}.safetensors").exists() for spec in group)


def test_a_poison_trial_fails_after_three_workers(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "venom.py").write_text(POISON)
    problem = {"source": "python", "target": "venom:make"}
    wanted = parse_config({"name": "p", "problem": problem}, "p", tmp_path)
    made = prepared_folder(tmp_path / "job", wanted, tmp_path)
    executor = RayExecutor(made.path, 1, nodes.address)
    crew = Crew(made, executor, Silent())
    crew.start(trial(1, architecture=Architecture(topology=Topology.shared(("t",), ("one",)))))
    try:
        result = crew.next()
    finally:
        executor.close()
    assert result.state == "failed"
    assert re.match(r"tried 3 times, at last its worker died \(process \d+ on node ", result.message)


def test_what_no_node_has_is_said(make: Callable[..., RayExecutor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "PATIENCE_S", 0.5)
    executor, wide = make(num_gpus=0.5), trial(12, train=TrainOptions(steps=3, threads=64))
    executor.submit(wide)
    reason = "no node of the cluster has 64 CPUs and 0.5 GPUs, which it waited 0.5 s for"
    assert ended(executor) == {wide.key: Ended(wide.key, reason)}
    assert executor.capacity == 1


def test_a_head_out_of_reach_is_said(make: Callable[..., RayExecutor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "HEAD_GONE_S", 0.5)
    executor = make()
    executor.submit(trial(13, ENDLESS))
    monkeypatch.setattr(executor._cluster, "_head", "127.0.0.1:1")
    with pytest.raises(UnreachableError, match=r"the head of the cluster at 127.0.0.1:1 has been out of reach"):
        ended(executor)


def test_closing_ends_what_is_under_way(make: Callable[..., RayExecutor], folder: Folder) -> None:
    executor, endless, queued = make(), [trial(9, ENDLESS), trial(10, ENDLESS)], trial(11, ENDLESS)
    for spec in (*endless, queued):
        executor.submit(spec)
    pids = [process_in(place(executor, spec)) for spec in endless]
    executor.close()
    end = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "workers live on"
        time.sleep(0.05)
    assert list(folder.trials.iterdir()) == []
