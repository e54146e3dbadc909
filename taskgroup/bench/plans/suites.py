"""Suites of ``bench plans``: which sets, how many seeds, how long the trainings, how much may be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.errors import InputError
from taskgroup.nn.cost import CostModel
from taskgroup.problems.config import SetConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem

BATCH, IMAGES = 64, 32
"""Rows of a batch; of images and sequences fewer, which take long on one thread."""
LR = 2e-3
CALL = 1e6
"""Multiply-accumulates that take as long as calling a small stage."""


@dataclass(frozen=True)
class Suite:
    """A size of the benchmark.

    Attributes:
        seeds: Of the splits and of everything random in an arm.
        n_final: Trainings under fresh seeds with which an arm's choice is judged.
        ablated: Seeds under which the flow is also run with a part left out, on the cheapest sets.
        most_ablated: On so many of them.
        most_sets: So many of the sets that are cheapest to train.
        steps: Optimizer steps of every training on vectors; half of them on images, sequences and tokens.
        free, separates: The flow may search with as much compute as so many trainings of all-shared and so many of
            all-separate.
    """

    seeds: tuple[int, ...]
    n_final: int
    ablated: tuple[int, ...]
    most_sets: int
    steps: int
    most_ablated: int = 5
    free: float = 40.0
    separates: float = 6.0

    def sets(self, folder: Path, only: str = "") -> Sequence[str]:
        """Names of the sets in ``folder``, those first that are cheapest to train.

        Args:
            folder: Of the files.
            only: Names to choose from, with commas between; all where empty.

        Raises:
            InputError: There is none, or none of such a name.
        """
        files = {path.stem: path for path in sorted(folder.glob("*.npz"))}
        if not files:
            raise InputError(f"--data {folder}: should be a folder of data sets NAME.npz, found none")
        wanted = [name.strip() for name in only.split(",") if name.strip()] or list(files)
        unknown = [name for name in wanted if name not in files]
        if unknown:
            raise InputError(
                f"--sets: {', '.join(unknown)}: no such set in {folder}, which has {', '.join(sorted(files))}"
            )
        return sorted(dict.fromkeys(wanted), key=lambda name: (effort(files[name]), name))[: self.most_sets]

    def training(self, problem: Problem) -> TrainOptions:
        """The same for all arms on a set."""
        vectors = problem.inputs.ndim == 2 and problem.inputs.dtype.kind == "f"
        return TrainOptions(
            steps=self.steps if vectors else self.steps // 2,
            batch_size=IMAGES if problem.inputs.ndim > 2 else BATCH,
            lr=LR,
            n_checks=4,
        )


@lru_cache(maxsize=256)
def effort(path: Path) -> float:
    """About how long a step of all-separate takes, in arbitrary units; files that cannot be read come last."""
    try:
        problem = load_problem(SetConfig(path=path.name), None, path.parent)
    except InputError:
        return float("inf")
    tasks, trunk = problem.tasks, problem.trunk
    separate = Architecture(topology=Topology.separate(tasks.names, trunk.names))
    macs = CostModel.of(trunk, tasks, torch.from_numpy(problem.inputs[:2])).cost(separate).macs
    runs = int((~np.isnan(problem.labels)).sum(axis=1).max())  # networks that a row runs through
    return len(tasks) * len(trunk.names) * CALL + BATCH * macs * runs / len(tasks)


QUICK = Suite(seeds=(0,), n_final=3, ablated=(), most_sets=3, steps=150, free=16.0, separates=3.0)
FULL = Suite(seeds=(0, 1, 2), n_final=8, ablated=(0, 1, 2), most_sets=1000, steps=300)


def suite(quick: bool) -> Suite:
    """Quick: few sets, short trainings; full: all sets, hours."""
    return QUICK if quick else FULL
