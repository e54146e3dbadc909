"""The last step: finalists and baselines on fresh seeds, the choice, and only then the test split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    optimism,
)
from taskgroup.search.select import finalists, rating

RECIPES, CLOSE = 2, 0.1
"""Of each baseline so many recipes are confirmed, those that gain at most so much less than the best."""
OTHER = ", recipe "
"""Between a baseline's name and the number of another of its recipes."""


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
    done = confirm_all(job.crew, [s for group in specs.values() for s in group], counting(job))
    by_key = {result.key: result for result in done}
    n_steps = job.train(config.steps).steps
    job.charge("confirm", len(seeds) * sum(job.compute.trainings(row.candidate, n_steps) for _, row in arms))
    trained = [
        Arm(name, row.architecture, row.cost, _errors(job, [by_key[s.key] for s in specs[name]]), row.recipe)
        for name, row in arms
    ]
    compared, source = _settled(trained)
    chosen = choose(compared, job.limits, config.level, config.cheapest_by)
    job.progress.end(f"chose {chosen.name}")
    tested = {name: specs[source.get(name, name)] for name in dict.fromkeys((chosen.name, SEPARATE, SHARED))}
    test = _test(job, tested, chosen.name)
    shown = arm_evidence(compared, chosen, config.level)
    lead = lead_over(compared, chosen, job.limits, config.level)
    separate = next(arm.errors for arm in compared if arm.name == SEPARATE)
    excess = optimism(compared, chosen, test, job.limits, config.level, config.cheapest_by)
    broken = below_floor(compared, job.limits, separate)
    learned = evidence(
        job.prepared.tasks, shown, test, seeds, config.level, job.limits, lead, excess=excess, broken=broken
    )
    best_seed = int(np.argmin((chosen.errors / separate).mean(axis=1)))
    file = by_key[tested[chosen.name][best_seed].key].file
    return Confirmed(chosen, learned, job.folder.trials / str(file))


def _arms(job: Job, rows: Sequence[TrialRow]) -> list[tuple[str, TrialRow]]:
    """Both baselines, each with the recipes that look best for it, and the finalists."""
    arms = []
    for name in (SHARED, SEPARATE):
        plain = job.baseline(name).fingerprint
        same = [row for row in rows if row.architecture.fingerprint == plain and row.gain is not None]
        if not same:
            raise TrialError(f"confirm: the search has no complete trial of {name}")
        best = sorted({row.candidate.fingerprint: row for row in reversed(same)}.values(), key=lambda r: -rating(r))
        close = [row for row in best[:RECIPES] if rating(row) >= rating(best[0]) - CLOSE]
        arms += [(f"{name}{OTHER}{k}" if k else name, row) for k, row in enumerate(close)]
    best = finalists(rows, job.limits, job.config.confirm.finalists)
    return arms + [(f"trial {row.number}", row) for row in best]


def _settled(trained: Sequence[Arm]) -> tuple[list[Arm], dict[str, str]]:
    """Arms with each baseline at its better recipe only, and under which names those were trained."""
    source = {}
    for name in (SHARED, SEPARATE):
        same = [arm for arm in trained if arm.name.split(OTHER)[0] == name]
        scale = same[0].errors.mean(axis=0)
        source[name] = min(same, key=lambda arm: float((arm.errors / scale).mean())).name
    kept = {arm.name: arm for arm in trained}
    others = [arm for arm in trained if arm.name.split(OTHER)[0] not in source]
    return [*(replace(kept[source[name]], name=name) for name in (SHARED, SEPARATE)), *others], source


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
    results = run_all(job, "test", [spec for group in scored.values() for spec in group])
    job.progress.end("read once, after the choice")
    by_key = {result.key: result for result in results}
    errors = {name: _errors(job, [by_key[spec.key] for spec in group]) for name, group in scored.items()}
    return TestErrors(chosen=errors[chosen], separate=errors[SEPARATE], shared=errors[SHARED])


def _errors(job: Job, results: Sequence[TrialResult]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Errors as an array, shape ``(n_seeds, n_tasks)``."""
    return np.array([[result.errors[task] for task in job.prepared.tasks.names] for result in results])
