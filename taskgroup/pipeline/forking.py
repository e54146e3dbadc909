"""Forking: whether search starts its candidates from the weights of the lookahead phase, and how it trains them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from taskgroup.core.gain import mean_gain
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate, applied
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.task import Frozen
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Bar, TrainOptions, TrialResult, TrialSpec
from taskgroup.pipeline.compute import Compute
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.folder import Folder, write_text
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Progress

FILE = "fork.json"
"""What was decided, in the run directory."""
JOINT = frozenset({"probe", "shared"})
"""Sights of measures that train all tasks in one network, from whose weights candidates can start."""
MIN_RHO = 0.7
"""Least rank correlation with full trainings at which ``auto`` forks."""
MIN_CANDIDATES = 4
"""Fewer say too little of a ranking."""
MAX_CANDIDATES = 6
"""More would cost too much: every one is trained both ways."""


@dataclass(frozen=True)
class SearchTrials:
    """How search trains its candidates, all alike, so that their gains can be compared.

    Attributes:
        config: Of the job.
        data: Hash of tasks, data and trunk.
        fork: Key of the measurement from whose weights they start; None where they start afresh.
    """

    config: Config
    data: str
    fork: str | None = None

    @property
    def train(self) -> TrainOptions:
        """Training options; forked candidates train a share of the steps."""
        config, train = self.config.search, self.config.train
        steps = train.steps if config.steps is None else config.steps
        steps = steps if self.fork is None else max(1, round(config.fork_steps * steps))
        return train.model_copy(update={"steps": steps})

    def spec(
        self, candidate: Candidate, bars: Sequence[Bar] = (), k: int = 0, division: tuple[int, int] | None = None
    ) -> TrialSpec:
        """The trial that trains ``candidate`` under the search's ``k``-th seed, with its rows divided so."""
        return TrialSpec(
            job=self.config.name,
            data=self.data,
            step="search",
            architecture=candidate.architecture,
            seed=derive_seed(self.config.seed, "search", k) if k else derive_seed(self.config.seed, "search"),
            train=applied(candidate.recipe, self.train),
            bars=tuple(bars),
            fork=self.fork,
            division=division,
        )


class Fork(Frozen):
    """What was decided.

    Attributes:
        rho: Spearman rank correlation of the candidates' gains, forked and fully trained; None where not measured.
        candidates: How many it is over.
        on: Whether search forks.
        words: The same for people.
    """

    rho: float | None = None
    candidates: int = 0
    on: bool
    words: str


class Working(Protocol):
    """What of a job is needed here."""

    @property
    def config(self) -> Config:
        """The whole of it."""
        ...

    @property
    def folder(self) -> Folder:
        """Run directory."""
        ...

    @property
    def prepared(self) -> Prepared:
        """Tasks, data and trunk."""
        ...

    @property
    def crew(self) -> Crew:
        """Does the trials."""
        ...

    @property
    def progress(self) -> Progress:
        """Is told."""
        ...

    @property
    def compute(self) -> Compute:
        """What trainings cost."""
        ...

    def baseline(self, name: str) -> Architecture:
        """``all-shared`` or ``all-separate``."""
        ...

    def charge(self, step: str, trainings: float) -> None:
        """Note what a step cost, in trainings of all-shared."""
        ...


def search_trials(job: Working, joint: str | None) -> SearchTrials:
    """How the search of ``job`` trains, decided once and read from ``fork.json`` ever after.

    Args:
        job: The measure step is done.
        joint: Key of the measurement that left its joint network's weights; None where the measure trains none.
    """
    fresh = SearchTrials(job.config, job.prepared.key)
    if job.config.search.fork == "off":
        return fresh
    path = job.folder.path / FILE
    if path.exists():
        found = Fork.model_validate_json(path.read_text(encoding="utf-8"))
    else:
        found = _decide(job, fresh, joint)
        write_text(path, found.model_dump_json(indent=1))
    job.progress.say(found.words)
    return replace(fresh, fork=joint) if found.on else fresh


def _decide(job: Working, fresh: SearchTrials, joint: str | None) -> Fork:
    method = job.config.measure.affinity["method"]
    if joint is None:
        return Fork(on=False, words=f"forking off: measure `{method}` trains no joint network to start from")
    if job.config.search.fork == "on":
        return Fork(on=True, words="forking on: asked for by search.fork")
    candidates = trial_candidates(job)
    if len(candidates) < MIN_CANDIDATES:
        return _too_few(len(candidates), "to compare")
    forked = replace(fresh, fork=joint)
    results = _trained(job, [trials.spec(c) for trials in (fresh, forked) for c in candidates.values()])
    found = judged(*({name: results[t.spec(c).key] for name, c in candidates.items()} for t in (fresh, forked)))
    job.charge("fork", _compute(job, candidates, fresh, forked, forked if found.on else fresh))
    return found


def trial_candidates(job: Working) -> dict[str, Candidate]:
    """Both baselines, and all tasks apart after each stage, evenly spaced where there are too many stages."""
    tasks, stages = job.prepared.tasks.names, job.prepared.trunk.names
    plain = job.baseline(SHARED)
    found = {name: job.baseline(name) for name in (SEPARATE, SHARED)}
    n_depths = min(len(stages) - 1, MAX_CANDIDATES - len(found))
    for n_shared in np.linspace(1, len(stages) - 1, n_depths).round().astype(int).tolist():
        topology = Topology.branched(Grouping.apart(tasks), stages, n_shared)
        found[f"apart after {stages[n_shared - 1]}"] = plain.model_copy(update={"topology": topology})
    return {name: Candidate(architecture=architecture) for name, architecture in found.items()}


def _trained(job: Working, specs: Sequence[TrialSpec]) -> dict[str, TrialResult]:
    """By key; those that lie on disk, or that search asks for again, are trained once."""
    job.progress.begin("fork", len(specs))
    results: dict[str, TrialResult] = {}
    for n_done, result in enumerate(job.crew.each(specs), 1):
        results[result.key] = result
        job.progress.advance(n_done)
    job.progress.end(f"{len(specs) // 2} candidates trained both ways")
    return results


def judged(full: Mapping[str, TrialResult], forked: Mapping[str, TrialResult]) -> Fork:
    """Whether forked trainings rank candidates as full ones do: Spearman's correlation of gains over all-separate.

    Gains are against all-separate trained alike. Candidates that failed either way are left out.

    Args:
        full: Results by the candidate's name, all-separate among them.
        forked: Of the same candidates.
    """
    both = [name for name in full if full[name].state == forked[name].state == "complete"]
    if SEPARATE not in both or len(both) < MIN_CANDIDATES:
        return _too_few(len(both), "that trained both ways" if SEPARATE in both else "and no all-separate")
    rho = _rank_correlation(*([mean_gain(r[n].errors, r[SEPARATE].errors) for n in both] for r in (full, forked)))
    if math.isnan(rho):
        return Fork(candidates=len(both), on=False, words="forking off: all candidates gain the same")
    on = rho >= MIN_RHO
    words = f"forking {'on' if on else 'off'}: rank correlation {rho:.2f} with full trainings"
    return Fork(rho=rho, candidates=len(both), on=on, words=words)


def _too_few(n: int, which: str) -> Fork:
    words = f"forking off: at least {MIN_CANDIDATES} candidates show whether it keeps their order, found {n} {which}"
    return Fork(candidates=n, on=False, words=words)


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's; NaN where one side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    from scipy.stats import spearmanr  # slow to import

    return float(spearmanr(one, other).statistic)


def _compute(
    job: Working, candidates: Mapping[str, Candidate], fresh: SearchTrials, forked: SearchTrials, kept: SearchTrials
) -> float:
    """Of all trainings but both baselines' as search trains them, which search uses and is charged for."""
    every = [(trials, c) for trials in (fresh, forked) for c in candidates.values()]
    reused = [(kept, candidates[name]) for name in (SEPARATE, SHARED)]
    cost, less = (sum(job.compute.trainings(c, t.train.steps) for t, c in part) for part in (every, reused))
    return cost - less
