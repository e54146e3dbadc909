"""A job that takes a second: three tasks on eighty rows, two linear stages."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialSpec
from taskgroup.nn.trunk import Trunk
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.prepared import Prepared, load_prepared, prepare
from taskgroup.problems.problem import Problem

STAGES = ("low", "high")
TASKS = (
    Task(name="sum", kind="regression"),
    Task(name="sign", kind="binary"),
    Task(name="third", kind="multiclass", n_classes=3),
)
SPACE: dict[str, Any] = {
    "name": "tiny",
    "train": {"steps": 12, "batch_size": 16, "n_checks": 2},
    "measure": {"seeds": 1, "every": 4},
    "search": {"trials": 6, "adapters": {"sizes": [0, 2]}},
    "confirm": {"seeds": 2, "finalists": 1},
    "export": {"formats": ["json"]},
}


class Broken(nn.Module):
    """A stage that works in evaluation alone."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training:
            raise RuntimeError("the pump is broken")
        return rows


def make_trunk(width: int = 8, *, broken: bool = False, reinitialize: bool = True) -> Trunk:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        low = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(0.1))
        high: nn.Module = nn.Sequential(nn.Linear(width, 4), nn.Tanh())
    stages = {"low": low, "high": nn.Sequential(high, Broken()) if broken else high}
    return Trunk(stages, reinitialize=reinitialize)


def make_problem(n_tasks: int = 3, seed: int = 0, trunk: Trunk | None = None) -> Problem:
    inputs = np.random.default_rng(seed).normal(size=(80, 4)).astype(np.float32)
    labels = {
        "sum": inputs.sum(axis=1),
        "sign": inputs[:, 0] > 0,
        "third": np.digitize(inputs[:, 1], [-0.4, 0.4]),
    }
    labels["sum"][::7] = np.nan
    split = np.arange(80) % 4 % 3  # half of the rows train
    return Problem.from_arrays("tiny", TASKS[:n_tasks], inputs, labels, split, trunk or make_trunk())


def make_folder(path: Path, problem: Problem | None = None) -> Prepared:
    """The problem, prepared in a job's folder."""
    problem = problem or make_problem()
    folder = Folder(path)
    with folder.held():
        prepare(problem, folder, {})
    return load_prepared(folder, problem.trunk)


def trial(prepared: Prepared, step: Any = "search", **changes: Any) -> TrialSpec:
    architecture = Architecture(topology=Topology.shared(prepared.tasks.names, STAGES))
    fields = {
        "job": "tiny",
        "data": prepared.key,
        "step": step,
        "architecture": architecture,
        "seed": 1,
        "train": TrainOptions(steps=6, batch_size=16, n_checks=2),
    }
    if step == "measure":
        fields["measure"] = {"affinity": {"method": "lookahead"}, "every": 3}
    return TrialSpec(**{**fields, **changes})


PYTHON_PROBLEM = """
import numpy as np
import torch
from taskgroup import Problem, Task, Trunk


def make(seed=0):
    inputs = np.random.default_rng(seed).normal(size=(60, 3)).astype("float32")
    tasks = [Task(name="left", kind="regression"), Task(name="right", kind="binary")]
    labels = {"left": inputs[:, 0] + inputs[:, 1], "right": inputs[:, 0] > 0}
    trunk = Trunk({"one": torch.nn.Linear(3, 6), "two": torch.nn.Linear(6, 4)})
    return Problem.from_arrays("mine", tasks, inputs, labels, np.arange(60) % 3, trunk)
"""
