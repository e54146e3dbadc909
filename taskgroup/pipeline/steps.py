"""The steps of a job, each from what the one before left to files in the run directory."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate, Recipe, applied
from taskgroup.core.record import Proposals, TrialRow, search_words
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture, Evidence, digest
from taskgroup.core.text import plural
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.groupers.propose import make_groupers, propose
from taskgroup.measures import MEASURES
from taskgroup.pipeline.compute import Compute
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.confirming import confirm_all
from taskgroup.pipeline.costs import Costs
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.desk import FOLDER, Desk
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.forking import JOINT, SearchTrials, search_trials
from taskgroup.pipeline.measuring import MIN_CHECKS, averaged, read_looks, summary
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.sights import measure_missing
from taskgroup.pipeline.together import grouped
from taskgroup.pipeline.wanted import wanted_measures
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.budget import Budget
from taskgroup.search.confirm import (
    Arm,
    TestErrors,
    arm_evidence,
    below_floor,
    choose,
    evidence,
    lead_over,
    optimism,
)
from taskgroup.search.first import first_candidates
from taskgroup.search.helping import helper_pairs
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.planner import Planner
from taskgroup.search.select import finalists
from taskgroup.search.space import Space
from taskgroup.search.storage import Storage
from taskgroup.search.study import Search


@dataclass(frozen=True)
class Job:
    """What every step needs.

    Attributes:
        config: Validated config.
        folder: Held run directory.
        prepared: Tasks, data and trunk.
        crew: Does the trials.
        progress: Is told.
        storage: Database of the study.
        base: Folder that relative paths of the config start from.
    """

    config: Config
    folder: Folder
    prepared: Prepared
    crew: Crew
    progress: Progress
    storage: Storage
    base: Path = Path()

    @property
    def limits(self) -> Limits:
        """Limits on cost, and rules for the topology."""
        limits = self.config.limits
        rules = self.config.propose.constraints
        return Limits(limits.params_ratio, limits.macs_ratio, rules, limits.latency_ratio, limits.worst_task)

    def seed(self, *parts: object) -> int:
        """A seed for one purpose."""
        return derive_seed(self.config.seed, *parts)

    def baseline(self, name: str) -> Architecture:
        """``all-shared`` or ``all-separate``."""
        make = Topology.shared if name == SHARED else Topology.separate
        topology = make(self.prepared.tasks.names, self.prepared.trunk.names)
        return Architecture(topology=topology, head_size=self.config.heads.size)

    @cached_property
    def compute(self) -> Compute:
        """What trainings cost."""
        return Compute.of(self.prepared, self.config.train.steps, self.config.heads.size)

    def charge(self, step: str, trainings: float) -> None:
        """Note what a step cost in all, in trainings of all-shared."""
        known = self.folder.state().get("trainings", {})
        self.folder.note(trainings={**known, step: round(trainings, 3)})

    def train(self, steps: int | None) -> TrainOptions:
        """Training options with another number of steps, where one is given."""
        return self.config.train if steps is None else self.config.train.model_copy(update={"steps": steps})


def measure(job: Job) -> Affinity:
    """Train all tasks together under several seeds, look at their affinities, average."""
    config = job.config.measure
    sees = MEASURES[config.affinity["method"]].sees
    if sees in ("runs", "file"):
        return _ready_made(job)
    train = job.train(config.steps)
    specs = [_measure_spec(job, k) for k in range(config.seeds)]
    results = _run(job, "measure", specs)
    looks = [read_looks(job.folder, spec, result) for spec, result in zip(specs, results, strict=True)]
    tasks, rows = job.prepared.tasks.names, job.prepared.rows("train")
    n_rows = min(train.batch_size, len(rows))
    affinity = averaged(config, looks, tasks, job.prepared.trunk.names, rows.labels.double().numpy(), n_rows)
    affinity = affinity if config.profile else affinity.flattened()
    candidate = Candidate(architecture=specs[0].architecture)
    trained = [job.compute.trainings(candidate, r.history[-1].step) for r in results if r.history]
    n_looks = sum(len(seed.samples) for seed in looks)
    job.charge("measure", sum(trained) + job.compute.looks(config.affinity, n_looks))
    job.folder.write_affinity(affinity)
    job.progress.end(summary(affinity, looks))
    return affinity


def _measure_spec(job: Job, k: int) -> TrialSpec:
    """Of the ``k``-th seed; that of the first keeps its weights where search may start from them."""
    config = job.config.measure
    sees, train = MEASURES[config.affinity["method"]].sees, job.train(config.steps)
    options = config.model_dump(include={"affinity", "every", "overhead", "stop", "min_looks"})
    keep = {"keep": True} if k == 0 and job.config.search.fork != "off" and sees in JOINT else {}
    return TrialSpec(
        job=job.config.name,
        data=job.prepared.key,
        step="measure",
        architecture=job.baseline(SEPARATE if sees == "features" else SHARED),
        seed=job.seed("measure", k),
        train=train.model_copy(update={"n_checks": max(train.n_checks, MIN_CHECKS)}),
        measure={"sees": sees, **options, **keep},
    )


def _ready_made(job: Job) -> Affinity:
    """What pairs that are trained together gained, or a matrix of the user's own."""
    (wanted,) = wanted_measures([job.config.measure.affinity], job.config.measure.affinity)
    desk = Desk(job.config, job.folder, job.base, job.config.measure.seeds)
    desk.read_files([wanted])
    measure_missing(desk, desk.missing([wanted]), job.crew, job.progress)
    affinity = job.folder.affinity(f"{FOLDER}/{wanted.file}")
    job.folder.write_affinity(affinity)
    return affinity


def make_proposals(job: Job, affinity: Affinity) -> Proposals:
    """Groupings and candidate trees from the affinity."""
    config = job.config.propose
    job.progress.begin("propose", 0)
    proposals = propose(
        affinity,
        make_groupers(config.groupers, config.symmetrization),
        n_resampled=config.resampled_trees,
        seed=job.seed("propose"),
        n_draws=config.draws,
        symmetrization=config.symmetrization,
        constraints=config.constraints,
    )
    job.folder.write_proposals(proposals)
    job.progress.end(f"{plural(len(proposals.proposals), 'grouping')}, {plural(len(proposals.trees), 'tree')}")
    return proposals


def search(job: Job, affinity: Affinity, proposals: Proposals) -> tuple[TrialRow, ...]:
    """Search branch points, adapters, heads and recipes; gives the trials table."""
    joint = MEASURES[job.config.measure.affinity["method"]].sees in JOINT
    trials = search_trials(job, _measure_spec(job, 0).key if joint else None)
    study = make_search(job, affinity, proposals, trials.train.steps)
    job.progress.begin("search", job.config.search.trials)
    try:
        _train_candidates(job, study, trials)
    except KeyboardInterrupt:
        study.put_back()
        raise
    rows = study.rows()
    job.charge("search", study.spent.trainings)
    job.folder.write_rows(rows)
    job.progress.end(search_words(rows))
    return tuple(rows)


def _train_candidates(job: Job, study: Search, trials: SearchTrials) -> None:
    """Ask, train and tell until there is nothing left to ask."""
    asked: dict[str, list[int]] = {}  # with one task both baselines are the same trial
    while True:
        while job.crew.has_room and (candidate := study.ask(job.crew.n_running)) is not None:
            spec = trials.spec(candidate.candidate, candidate.bars)
            asked.setdefault(spec.key, []).append(candidate.number)
            job.crew.start(spec)
        if not job.crew.n_running:
            break
        result = job.crew.next()
        if result.state == "failed":
            job.progress.say(f"search trial {asked[result.key][0]} failed: {result.message}")
        study.tell(asked[result.key].pop(0), result)
        job.progress.advance(study.n_spent, study.best_gain)


def make_search(job: Job, affinity: Affinity, proposals: Proposals, steps: int) -> Search:
    """The study with its space, and the planner that opens it; candidates are trained ``steps`` steps."""
    config = job.config.search
    space = search_space(job, affinity, proposals)
    costs = Costs.of(job.prepared, latency=job.config.limits.latency_ratio is not None or "latency" in config.objective)
    n_first = config.trials // 2 if config.first is None else config.first

    def allow(architecture: Architecture) -> bool:
        return job.limits.allow(architecture, costs.cost(architecture))

    first = first_candidates(space, proposals.proposals, n_first, proposals.chain, allow) if n_first else []
    planner = Planner(
        space,
        [named for named in first if named[1].recipe == Recipe()],
        affinity,
        lambda candidate: job.compute.trainings(candidate, steps),
        budget=config.trainings or float(config.trials),
        admits=allow,
        surrogate=config.surrogate,
        seed=job.seed("surrogate"),
    )
    return Search(
        job.storage,
        f"{job.config.name} {digest([job.config.fingerprint, job.prepared.key])}",  # jobs may share a database
        space,
        (),
        cost=costs.cost,
        limits=job.limits,
        budget=Budget(n_trials=config.trials, seconds=config.seconds, trainings=config.trainings),
        seed=job.seed("sampler"),
        prune=config.prune,
        objective=config.objective,
        sampler=config.sampler,
        proposer=planner if n_first or config.surrogate else None,
        propose_every=1,
        training_cost=job.compute.trainings,
    )


def search_space(job: Job, affinity: Affinity, proposals: Proposals) -> Space:
    """What search may choose from."""
    config, stages = job.config.search, job.prepared.trunk.names
    adapters = AdapterChoice(
        stages=stages if config.adapters.stages is None else config.adapters.stages,
        sizes=config.adapters.sizes,
        kind=config.adapters.kind,
        per=config.adapters.per,
        vary=config.adapters.vary,
    )
    return Space(
        proposals.trees,
        stages,
        adapters,
        job.config.heads.size,
        head_sizes=config.head_sizes,
        lr_scales=config.lr_scales,
        weightings=config.weightings,
        helpers=helper_pairs(affinity, config.helpers) if config.helpers else (),
    )


@dataclass(frozen=True)
class Confirmed:
    """The chosen arm, its evidence, and the weights of its best confirmation run."""

    arm: Arm
    evidence: Evidence
    weights: Path


def confirm(job: Job, rows: Sequence[TrialRow]) -> Confirmed:
    """Train finalists and baselines on fresh paired seeds, choose, and only then read the test split."""
    config = job.config.confirm
    seeds = [job.seed("confirm", k) for k in range(config.seeds)]
    arms = _arms(job, rows)
    job.progress.begin("confirm", len(arms) * len(seeds))
    specs = {name: _confirm_specs(job, row.candidate, seeds) for name, row in arms}
    done = confirm_all(job.crew, [s for group in specs.values() for s in group], _counting(job))
    by_key = {result.key: result for result in done}
    n_steps = job.train(config.steps).steps
    job.charge("confirm", len(seeds) * sum(job.compute.trainings(row.candidate, n_steps) for _, row in arms))
    compared = [
        Arm(name, row.architecture, row.cost, _errors(job, [by_key[s.key] for s in specs[name]]), row.recipe)
        for name, row in arms
    ]
    chosen = choose(compared, job.limits, config.level, config.cheapest_by)
    job.progress.end(f"chose {chosen.name}")
    test = _test(job, {name: specs[name] for name in dict.fromkeys((chosen.name, SEPARATE, SHARED))}, chosen.name)
    shown = arm_evidence(compared, chosen, config.level)
    lead = lead_over(compared, chosen, job.limits, config.level)
    separate = next(arm.errors for arm in compared if arm.name == SEPARATE)
    excess = optimism(compared, chosen, test, job.limits, config.level, config.cheapest_by)
    broken = below_floor(compared, job.limits, separate)
    learned = evidence(
        job.prepared.tasks, shown, test, seeds, config.level, job.limits, lead, excess=excess, broken=broken
    )
    best_seed = int(np.argmin((chosen.errors / separate).mean(axis=1)))
    file = by_key[specs[chosen.name][best_seed].key].file
    return Confirmed(chosen, learned, job.folder.trials / str(file))


def _arms(job: Job, rows: Sequence[TrialRow]) -> list[tuple[str, TrialRow]]:
    """Both baselines, each with the recipe that was best for it, and the finalists."""
    arms = []
    for name in (SHARED, SEPARATE):
        plain = job.baseline(name).fingerprint
        same = [row for row in rows if row.architecture.fingerprint == plain and row.gain is not None]
        if not same:
            raise TrialError(f"confirm: the search has no complete trial of {name}")
        arms.append((name, max(same, key=lambda row: row.gain or 0.0)))
    best = finalists(rows, job.limits, job.config.confirm.finalists)
    return arms + [(f"trial {row.number}", row) for row in best]


def _confirm_specs(job: Job, candidate: Candidate, seeds: Sequence[int]) -> list[TrialSpec]:
    specs = [
        TrialSpec(
            job=job.config.name,
            data=job.prepared.key,
            step="confirm",
            architecture=candidate.architecture,
            seed=seed,
            train=applied(candidate.recipe, job.train(job.config.confirm.steps)),
        )
        for seed in seeds
    ]
    return specs if job.config.confirm.together == "never" else grouped(job.prepared, specs)


def _test(job: Job, specs: dict[str, list[TrialSpec]], chosen: str) -> TestErrors:
    """Score the weights that were kept on the test split."""
    scored = {
        name: [spec.model_copy(update={"step": "test", "weights": spec.key, "together": ()}) for spec in group]
        for name, group in specs.items()
    }
    results = _run(job, "test", [spec for group in scored.values() for spec in group])
    job.progress.end("read once, after the choice")
    by_key = {result.key: result for result in results}
    errors = {name: _errors(job, [by_key[spec.key] for spec in group]) for name, group in scored.items()}
    return TestErrors(chosen=errors[chosen], separate=errors[SEPARATE], shared=errors[SHARED])


def _errors(job: Job, results: Sequence[TrialResult]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Errors as an array, shape ``(n_seeds, n_tasks)``."""
    return np.array([[result.errors[task] for task in job.prepared.tasks.names] for result in results])


def _run(job: Job, step: str, specs: Sequence[TrialSpec]) -> list[TrialResult]:
    job.progress.begin(step, len(specs))
    return job.crew.all(specs, _counting(job))


def _counting(job: Job) -> Callable[[TrialResult], None]:
    """Tells the progress how many results are in."""
    n_done = itertools.count(1)
    return lambda _: job.progress.advance(next(n_done))
