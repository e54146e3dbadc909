"""The search step: the study with its space and its planner, and the trainings that it asks for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from taskgroup.core.affinity import Affinity
from taskgroup.core.record import Proposals, TrialRow, search_words
from taskgroup.core.spec import Architecture, digest
from taskgroup.measures import MEASURES
from taskgroup.pipeline.context import Job
from taskgroup.pipeline.controls import Stopped
from taskgroup.pipeline.costs import Costs
from taskgroup.pipeline.forking import JOINT, SearchTrials, search_trials
from taskgroup.pipeline.shortlist import shortlist
from taskgroup.pipeline.steps import measure_spec
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.budget import Budget
from taskgroup.search.first import first_candidates
from taskgroup.search.helping import helper_pairs
from taskgroup.search.planner import Planner
from taskgroup.search.space import Space
from taskgroup.search.study import Search

FIRST = 4
"""Proposals that are tried at least, where the config does not say."""

P = ParamSpec("P")
T = TypeVar("T")


def search(job: Job, affinity: Affinity, proposals: Proposals) -> tuple[TrialRow, ...]:
    """Search branch points, adapters, heads and recipes; gives the trials table."""
    joint = MEASURES[job.config.measure.affinity["method"]].sees in JOINT
    trials = search_trials(job, measure_spec(job, 0).key if joint else None)
    study = make_search(job, affinity, proposals, trials.train.steps)
    _edit_budget(job, study)
    job.progress.begin("search", study.budget.n_trials or 0)
    try:
        _train_candidates(job, study, trials)
    except (KeyboardInterrupt, Stopped):
        study.put_back()
        raise
    _note_budget(job, study)
    job.charge("search", study.spent.trainings)
    job.progress.end(search_words(study.rows()))
    rows = shortlist(job, study.rows(), trials)
    job.folder.write_rows(rows)
    return tuple(rows)


@dataclass
class Clock:
    """Adds up the wall time of what is done."""

    seconds: float = 0.0

    def timed(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it."""
        started = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - started


def _edit_budget(job: Job, study: Search) -> None:
    """Give the search as many trials as the job's controls ask for.

    First candidates, samplers and seeds go on following from the config: what was asked under one budget is what would
    have been asked under the other.
    """
    n_trials = job.crew.controls.trials or job.config.search.trials
    if n_trials != study.budget.n_trials:
        study.budget = study.budget.with_trials(n_trials)


def _note_budget(job: Job, study: Search) -> None:
    """Keep with the job that its budget was edited, which its provenance tells."""
    n_trials = study.budget.n_trials
    edited = {} if n_trials == job.config.search.trials else {"search.trials": n_trials}
    if edited != job.folder.state().get("edited", {}):
        job.folder.note(edited=edited)


def _train_candidates(job: Job, study: Search, trials: SearchTrials) -> None:
    """Ask, train and tell until there is nothing left to ask."""
    asked: dict[str, list[int]] = {}  # with one task both baselines are the same trial
    choosing = Clock(float(job.folder.state().get("choosing", 0.0)))
    told: set[int] = set()
    while True:
        _edit_budget(job, study)
        while job.crew.has_room and (candidate := choosing.timed(study.ask, job.crew.n_running)) is not None:
            spec = trials.spec(candidate.candidate, candidate.bars)
            asked.setdefault(spec.key, []).append(candidate.number)
            job.crew.start(spec)
        _tell(job, study, told)  # repeats, and what earlier runs left
        if not job.crew.n_running:
            break
        if not job.crew.wait():
            continue
        result = job.crew.next()
        if result.state == "failed":
            job.progress.say(f"search trial {asked[result.key][0]} failed: {result.message}")
        choosing.timed(study.tell, asked[result.key].pop(0), result)
        _tell(job, study, told)
        job.folder.note(choosing=round(choosing.seconds, 2))
        job.progress.advance(study.n_spent, study.best_gain)


def _tell(job: Job, study: Search, told: set[int]) -> None:
    """Tell the progress of trials that are over; ``told`` are those that it knows."""
    for row in study.rows():
        if row.number not in told:
            told.add(row.number)
            job.progress.trial(row)


def make_search(job: Job, affinity: Affinity, proposals: Proposals, steps: int) -> Search:
    """The study with its space, and the planner that opens it; candidates are trained ``steps`` steps."""
    config = job.config.search
    space = search_space(job, affinity, proposals)
    timed = job.config.limits.latency_ratio is not None or "latency" in config.objective
    costs = Costs.of(job.prepared, job.config.heads.size, latency=timed)
    n_first = max(FIRST, config.trials // 3) if config.first is None else config.first

    def allow(architecture: Architecture) -> bool:
        return job.limits.allow(architecture, costs.cost(architecture))

    first = first_candidates(space, proposals.proposals, n_first, proposals.chain, allow) if n_first else []
    planner = Planner(
        space,
        first,
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
