"""Arms of a confirmation: each baseline at the recipe that was best for it, and the finalists."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tiny_jobs import SPACE, STAGES, make_folder, trial

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.spec import AdapterSpec, Architecture, Cost, Recipe
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult
from taskgroup.errors import TrialError
from taskgroup.pipeline.choosing import Entry, Trained, _arm, _entries, _settled
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.context import Job
from taskgroup.search.choice import Arm


@pytest.fixture
def job(tmp_path: Path) -> Job:
    prepared = make_folder(tmp_path)
    nothing = cast("Any", None)
    return Job(Config.model_validate(SPACE), prepared.folder, prepared, nothing, nothing, nothing)


def row(number: int, network: Architecture, gain: float | None, origin: str = "sampler", **recipe: Any) -> TrialRow:
    return TrialRow(
        number=number,
        origin=origin,
        state="failed" if gain is None else "complete",
        architecture=network,
        cost=Cost(params=1, macs=1, params_ratio=1.5, macs_ratio=1.5),
        gain=gain,
        errors={},
        seconds=1.0,
        recipe=Recipe.model_validate(recipe),
    )


def test_baselines_are_confirmed_at_their_best_recipe(job: Job) -> None:
    names = job.prepared.tasks.names
    shared, separate = job.baseline(SHARED), job.baseline(SEPARATE)
    grouping = Grouping(tasks=names, labels=(0, 0, 1))
    branched = Architecture(topology=Topology.branched(grouping, STAGES, 1))
    adapted = shared.model_copy(update={"adapters": (AdapterSpec(stage="low", size=2),)})
    rows = [
        row(0, separate, 0.0, SEPARATE),
        row(1, shared, -0.2, SHARED),
        row(2, separate, None, lr_scale=16.0),
        row(3, shared, 0.1, lr_scale=4.0),
        row(4, separate, 0.05, lr_scale=2.0),
        row(5, shared, 0.07, lr_scale=4.0, weighting="pcgrad"),
        row(6, branched, 0.3, lr_scale=0.5),
        row(7, adapted, 0.2),
    ]
    assert [(e.name, e.row.number) for e in _entries(job, rows)] == [
        (SHARED, 3),
        (SHARED, 5),
        (SEPARATE, 4),
        (SEPARATE, 0),
        ("trial 6", 6),
    ]
    far = [r.model_copy(update={"gain": -0.3}) if r.number in (0, 5) else r for r in rows]
    assert [(e.name, e.row.number) for e in _entries(job, far)] == [(SHARED, 3), (SEPARATE, 4), ("trial 6", 6)]
    with pytest.raises(TrialError, match="the search has no complete trial of all-separate"):
        _entries(job, [rows[1], rows[2]])


def test_draws_of_the_rows_reach_the_choice_where_all_seeds_have_them(job: Job) -> None:
    specs = [trial(job.prepared, "confirm", seed=seed) for seed in (1, 2)]
    errors = dict.fromkeys(job.prepared.tasks.names, 0.5)
    drawn = ((0.4, 0.5, 0.6), (0.6, 0.5, 0.4))
    results = {spec.key: TrialResult(key=spec.key, state="complete", errors=errors, redrawn=drawn) for spec in specs}
    entry = Entry("trial 3", row(3, job.baseline(SHARED), 0.1))
    arm = _arm(job, entry, specs, results)
    assert arm.redrawn is not None
    assert (arm.name, arm.redrawn.tolist()) == ("trial 3", [[list(one) for one in drawn]] * 2)
    older = {**results, specs[0].key: results[specs[0].key].model_copy(update={"redrawn": ()})}
    assert _arm(job, entry, specs, older).redrawn is None


def test_a_baseline_counts_as_the_better_of_its_recipes(job: Job) -> None:
    shared, separate = job.baseline(SHARED), job.baseline(SEPARATE)
    cost = Cost(params=1, macs=1, params_ratio=1.5, macs_ratio=1.5)

    def trained(name: str, network: Architecture, *errors: float, scale: float = 1.0) -> Trained:
        return Trained(Arm(name, network, cost, np.tile(errors, (2, 1)), Recipe(lr_scale=scale)), ())

    entries = [
        trained(SHARED, shared, 0.5, 0.5),
        trained(SHARED, shared, 0.45, 0.6, scale=2.0),  # a tenth better and a fifth worse
        trained(SEPARATE, separate, 0.1, 1.0),
        trained(SEPARATE, separate, 0.02, 1.6, scale=2.0),  # ratios of 0.2 and 1.6: 0.9 on the mean, 0.57 geometric
        trained(SEPARATE, separate, 0.085, 0.85, scale=4.0),  # 0.85 on both
        trained("trial 6", shared, 0.4, 0.4),
    ]
    assert _settled(entries) == [entries[0], entries[3], entries[5]]
