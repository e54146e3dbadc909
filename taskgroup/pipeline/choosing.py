"""The last step: finalists and baselines on fresh seeds, the choice, and only then the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taskgroup.core.recipe import Candidate, applied
from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.spec import Evidence
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.pipeline.confirming import confirm_all
from taskgroup.pipeline.context import Job, counting, run_all
from taskgroup.pipeline.together import grouped
from taskgroup.search.confirm import (
    Arm,
    TestErrors,
    arm_evidence,
    below_floor,
    choose,
    evidence,
    lead_over,
    merit,
    optimism,
)
from taskgroup.search.select import finalists, rating

RECIPES, CLOSE = 2, 0.1
"""Of each baseline so many recipes are confirmed, those that gain at most so much less than the best."""
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Entry:
    """A candidate that is confirmed.

    Attributes:
        name: Of the arm: of a baseline, of which there may be several, or of a trial.
        row: Of the trials table.
    """

    name: str
    row: TrialRow


@dataclass(frozen=True)
class Trained:
    """An entry's arm, and the trials behind it, one for each seed."""

    arm: Arm
    specs: Sequence[TrialSpec]


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
    results: dict[str, TrialResult] = {}
    arms = _settled(_train(job, _entries(job, rows), seeds, results))
    compared = [trained.arm for trained in arms]
    chosen = choose(compared, job.limits, config.level, config.cheapest_by)
    job.progress.end(f"chose {chosen.name}")
    specs = {trained.arm.name: trained.specs for trained in arms}
    test = _test(job, {name: specs[name] for name in (chosen.name, SEPARATE, SHARED)}, chosen.name)
    shown = arm_evidence(compared, chosen, config.level)
    lead = lead_over(compared, chosen, job.limits, config.level)
    separate = next(arm.errors for arm in compared if arm.name == SEPARATE)
    excess = optimism(compared, chosen, test, job.limits, config.level, config.cheapest_by)
    broken = below_floor(compared, job.limits, separate)
    learned = evidence(
        job.prepared.tasks, shown, test, seeds, config.level, job.limits, lead, excess=excess, broken=broken
    )
    best = max(range(len(seeds)), key=lambda s: merit(chosen.errors[[s]], separate.mean(axis=0, keepdims=True)))
    file = results[specs[chosen.name][best].key].file
    return Confirmed(chosen, learned, job.folder.trials / str(file))


def _entries(job: Job, rows: Sequence[TrialRow]) -> list[Entry]:
    """Both baselines, each with the recipes that look best for it, and the finalists."""
    entries = []
    for name in (SHARED, SEPARATE):
        plain = job.baseline(name).fingerprint
        same = [row for row in rows if row.architecture.fingerprint == plain and row.gain is not None]
        if not same:
            raise TrialError(f"confirm: the search has no complete trial of {name}")
        best = sorted({row.candidate.fingerprint: row for row in reversed(same)}.values(), key=lambda r: -rating(r))
        entries += [Entry(name, row) for row in best[:RECIPES] if rating(row) >= rating(best[0]) - CLOSE]
    best = finalists(rows, job.limits, job.config.confirm.finalists)
    return entries + [Entry(f"trial {row.number}", row) for row in best]


def _train(job: Job, entries: Sequence[Entry], seeds: Sequence[int], results: dict[str, TrialResult]) -> list[Trained]:
    """Every entry under every seed; ``results`` gets what came of each trial, by key."""
    specs = [_confirm_specs(job, entry.row.candidate, seeds) for entry in entries]
    job.progress.begin("confirm", len(entries) * len(seeds))
    done = confirm_all(job.crew, [spec for group in specs for spec in group], counting(job))
    results |= {result.key: result for result in done}
    n_steps = job.train(job.config.confirm.steps).steps
    job.charge("confirm", len(seeds) * sum(job.compute.trainings(entry.row.candidate, n_steps) for entry in entries))
    return [Trained(_arm(job, entry, group, results), group) for entry, group in zip(entries, specs, strict=True)]


def _arm(job: Job, entry: Entry, specs: Sequence[TrialSpec], results: Mapping[str, TrialResult]) -> Arm:
    """The entry's arm; without draws of the rows where an earlier version left results that have none."""
    redrawn = [results[spec.key].redrawn for spec in specs]
    return Arm(
        name=entry.name,
        architecture=entry.row.architecture,
        cost=entry.row.cost,
        errors=_errors(job, specs, results),
        recipe=entry.row.recipe,
        redrawn=np.array(redrawn) if all(redrawn) else None,
    )


def _settled(trained: Sequence[Trained]) -> list[Trained]:
    """One for each name: a baseline is taken at its best recipe."""
    kept: dict[str, Trained] = {}
    for one in trained:
        rival = kept.setdefault(one.arm.name, one)
        if merit(one.arm.errors, rival.arm.errors) > 0:
            kept[one.arm.name] = one
    return list(kept.values())


def _confirm_specs(job: Job, candidate: Candidate, seeds: Sequence[int]) -> list[TrialSpec]:
    specs = [
        TrialSpec(
            job=job.config.name,
            data=job.prepared.key,
            step="confirm",
            architecture=candidate.architecture,
            seed=seed,
            train=applied(candidate.recipe, job.train(job.config.confirm.steps)),
            division=job.division("confirm", number),
        )
        for number, seed in enumerate(seeds)
    ]
    return specs if job.config.confirm.together == "never" else grouped(job.prepared, specs)


def _test(job: Job, specs: dict[str, Sequence[TrialSpec]], chosen: str) -> TestErrors:
    """Score the weights that were kept on the test split."""
    scored = {name: [_scoring(spec) for spec in group] for name, group in specs.items()}
    found = run_all(job, "test", [spec for group in scored.values() for spec in group])
    job.progress.end("read once, after the choice")
    results = {result.key: result for result in found}
    errors = {name: _errors(job, group, results) for name, group in scored.items()}
    return TestErrors(chosen=errors[chosen], separate=errors[SEPARATE], shared=errors[SHARED])


def _scoring(spec: TrialSpec) -> TrialSpec:
    """The trial that scores the weights of ``spec``."""
    return spec.model_copy(update={"step": "test", "weights": spec.key, "together": (), "division": None})


def _errors(job: Job, specs: Sequence[TrialSpec], results: Mapping[str, TrialResult]) -> Array:
    """Errors as an array, shape ``(n_seeds, n_tasks)``."""
    return np.array([[results[spec.key].errors[task] for task in job.prepared.tasks.names] for spec in specs])
