"""Small trunks, random architectures and networks for the tests of nn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from taskgroup.core.grouping import canonical_labels
from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.conv import Conv
from taskgroup.nn.trunks.conv1d import Conv1d
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.nn.trunks.text import Text
from taskgroup.nn.trunks.transformer import Transformer

TASKS = TaskSet(
    tasks=(
        Task(name="a", kind="binary"),
        Task(name="b", kind="multiclass", n_classes=3),
        Task(name="c", kind="regression"),
        Task(name="d", kind="binary"),
    )
)
NAMES = TASKS.names


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tokens(*shape: int) -> Tensor:
    return torch.randint(0, 7, shape, generator=torch.Generator().manual_seed(0))


ROWS = {
    "mlp": numbers(5, 4),
    "conv": numbers(5, 2, 6, 5),
    "conv1d": numbers(5, 6, 3),
    "text": tokens(5, 6),
    "transformer tokens": tokens(5, 6),
    "transformer vectors": numbers(5, 6, 3),
}
METHODS: dict[str, Any] = {
    "mlp": MLP(width=6, depth=3),
    "conv": Conv(width=2, depth=2),
    "conv1d": Conv1d(width=2, depth=2),
    "text": Text(width=4, depth=2, n_tokens=7),
    "transformer tokens": Transformer(width=4, depth=2, n_tokens=7),
    "transformer vectors": Transformer(width=4, depth=2),
}
BUILT_IN = list(ROWS)


def trunk_of(name: str = "mlp") -> Trunk:
    made: Trunk = METHODS[name].build(ROWS[name])
    return made


TRUNKS_OF = {name: trunk_of(name) for name in BUILT_IN}


def random_architecture(seed: int, stages: tuple[str, ...], *, helpers: bool) -> Architecture:
    """Any topology over ``TASKS``, adapters of size 0 to 3 behind most stages, and helpers where asked for."""
    rng = np.random.default_rng(seed)
    row: tuple[int, ...] = (0,) * len(NAMES)
    rows = []
    for _ in stages:
        fresh = rng.integers(0, rng.choice([1, 1, 2, 4]), len(NAMES))  # into how many a group may come apart here
        row = canonical_labels(7 * old + new for old, new in zip(row, fresh, strict=True))
        rows.append(row)
    adapters = tuple(
        AdapterSpec(stage=stage, size=int(rng.integers(0, 4)), per="task" if rng.random() < 0.5 else "branch")
        for stage in stages
        if rng.random() < 0.7
    )
    pairs = [Helper(task=t, along=u) for t in NAMES for u in NAMES if t != u]
    n_helpers = int(rng.integers(0, 4)) if helpers else 0
    chosen = rng.choice(len(pairs), n_helpers, replace=False)
    topology = Topology(tasks=NAMES, stages=stages, matrix=tuple(rows))
    return Architecture(topology=topology, adapters=adapters, helpers=tuple(pairs[k] for k in chosen))


def architectures(stages: tuple[str, ...], *, helpers: bool = False) -> st.SearchStrategy[Architecture]:
    """Random architectures, drawn by number: plain random ones hold more adapters and branches than shrinking ones."""
    return st.integers(0, 2**31).map(lambda seed: random_architecture(seed, stages, helpers=helpers))


def network_of(architecture: Architecture, name: str = "mlp", seed: int = 0) -> SharedNetwork:
    """A network on a built-in trunk; the random state it is made in does not matter."""
    trunk = TRUNKS_OF[name]
    return SharedNetwork(TASKS, architecture, trunk, sites_of(trunk, ROWS[name]), seed)


def branched(*matrix: tuple[int, ...], name: str = "mlp", **more: Any) -> Architecture:
    topology = Topology(tasks=NAMES, stages=TRUNKS_OF[name].names, matrix=matrix)
    return Architecture(topology=topology, **more)


def awake(network: SharedNetwork) -> SharedNetwork:
    """``network`` in evaluation mode, with random adapters and different copies and batch statistics."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    return network.eval()


def count_calls(network: nn.Module, chosen: Callable[[str], bool]) -> dict[str, int]:
    """Calls of the submodules whose path is ``chosen``; filled while the network runs."""
    calls: dict[str, int] = {}

    def hook(path: str) -> Callable[..., None]:
        def count(*_: object) -> None:
            calls[path] = calls.get(path, 0) + 1

        return count

    for path, module in network.named_modules():
        if chosen(path):
            module.register_forward_hook(hook(path))
    return calls


def close(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    """Outputs are the same up to the rounding of larger batches."""
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)


def modules_on_paths(architecture: Architecture, tasks: set[str]) -> set[str]:
    """Paths of the stage copies that serve one of ``tasks``, read off the topology."""
    matrix = np.array(architecture.topology.matrix)
    columns = [k for k, task in enumerate(NAMES) if task in tasks]
    return {f"stages.{s}.{copy}" for s, row in enumerate(matrix) for copy in row[columns]}
