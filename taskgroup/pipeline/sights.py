"""Sights: the trainings that show measures what they want to see, and what is kept of their looks."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.measures.views import RunsView
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.desk import Desk, once
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.measuring import MIN_CHECKS, read_looks
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.rounds import pair_topology, rounds, runs_view
from taskgroup.pipeline.wanted import Wanted

Array = NDArray[np.float64]
Trial = tuple[TrialSpec, TrialResult]


def measure_missing(desk: Desk, missing: Sequence[Wanted], crew: Crew, progress: Progress) -> dict[str, str]:
    """Train, look and keep what is missing; one training serves all measures of a sight.

    Returns:
        Why a measure failed, by name; the others are kept all the same.

    Raises:
        TrialError: A training failed.
    """
    by_sight: dict[str, list[Wanted]] = {}
    for wanted in missing:
        by_sight.setdefault(wanted.sees, []).append(wanted)
    specs = {sight: [_specs(desk, sight, group, seed) for seed in desk.seeds] for sight, group in by_sight.items()}
    waiting = [spec for per_seed in specs.values() for group in per_seed for spec in group]
    if not waiting:
        return {}
    progress.begin("measure", len(waiting))
    counter = itertools.count(1)
    done = {r.key: r for r in crew.all(waiting, lambda _: progress.advance(next(counter)))}
    failed: dict[str, str] = {}
    for sight, group in by_sight.items():
        trials = [[(spec, done[spec.key]) for spec in per_seed] for per_seed in specs[sight]]
        failed |= _keep(desk, sight, group, trials)
    progress.end(", ".join(f"{w.name}{' (failed)' * (w.name in failed)}" for w in missing))
    return failed


def _specs(desk: Desk, sight: str, group: Sequence[Wanted], seed: int) -> list[TrialSpec]:
    """Trials of one seed that show a sight: one, or for ``runs`` all-separate and a tournament of pairs."""
    tasks, stages = desk.names()
    names, train = tasks.names, desk.train
    make = Topology.separate if sight in ("features", "runs") else Topology.shared
    topologies = [make(names, stages)]
    options: dict[str, Any] = {"sees": sight, "affinities": [w.options for w in group]}
    if sight == "runs":
        topologies += [pair_topology(names, stages, pairs) for pairs in rounds(names)]
        options["affinities"] = []
    if sight == "probe":  # as the job's own measure step
        options |= desk.config.measure.model_dump(include={"every", "overhead", "stop", "min_looks"})
        train = train.model_copy(update={"n_checks": max(train.n_checks, MIN_CHECKS)})
    return [
        TrialSpec(
            job=desk.config.name,
            data=str(desk.folder.state()["data"]),
            step="measure",
            architecture=Architecture(topology=topology, head_size=desk.config.heads.size),
            seed=seed,
            train=train,
            measure=options,
        )
        for topology in topologies
    ]


def _keep(desk: Desk, sight: str, group: Sequence[Wanted], trials: Sequence[Sequence[Trial]]) -> dict[str, str]:
    """Results of all seeds to one file a measure.

    Args:
        desk: The folder.
        sight: What was shown.
        group: To which measures.
        trials: Specs and results, those of a seed together.

    Returns:
        Why a measure failed, by name.
    """
    total_s = sum(result.seconds for per_seed in trials for _, result in per_seed)
    if sight == "runs":
        views = [(per_seed[0][0].seed, _runs(desk, [result for _, result in per_seed])) for per_seed in trials]
        for wanted in group:
            desk.keep(wanted, [once(seed, wanted.measure(view)) for seed, view in views], (0.0, total_s))
        return {}
    look_s = np.sum([_seconds(desk.folder, result) for ((_, result),) in trials], axis=0)
    failed: dict[str, str] = {}
    for k, wanted in enumerate(group):
        if reason := _failure(desk.folder, k, trials):
            failed[wanted.name] = reason
            continue
        looks = [read_looks(desk.folder, spec, result, f".{k}") for ((spec, result),) in trials]
        desk.keep(wanted, looks, (float(look_s[k]), max(total_s - float(look_s.sum()), 0.0)))
    if failed:  # what failed does not count as done: the next call tries again
        for ((_, result),) in trials:
            desk.folder.forget(result)
    return failed


def _failure(folder: Folder, number: int, trials: Sequence[Sequence[Trial]]) -> str | None:
    """Why a measure failed under the first seed where it did."""
    for ((spec, result),) in trials:
        with np.load(folder.trials / str(result.file), allow_pickle=False) as file:
            if f"failed.{number}" in file.files:
                return f"{file[f'failed.{number}']} (seed {spec.seed})"
    return None


def _runs(desk: Desk, results: Sequence[TrialResult]) -> RunsView:
    tasks, stages = desk.names()
    return runs_view(tasks, stages, results[0], results[1:])


def _seconds(folder: Folder, result: TrialResult) -> Array:
    """Seconds that the trial spent in each measure."""
    with np.load(folder.trials / str(result.file), allow_pickle=False) as file:
        return np.asarray(file["seconds"])
