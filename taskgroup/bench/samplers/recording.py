"""Recording: every topology of a small problem trained under several seeds, and what a lookahead proposes for it."""

import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taskgroup.bench.frame import Places
from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.bench.sets import read_set
from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposals
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.groupers.propose import make_groupers, propose
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.sections import ProposeConfig
from taskgroup.problems.config import BundledConfig, SplitConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem
from taskgroup.training.loop import DivergedError, Trained
from taskgroup.training.together import train_together

SEEDS = 4
"""Trainings of each topology, at once; search sees one of them."""
DEPTH = 3
LOOKAHEAD = {"method": "lookahead"}
BUNDLED = {"diabetes": None, "digits": ("parity", "at_least_5", "prime", "loops")}
"""Bundled sets and their tasks. Digits' regressions would be best alone, which leaves nothing to search."""
PUBLIC = {"yeast": 4}
"""Sets of the data folder, and how many of their tasks, the first."""

Array = NDArray[np.float64]


def topologies(tasks: Sequence[str], stages: Sequence[str]) -> list[Topology]:
    """Every chain of partitions that refine each other.

    For four tasks 15, 60 and 154 for one, two and three stages.
    """
    found = partitions(tasks)
    chains: list[tuple[Grouping, ...]] = [()]
    for _ in stages:
        chains = [(*chain, g) for chain in chains for g in found if not chain or g.refines(chain[-1])]
    return [Topology.from_groupings(stages, chain) for chain in chains]


def partitions(tasks: Sequence[str]) -> list[Grouping]:
    """Every partition, each once: labels that grow by at most one."""
    rows = itertools.product(*(range(k + 1) for k in range(len(tasks))))
    grown = [row for row in rows if all(row[k] <= max(row[:k]) + 1 for k in range(1, len(row)))]
    return [Grouping(tasks=tuple(tasks), labels=row) for row in grown]


@dataclass(frozen=True)
class Recorded:
    """A table of trainings.

    Attributes:
        tasks: Of the problem.
        stages: Of the trunk.
        errors: On validation, shape ``(n_topologies, n_seeds, n_tasks)``, in the order of :func:`topologies`.
        values: Of the affinity, shape ``(S + 1, T, T)``.
        stderr: Of the affinity.
    """

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    errors: Array
    values: Array
    stderr: Array

    @functools.cached_property
    def topologies(self) -> list[Topology]:
        """In the order of ``errors``."""
        return topologies(self.tasks, self.stages)

    @functools.cached_property
    def number(self) -> dict[Topology, int]:
        """Of each topology."""
        return {topology: k for k, topology in enumerate(self.topologies)}

    @functools.cached_property
    def gains(self) -> Array:
        """Mean over the tasks of ``1 - error / error_separate`` under the same seed, ``(n_topologies, n_seeds)``."""
        separate = self.errors[self.number[Topology.separate(self.tasks, self.stages)]]
        return np.asarray((1.0 - self.errors / separate).mean(axis=2))

    def fresh(self, seed: int) -> Array:
        """Mean gain under all seeds but this one, shape ``(n_topologies,)``."""
        return np.asarray(np.delete(self.gains, seed, axis=1).mean(axis=1))

    def errors_of(self, topology: Topology, seed: int) -> dict[str, float]:
        """Of each task."""
        return dict(zip(self.tasks, self.errors[self.number[topology], seed].tolist(), strict=True))

    @functools.cached_property
    def affinity(self) -> Affinity:
        """As it was measured."""
        counts = np.ones(self.values.shape, dtype=np.int64)
        return Affinity(self.tasks, (*self.stages, "trunk"), self.values, self.stderr, counts)

    @functools.cached_property
    def proposals(self) -> Proposals:
        """What the flow proposes under its defaults."""
        config = ProposeConfig()
        groupers = make_groupers(config.groupers, config.symmetrization)
        return propose(self.affinity, groupers, n_resampled=config.resampled_trees, seed=0, n_draws=config.draws)

    def write(self, path: Path) -> None:
        """As JSON."""
        write_text(
            path, json.dumps({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()})
        )

    @classmethod
    def read(cls, path: Path) -> "Recorded":
        """What :meth:`write` wrote."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        arrays = {name: np.array(kept[name]) for name in ("errors", "values", "stderr")}
        return cls(tuple(kept["tasks"]), tuple(kept["stages"]), **arrays)


def names(places: Places, quick: bool) -> list[str]:
    """Problems that are there."""
    there = [name for name in PUBLIC if (places.data / f"{name}.npz").is_file()]
    return ["diabetes"] if quick else [*BUNDLED, *there]


def small_problem(name: str, places: Places, depth: int) -> Problem:
    """Few tasks and a narrow trunk."""
    trunk = {"name": "mlp", "width": 16, "depth": depth}
    if name in PUBLIC:
        tasks = read_set(name, places.data, trunk).tasks.names[: PUBLIC[name]]
        return read_set(name, places.data, trunk, tasks=tasks)
    split = SplitConfig(train=0.4, val=0.4, test=0.2)
    return load_problem(BundledConfig(source="bundled", name=name, tasks=BUNDLED[name], split=split), trunk, Path())


def record(problem: Problem, folder: Path, steps: int, progress: Progress) -> Recorded:
    """Train every topology, and measure once."""
    options = TrainOptions(steps=steps, batch_size=64, lr=5e-3, n_checks=1)
    seeds = [derive_seed(0, "samplers", k) for k in range(SEEDS)]
    with Lab.opened(problem, folder / "lab", options, 0) as lab:
        measured = lab.affinity(LOOKAHEAD, Account(0.0))
        rows = lab.prepared.rows("train"), lab.prepared.rows("val")
        sites, found = sites_of(lab.prepared.trunk, lab.prepared.example()), []
        every = topologies(lab.tasks, lab.stages)
        for k, topology in enumerate(every):
            plain = Architecture(topology=topology)
            networks = [SharedNetwork(problem.tasks, plain, problem.trunk, sites, seed) for seed in seeds]
            found.append([_last(t) for t in train_together(networks, problem.tasks, [rows] * SEEDS, options, seeds)])
            progress.advance(k + 1)
    errors = np.array([[[one[t] for t in lab.tasks] for one in each] for each in found])
    return Recorded(lab.tasks, lab.stages, errors, measured.values, measured.stderr)


def _last(trained: Trained | DivergedError) -> Mapping[str, float]:
    if isinstance(trained, DivergedError):
        raise trained
    return trained.history[-1].errors
