"""Small trained-looking networks on every built-in trunk, for the formats that carry the network."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from taskgroup.core.grouping import canonical_labels
from taskgroup.core.spec import AdapterSpec, Architecture, Spec, TrunkSpec
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
        Task(name='say "hi"\n', kind="binary", weight=2.0),
        Task(name="rows", kind="multiclass", n_classes=3),
        Task(name="linear", kind="regression", mean=1.5, scale=4.0, loss="huber"),
        Task(name="日本", kind="binary"),
    )
)
NAMES = TASKS.names
KINDS = {"bottleneck": 2, "lora": 2, "film": 1}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


ROWS = {
    "mlp": numbers(5, 4),
    "conv": numbers(5, 2, 6, 5),
    "conv1d": numbers(5, 6, 3),
    "text": torch.randint(0, 7, (5, 6), generator=torch.Generator().manual_seed(1)),
    "transformer": torch.randint(0, 7, (5, 6), generator=torch.Generator().manual_seed(0)),
}
METHODS: dict[str, Any] = {
    "mlp": MLP(width=6, depth=3, dropout=0.1),
    "conv": Conv(width=2, depth=2),
    "conv1d": Conv1d(width=2, depth=2),
    "text": Text(width=4, depth=2, n_tokens=7, dropout=0.1),
    "transformer": Transformer(width=4, depth=2, n_tokens=7),
}


def trunk_of(name: str, norm: Any = "shared") -> Trunk:
    made: Trunk = METHODS[name].build(ROWS[name])
    return Trunk(made.stages, norm=norm)


def random_architecture(seed: int, stages: tuple[str, ...]) -> Architecture:
    """Any topology over ``TASKS``, with adapters of any kind at most stages, and heads with and without a layer."""
    rng = np.random.default_rng(seed)
    row: tuple[int, ...] = (0,) * len(NAMES)
    rows = []
    for _ in stages:
        fresh = rng.integers(0, rng.choice([1, 1, 2, 4]), len(NAMES))
        row = canonical_labels(7 * old + new for old, new in zip(row, fresh, strict=True))
        rows.append(row)
    adapters = []
    for k, stage in enumerate(stages):
        kinds = [kind for kind in KINDS if k or kind != "lora"]  # an embedding has no layer that LoRA could change
        kind = str(rng.choice(kinds))
        if rng.random() < 0.7:
            per: Any = "task" if rng.random() < 0.5 else "branch"
            adapters.append(AdapterSpec(stage=stage, kind=kind, size=KINDS[kind], per=per))
    topology = Topology(tasks=NAMES, stages=stages, matrix=tuple(rows))
    return Architecture(topology=topology, adapters=tuple(adapters), head_size=int(rng.choice([0, 3])))


def architectures(stages: tuple[str, ...]) -> st.SearchStrategy[Architecture]:
    return st.integers(0, 2**31).map(lambda seed: random_architecture(seed, stages))


def branched(stages: tuple[str, ...], **more: Any) -> Architecture:
    """All share the first stage, three the second, two the rest."""
    matrix = [(0, 0, 0, 0), (0, 0, 0, 1), *[(0, 0, 1, 2)] * (len(stages) - 2)][: len(stages)]
    return Architecture(topology=Topology(tasks=NAMES, stages=stages, matrix=tuple(matrix)), **more)


def network_on(trunk: Trunk, rows: Any, architecture: Architecture) -> SharedNetwork:
    """In evaluation mode, every copy, adapter and statistic with values of its own."""
    network = SharedNetwork(TASKS, architecture, trunk, sites_of(trunk, rows), 0)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    return network.eval()


def network_of(name: str, architecture: Architecture | None = None, norm: Any = "shared") -> SharedNetwork:
    trunk = trunk_of(name, norm)
    return network_on(trunk, ROWS[name], architecture or branched(trunk.names))


def spec_of(network: SharedNetwork, name: str = "mlp") -> Spec:
    rows = ROWS[name]
    trunk = TrunkSpec(
        name=name,
        stages=network.trunk.names,
        options=METHODS[name].model_dump(exclude={"name"}),
        input_shape=tuple(rows.shape[1:]),
        input_dtype="int64" if rows.dtype == torch.int64 else "float32",
    )
    return Spec(tasks=TASKS, trunk=trunk, architecture=network.architecture)


class Stateful(nn.Module):
    """A stage whose outputs depend on how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 4), 0

    def reset_parameters(self) -> None:
        """Nothing of its own."""

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        found: Tensor = self.layer(x) * self.calls
        return found


class Branching(nn.Module):
    """A stage that looks at values, as no trace can."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x
