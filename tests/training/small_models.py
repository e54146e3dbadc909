"""Small models and rows for the tests of training."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows

NAN = float("nan")
TASKS = TaskSet(
    tasks=(
        Task(name="yes", kind="binary"),
        Task(name="which", kind="multiclass", n_classes=3),
        Task(name="much", kind="regression"),
    )
)


@dataclass(frozen=True)
class Named:
    """One output."""

    name: str
    task: str


class SmallModel(nn.Module):
    """A trunk with batch normalization and dropout, a head per task, and helpers ``task@along``."""

    def __init__(
        self, tasks: TaskSet = TASKS, n_inputs: int = 4, *, helpers: Sequence[str] = (), seed: int = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Sequential(nn.Linear(n_inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
            self.top = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(0.3))
            self.heads_info = [Named(t, t) for t in tasks.names] + [Named(h, h.split("@")[0]) for h in helpers]
            self.heads = nn.ModuleList(nn.Linear(6, tasks[h.task].n_outputs) for h in self.heads_info)

        self.branched = False

    def idle(self, tasks: Collection[str]) -> Iterator[nn.Parameter]:
        """Heads."""
        for info, head in zip(self.heads_info, self.heads, strict=True):
            if info.task in tasks:
                yield from head.parameters()

    def adapter_parameters(self) -> Iterator[nn.Parameter]:
        """None here."""
        return iter(())

    def forward(self, rows: Tensor, *, helpers: bool = False) -> dict[str, Tensor]:
        features = self.top(self.stem(rows))
        outputs = {h.name: layer(features) for h, layer in zip(self.heads_info, self.heads, strict=True)}
        return {name: output for name, output in outputs.items() if helpers or "@" not in name}


def some_rows(n_rows: int = 40, seed: int = 0, missing: float = 0.0) -> Rows:
    """Rows whose labels follow from their inputs; a share of the labels is missing."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_rows, 4)).astype(np.float32)
    labels = np.stack([inputs[:, 0] > 0, np.digitize(inputs[:, 1], [-0.5, 0.5]), inputs[:, 2] - inputs[:, 3]], axis=1)
    labels = labels.astype(np.float64)
    labels[rng.random(labels.shape) < missing] = np.nan
    return Rows.of(inputs, labels)


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of parameters and buffers."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
