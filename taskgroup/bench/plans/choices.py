"""Rules of choice: what each takes of the networks that a job confirmed, judged afterwards by test errors."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import gmean

from taskgroup.bench.frame import Row
from taskgroup.bench.plans.arms import OURS, SEPARATE, SHARED
from taskgroup.bench.plans.flow import config_for, job_folder
from taskgroup.bench.plans.lab import Lab
from taskgroup.core.gain import task_gains
from taskgroup.core.recipe import Candidate
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.sections import ConfirmConfig
from taskgroup.search.choice import Arm, choose, expense, merit, named
from taskgroup.search.limits import Limits

LITTLE = 0.005
"""Gains on test that differ by less count as equal."""

Take = Callable[[Sequence[Arm], ConfirmConfig], Arm]


def _as_it_is(arms: Sequence[Arm], config: ConfirmConfig) -> Arm:
    return choose(arms, Limits(), config.level, config.cheapest_by)


def _seeds_alone(arms: Sequence[Arm], config: ConfirmConfig) -> Arm:
    taken = _as_it_is([replace(arm, redrawn=None) for arm in arms], config)
    return named(arms, taken.name)


def _best(arms: Sequence[Arm], config: ConfirmConfig) -> Arm:
    separate = named(arms, SEPARATE).errors
    cheapest_first = sorted(arms, key=lambda arm: expense(arm.cost, config.cheapest_by))
    return max(cheapest_first, key=lambda arm: merit(arm.errors, separate))


def _better_baseline(arms: Sequence[Arm], config: ConfirmConfig) -> Arm:
    return _best([named(arms, SHARED), named(arms, SEPARATE)], config)


RULES: dict[str, Take] = {
    "a plan's": _as_it_is,
    "a plan's, over seeds alone": _seeds_alone,
    "the best on validation": _best,
    "the better baseline on validation": _better_baseline,
}


def choices(lab: Lab, name: str) -> dict[str, dict[str, float]]:
    """What each rule would have taken of what the job of an arm confirmed.

    Its networks are all scored on the test split, which no choice has seen.

    Args:
        lab: Where the job's trainings lie.
        name: Of the arm.

    Returns:
        By rule: the ``advantage`` over the baseline that is better on test (mean over tasks of the gain against
        all-separate, less that of the baseline), and the ``macs`` in those of all-shared.
    """
    config = Config.model_validate(config_for(lab)).confirm
    record = Folder(job_folder(lab, name)).record()
    assert record.spec.evidence is not None
    networks = {row.architecture.fingerprint: row.architecture for row in record.trials}
    arms, gains = [], {}
    for shown in record.spec.evidence.arms:
        candidate = Candidate(architecture=networks[shown.fingerprint], recipe=shown.recipe)
        errors, redrawn, gains[shown.name] = lab.confirmed(candidate, config.seeds)
        arms.append(Arm(shown.name, candidate.architecture, shown.cost, errors, shown.recipe, redrawn))
    separate = gains[SEPARATE]
    found = {arm: float(task_gains(errors, separate).mean()) for arm, errors in gains.items()}
    taken = {rule: take(arms, config) for rule, take in RULES.items()}
    better = max(found[SHARED], found[SEPARATE])
    return {rule: {"advantage": found[arm.name] - better, "macs": arm.cost.macs_ratio} for rule, arm in taken.items()}


def rules_of_choice(rows: Sequence[Row]) -> list[Row]:
    """A row for each rule, for the plans and for all jobs; every set and seed has the same weight."""
    told = [row for row in rows if "choices" in row]
    groups = {"the flow": [row for row in told if row["arm"] == OURS], "all arms that confirm": told}
    return [_told(what, rule, own) for what, own in groups.items() for rule in RULES if own]


def _told(what: str, rule: str, rows: Sequence[Row]) -> Row:
    cells: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["dataset"], row["seed"]), []).append(row["choices"][rule])
    advantages = [np.array([choice["advantage"] for choice in cell]) for cell in cells.values()]
    macs = [gmean([choice["macs"] for choice in cell]) for cell in cells.values()]
    return {
        "choices of": what,
        "rule": rule,
        "choices": len(rows),
        "advantage over the better baseline": f"{100 * np.mean([a.mean() for a in advantages]):+.1f} %",
        "worse by more than 0.5 points": f"{100 * np.mean([np.mean(a < -LITTLE) for a in advantages]):.0f} %",
        "better by more than 0.5 points": f"{100 * np.mean([np.mean(a > LITTLE) for a in advantages]):.0f} %",
        "MACs, geometric mean": f"{gmean(macs):.2f}",
    }
