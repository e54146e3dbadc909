"""Lab: trains candidates of one problem, remembers every training, and keeps account of what each arm has used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate, Recipe, applied
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Step, TrainOptions, TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.measures import MEASURES
from taskgroup.pipeline.compute import Compute
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.measuring import MIN_CHECKS, averaged, read_looks
from taskgroup.pipeline.prepared import Prepared, load_prepared, prepare
from taskgroup.pipeline.sections import MeasureConfig
from taskgroup.pipeline.together import grouped
from taskgroup.pipeline.work import run_trial
from taskgroup.problems.problem import Problem

JOB = "plans"
"""Name of all jobs, so that equal trainings are the same trial."""

Array = NDArray[np.float64]


@dataclass
class Account:
    """What an arm may use, and has used, in trainings of all-shared; and what it found on the way.

    Attributes:
        budget: Compute that it may use.
        spent: Compute that it has used.
        reused_s: Seconds of the trainings among it that another arm had done before.
        facts: What it found on the way.
    """

    budget: float
    spent: float = 0.0
    reused_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """What may still be used."""
        return self.budget - self.spent


@dataclass(frozen=True)
class Lab:
    """Trainings of one problem. The same training is done once, and charged to every arm that asks for it.

    Attributes:
        prepared: Tasks, data and trunk.
        train: Training options, the same for all.
        compute: What trainings cost.
        seed: Everything random follows from it.
        heads: Width of the heads' hidden layer.
        problem: As it was read.
        nominal: What the flow may search with, in trainings of all-shared.
    """

    prepared: Prepared
    train: TrainOptions
    compute: Compute
    seed: int
    problem: Problem
    heads: int = 0
    nominal: float = 0.0

    @classmethod
    @contextmanager
    def opened(
        cls,
        problem: Problem,
        folder: Path,
        train: TrainOptions,
        seed: int,
        *,
        heads: int = 0,
        free: float = 0.0,
        separates: float = 0.0,
    ) -> "Iterator[Lab]":
        """A lab whose trainings lie in ``folder``; the flow may search with ``free`` and so many all-separates."""
        place = Folder(folder)
        with place.held():
            prepare(problem, place, {})
            prepared = load_prepared(place, problem.trunk)
            lab = cls(prepared, train, Compute.of(prepared, train.steps, heads), seed, problem, heads)
            yield replace(lab, nominal=free + separates * lab.cost(lab.separate))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names."""
        return self.prepared.tasks.names

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names."""
        return self.prepared.trunk.names

    def plain(self, topology: Topology) -> Candidate:
        """A topology and nothing else."""
        return Candidate(architecture=Architecture(topology=topology, head_size=self.heads))

    @property
    def shared(self) -> Candidate:
        """All-shared."""
        return self.plain(Topology.shared(self.tasks, self.stages))

    @property
    def separate(self) -> Candidate:
        """All-separate."""
        return self.plain(Topology.separate(self.tasks, self.stages))

    def cost(self, candidate: Candidate, steps: int | None = None) -> float:
        """Of one training."""
        return self.compute.trainings(candidate, steps or self.train.steps)

    def errors(self, candidate: Candidate, k: int, account: Account, *, steps: int | None = None) -> dict[str, float]:
        """Validation errors of a training under the ``k``-th seed of the search; charged to ``account``."""
        account.spent += self.cost(candidate, steps)
        # the seeds of a job's search, which trains much the same
        seed = derive_seed(self.seed, "search", k) if k else derive_seed(self.seed, "search")
        return self._done(self._spec(candidate, seed, "search", steps), account).errors

    def tested(self, candidate: Candidate, n_seeds: int) -> Array:
        """Test errors of trainings under fresh seeds, the same for all arms; shape ``(n_seeds, n_tasks)``."""
        return self._kept(candidate, "final", n_seeds)[-1]

    def confirmed(self, candidate: Candidate, n_seeds: int) -> tuple[Array, Array | None, Array]:
        """What the confirmations of a job gave, and their test errors, which the job itself reads of its choice alone.

        Returns:
            Validation errors, shape ``(n_seeds, n_tasks)``; under draws of the rows, ``(n_seeds, n_draws, n_tasks)``,
            None where results of an earlier version have none; test errors like the first.
        """
        done, tested = self._kept(candidate, "confirm", n_seeds)
        redrawn = [result.redrawn for result in done]
        return self._errors(done), np.array(redrawn) if all(redrawn) else None, tested

    def _kept(self, candidate: Candidate, purpose: str, n_seeds: int) -> tuple[list[TrialResult], Array]:
        """Trainings whose weights are kept, and their test errors."""
        seeds = [derive_seed(self.seed, purpose, k) for k in range(n_seeds)]
        specs = grouped(self.prepared, [self._spec(candidate, seed, "confirm", None) for seed in seeds])
        done = [self._done(spec) for spec in specs]
        tests = [spec.model_copy(update={"step": "test", "weights": spec.key, "together": ()}) for spec in specs]
        return done, self._errors([self._done(spec) for spec in tests])

    def _errors(self, results: Sequence[TrialResult]) -> Array:
        return np.array([[result.errors[task] for task in self.tasks] for result in results])

    def affinity(
        self, options: Mapping[str, Any], account: Account, *, every: int | str = "auto", recipe: Recipe | None = None
    ) -> Affinity:
        """What a measure finds under one seed; its training and its looks are charged to ``account``."""
        config = MeasureConfig(affinity=dict(options), seeds=1, every=every, stop="never")
        sees = MEASURES[config.affinity["method"]].sees
        candidate = self.separate if sees == "features" else self.shared
        spec = self._spec(candidate, derive_seed(self.seed, "measure"), "measure", None)
        train = applied(recipe or Recipe(), self.train)
        wanted = {"sees": sees, **config.model_dump(include={"affinity", "every", "overhead", "stop", "min_looks"})}
        spec = spec.model_copy(
            update={"measure": wanted, "train": train.model_copy(update={"n_checks": max(train.n_checks, MIN_CHECKS)})}
        )
        looks = read_looks(self.prepared.folder, spec, self._done(spec, account))
        rows = self.prepared.rows("train")
        labels, n_rows = rows.labels.double().numpy(), min(train.batch_size, len(rows))
        account.spent += self.cost(candidate) + self.compute.looks(config.affinity, len(looks.samples))
        return averaged(config, [looks], self.tasks, self.stages, labels, n_rows)

    def _spec(self, candidate: Candidate, seed: int, step: Step, steps: int | None) -> TrialSpec:
        train = applied(candidate.recipe, self.train)
        return TrialSpec(
            job=JOB,
            data=self.prepared.key,
            step=step,
            architecture=candidate.architecture,
            seed=seed,
            train=train if steps is None else train.model_copy(update={"steps": steps}),
        )

    def _done(self, spec: TrialSpec, account: Account | None = None) -> TrialResult:
        known = self.prepared.folder.result(spec)
        if known is not None and account is not None:
            account.reused_s += known.seconds
        if known is None:
            known = run_trial(spec, self.prepared)
            self.prepared.folder.keep(known)
        if known.state == "failed":
            raise TrialError(f"bench plans: {spec.step} under seed {spec.seed} failed: {known.message}")
        return known
