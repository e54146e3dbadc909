"""Suites of ``bench plans``: which sets, how many seeds, how long the trainings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taskgroup.core.trial import TrainOptions
from taskgroup.errors import InputError
from taskgroup.problems.problem import Problem

BATCH = 64
LR = 2e-3


@dataclass(frozen=True)
class Suite:
    """A size of the benchmark.

    Attributes:
        seeds: Of the splits and of everything random in an arm.
        n_final: Trainings under fresh seeds with which an arm's choice is judged.
        ablated: Seeds under which the flow is also run with a part left out.
        most_sets: So many of the smallest files.
        steps: Optimizer steps of every training on vectors; half of them on images, sequences and tokens.
    """

    seeds: tuple[int, ...]
    n_final: int
    ablated: tuple[int, ...]
    most_sets: int
    steps: int

    def sets(self, folder: Path) -> Sequence[str]:
        """Names of the sets in ``folder``, smallest file first.

        Raises:
            InputError: There is none.
        """
        files = sorted(folder.glob("*.npz"), key=lambda path: (path.stat().st_size, path.name))
        if not files:
            raise InputError(f"--data {folder}: should be a folder of data sets NAME.npz, found none")
        return [path.stem for path in files[: self.most_sets]]

    def training(self, problem: Problem) -> TrainOptions:
        """The same for all arms on a set."""
        vectors = problem.inputs.ndim == 2 and problem.inputs.dtype.kind == "f"
        steps = self.steps if vectors else self.steps // 2
        return TrainOptions(steps=steps, batch_size=BATCH, lr=LR, n_checks=4)


QUICK = Suite(seeds=(0,), n_final=3, ablated=(), most_sets=4, steps=150)
FULL = Suite(seeds=(0, 1, 2), n_final=5, ablated=(0, 1, 2), most_sets=1000, steps=400)


def suite(quick: bool) -> Suite:
    """Quick: few sets, short trainings; full: all sets, hours."""
    return QUICK if quick else FULL
