"""A lab that trains nothing, made-up rows, and small data sets for ``bench plans``."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from taskgroup.bench.frame import Row
from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.bench.plans.tuning import Race
from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.errors import TrialError

TASKS = ("a", "b", "c", "d")
STAGES = ("low", "high")
Gains = Callable[[Candidate, int], float | Mapping[str, float]]
"""Gain of a candidate under the k-th seed, of all tasks or of each; NaN where its training fails."""


@dataclass
class Planted:
    """Stands in for a lab: errors are one less the planted gain.

    Attributes:
        gains: Planted.
        tasks: Names.
        similar: What every measure finds, ``[stage, source, target]``.
        trained: Scale, network and seed of every training, in order.
    """

    gains: Gains
    tasks: tuple[str, ...] = TASKS
    similar: np.ndarray[Any, np.dtype[np.float64]] | None = None
    trained: list[tuple[str, int]] = field(default_factory=list)
    stages: tuple[str, ...] = STAGES
    heads: int = 0
    seed: int = 0
    train: TrainOptions = TrainOptions(steps=100)  # noqa: RUF009  # frozen

    def plain(self, topology: Topology) -> Candidate:
        return Candidate(architecture=Architecture(topology=topology))

    @property
    def shared(self) -> Candidate:
        return self.plain(Topology.shared(self.tasks, self.stages))

    @property
    def separate(self) -> Candidate:
        return self.plain(Topology.separate(self.tasks, self.stages))

    def cost(self, candidate: Candidate, steps: int | None = None) -> float:
        topology = candidate.architecture.topology
        copies = sum(len(topology.groups(s)) for s in range(len(self.stages)))
        return copies / len(self.stages) * (steps or self.train.steps) / self.train.steps

    def errors(self, candidate: Candidate, k: int, account: Account, *, steps: int | None = None) -> dict[str, float]:
        account.spent += self.cost(candidate, steps)
        self.trained.append((candidate.fingerprint, k))
        gain = self.gains(candidate, k)
        found = gain if isinstance(gain, Mapping) else dict.fromkeys(self.tasks, gain)
        if any(np.isnan(list(found.values()))):
            raise TrialError("planted: the training failed")
        return {task: 1 - found[task] for task in self.tasks}

    def affinity(self, options: Mapping[str, Any], account: Account, **_: Any) -> Affinity:
        account.spent += 1
        assert self.similar is not None
        return affinity_of(self.similar, self.tasks, self.stages)

    @property
    def lab(self) -> Lab:
        return cast("Lab", self)

    def race(self, budget: float = np.inf) -> Race:
        return Race(self.lab, Account(budget))


def affinity_of(
    values: np.ndarray[Any, np.dtype[np.float64]], tasks: tuple[str, ...] = TASKS, stages: tuple[str, ...] = STAGES
) -> Affinity:
    """Values as they are; one matrix stands for all slices."""
    names = (*stages, "trunk")
    full = np.broadcast_to(values, (len(names), len(tasks), len(tasks))).copy()
    return Affinity(tasks, names, full, np.full_like(full, 0.1), np.ones(full.shape, dtype=np.int64))


def made_row(arm: str, runs: list[float], *, dataset: str = "one", seed: int = 0, **changes: Any) -> Row:
    """A row of a benchmark whose gains are ``runs``."""
    gain = float(np.mean(runs))
    row: Row = {
        "dataset": dataset,
        "seed": seed,
        "arm": arm,
        "gain_vs_separate": gain,
        "ci90": [gain - 0.01, gain + 0.01],
        "worst_task": "b",
        "worst_task_gain": gain - 0.02,
        "params_ratio": 2.0,
        "macs_ratio": 3.0,
        "seconds": 7.4,
        "trainings": 21.5,
        "error": 0.25,
        "runs": runs,
        "copies": [1, 2],
        "adapters": 0,
        "head_size": 0,
        "helpers": 0,
        "recipe": "",
        "tasks": 4,
    }
    return {**row, **changes}


def write_set(folder: Path, name: str, n_tasks: int = 3, n_rows: int = 90) -> None:
    """A set of tasks with the same rows, and one split of them."""
    rng = np.random.default_rng(len(name))
    inputs = rng.normal(size=(n_rows, 4)).astype(np.float32)
    noise = 0.3 * rng.normal(size=(n_rows, n_tasks))
    labels = (inputs @ rng.normal(size=(4, n_tasks)) + noise).astype(np.float32)
    tasks = [{"name": f"task{k}", "type": "regression"} for k in range(n_tasks)]
    meta = {"name": name, "kind": "shared", "modality": "tabular", "tasks": tasks, "default_split": "random"}
    split = (np.arange(n_rows) % 4 % 3).astype(np.int8)
    packed = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(folder / f"{name}.npz", meta=packed, X=inputs, Y=labels, split_random=split)
