"""Random topologies, adapters, helpers, heads and trunks: built, run, counted, written, read again, and compared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import taskgroup
from taskgroup.adapters import ADAPTERS, Site
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.exporters import save_spec
from taskgroup.nn.cost import CostModel, measured_cost
from taskgroup.nn.sites import sites_of
from taskgroup.nn.surgery import deployed
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.conv import Conv
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.nn.trunks.transformer import Transformer
from taskgroup.nn.weights import load_weights, save_weights

TASKS = TaskSet(
    tasks=(
        Task(name="a", kind="binary", prior=(0.3,)),
        Task(name="b", kind="multiclass", n_classes=3),
        Task(name="c", kind="regression", mean=2.0, scale=3.0),
        Task(name="d e", kind="binary"),
    )
)
NAMES = TASKS.names
METHODS: dict[str, Any] = {
    "mlp": MLP(width=6, depth=3, dropout=0.2),
    "conv": Conv(width=2, depth=2),
    "conv per task": Conv(width=2, depth=2, norm="per_task"),
    "transformer": Transformer(width=4, depth=2),
    "tokens": Transformer(width=4, depth=2, n_tokens=7),
}
SHAPES = {"mlp": (4,), "conv": (2, 6, 5), "conv per task": (2, 6, 5), "transformer": (6, 3), "tokens": (6,)}


def rows_of(name: str, n: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if name == "tokens":
        return torch.randint(0, 7, (n, *SHAPES[name]), generator=generator)
    return torch.randn(n, *SHAPES[name], generator=generator)


BUILT: dict[str, Trunk] = {name: method.build(rows_of(name)) for name, method in METHODS.items()}
SITES = {name: sites_of(trunk, rows_of(name)) for name, trunk in BUILT.items()}


def random_spec(name: str, seed: int) -> Spec:
    """Any topology over ``TASKS``, adapters of any kind at most stages, for all tasks or some, heads, helpers."""
    rng, stages = np.random.default_rng(seed), BUILT[name].names
    row: tuple[int, ...] = (0,) * len(NAMES)
    matrix = []
    for _ in stages:
        fresh = rng.integers(0, rng.choice([1, 1, 2, 4]), len(NAMES))
        row = canonical_labels(7 * old + new for old, new in zip(row, fresh, strict=True))
        matrix.append(row)
    topology = Topology(tasks=NAMES, stages=stages, matrix=tuple(matrix))
    sites = zip(stages, SITES[name], strict=True)
    adapters = [entry for stage, site in sites if rng.random() < 0.6 for entry in _entries(rng, stage, site)]
    pairs = [Helper(task=t, along=u) for t in NAMES for u in NAMES if t != u]
    chosen = rng.choice(len(pairs), int(rng.integers(0, 3)), replace=False)
    architecture = Architecture(
        topology=topology,
        adapters=tuple(adapters),
        helpers=tuple(pairs[k] for k in chosen),
        head_size=int(rng.choice([0, 3])),
    )
    trunk = TrunkSpec(
        name=METHODS[name].name,
        stages=stages,
        options=METHODS[name].model_dump(mode="json", exclude={"name"}),
        input_shape=SHAPES[name],
        input_dtype="int64" if name == "tokens" else "float32",
    )
    return Spec(tasks=TASKS, trunk=trunk, architecture=architecture)


def _entries(rng: np.random.Generator, stage: str, site: Site) -> list[AdapterSpec]:
    """One entry for all tasks, or two for different ones, of kinds that can stand there."""
    kinds = [kind for kind in ADAPTERS.names if not ADAPTERS.create(kind, {"size": 1}).fault(site)]
    parts: list[tuple[str, ...] | None] = [None] if rng.random() < 0.6 else [NAMES[:2], NAMES[2:]]
    found = []
    for tasks in parts:
        kind = str(rng.choice(kinds))
        size = int(rng.integers(0, 4)) if ADAPTERS[kind].sized else 1
        per = "task" if rng.random() < 0.5 else "branch"
        everywhere = bool(rng.random() < 0.3)
        found.append(AdapterSpec(stage=stage, kind=kind, size=size, per=per, tasks=tasks, everywhere=everywhere))
    return found


def wake(network: torch.nn.Module) -> None:
    """Random weights and statistics everywhere."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))


def close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31))
def test_round_trip(name: str, tmp_path: Path, seed: int) -> None:
    spec, rows = random_spec(name, seed), rows_of(name)
    network = taskgroup.build(spec)
    wake(network)
    # run: what is asked for alone is what comes with the rest; every part has a gradient
    full = network.train()(rows, helpers=True)
    torch.stack([output.sin().sum() for output in full.values()]).sum().backward()  # type: ignore[no-untyped-call]
    unused = [n for n, p in network.named_parameters() if p.grad is None]
    assert unused == []
    outputs = network.eval()(rows)
    for task in NAMES:
        close(network(rows, tasks=[task]), {task: outputs[task]})
    # count: what search uses is what the built network has
    cost = CostModel.of(BUILT[name], TASKS, rows).cost(spec.architecture)
    served = deployed(network)
    assert (cost.params, cost.macs) == measured_cost(served, rows)
    close(served(rows), outputs)
    # write and read again
    for suffix in ("yaml", "json"):
        save_spec(spec, tmp_path / f"spec.{suffix}")
        assert taskgroup.load_spec(tmp_path / f"spec.{suffix}") == spec
    save_weights(network, tmp_path / "weights.safetensors")
    again = load_weights(
        taskgroup.build(taskgroup.load_spec(tmp_path / "spec.yaml"), seed=1), tmp_path / "weights.safetensors"
    )
    close(again.eval()(rows), outputs)
    # refine: every task on its own from here on says the same
    alone = taskgroup.fork(network, Topology.separate(NAMES, spec.trunk.stages)).eval()
    close(alone(rows), outputs)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31))
def test_exported_as_a_file_of_its_own(name: str, tmp_path: Path, seed: int) -> None:
    spec, rows = random_spec(name, seed), rows_of(name)
    network = taskgroup.build(spec)
    wake(network)
    save_spec(spec, tmp_path / "spec.yaml")
    save_weights(network, tmp_path / "weights.safetensors")
    main, *_ = taskgroup.export(tmp_path / "spec.yaml", "python", tmp_path / "plan.py")
    written: dict[str, Any] = {"__name__": "plan", "__file__": str(main)}
    exec(compile(main.read_text(encoding="utf-8"), str(main), "exec"), written)
    standalone = written["load"](main.with_suffix(".safetensors")).eval()
    close(standalone(rows), network.eval()(rows))
