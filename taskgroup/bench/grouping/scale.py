"""Time against the number of tasks, on planted groups: from affinities to groups, and from scores to covers."""

import statistics
import time
from collections.abc import Mapping, Sequence

from sklearn.metrics import adjusted_rand_score

from taskgroup.bench.frame import Row
from taskgroup.bench.grouping.planted import Planted
from taskgroup.core.affinity import Affinity
from taskgroup.groupers import GROUPERS
from taskgroup.pipeline.progress import Progress
from taskgroup.selection.selecting import select

SIZES = (5, 8, 12, 20, 27, 50, 100, 200, 500)
METHODS = ("hierarchical", "spectral", "affinity_propagation", "community")
AFFINITY_NOISE = 1.0
"""As large as the difference between a pair within a group and one across."""
SCORE_NOISE = 0.2
"""Half of what a task gains from all of its group."""
PROBLEMS = 3
"""Per number of tasks up to 100; beyond, one."""
CANDIDATES = 3000
PATIENCE_S = 20.0


def scale_rows(*, quick: bool, progress: Progress) -> list[Row]:
    """For each number of tasks a row per grouper and one for selection."""
    sizes = SIZES[:2] if quick else SIZES
    progress.begin("scale", len(sizes))
    rows: list[Row] = []
    for done, n_tasks in enumerate(sizes, 1):
        problems = [Planted.of(n_tasks, seed) for seed in range(1 if quick or n_tasks > 100 else PROBLEMS)]
        affinities = [problem.affinity(AFFINITY_NOISE) for problem in problems]
        rows += [_grouped(problems, affinities, method) for method in METHODS]
        rows.append(_selected(problems[0]))
        progress.advance(done)
    progress.end(f"{sizes[0]} to {sizes[-1]} tasks")
    return rows


def agreement(planted: Planted, groups: Sequence[Sequence[str]]) -> float:
    """Adjusted Rand index of groups and truth: 1 found, 0 chance."""
    where: Mapping[str, int] = {task: k for k, group in enumerate(groups) for task in group}
    return float(adjusted_rand_score(planted.labels, [where[task] for task in planted.tasks]))


def _grouped(problems: Sequence[Planted], affinities: Sequence[Affinity], method: str) -> Row:
    """Mean over problems of the proposal with the number of groups nearest to the true one; 0 where there is none."""
    options = {"method": method, "max_groups": problems[0].n_groups}
    found, seconds = [], []
    for planted, affinity in zip(problems, affinities, strict=True):
        started = time.perf_counter()
        proposals = GROUPERS.create(method, options)(affinity).proposals
        seconds.append(time.perf_counter() - started)
        groupings = [proposal.grouping.groups for proposal in proposals]
        groupings.sort(key=lambda groups: abs(len(groups) - planted.n_groups))
        found.append(agreement(planted, groupings[0]) if groupings else 0.0)
    return {
        "part": "scale_groupers",
        "tasks": len(problems[0].labels),
        "groups": problems[0].n_groups,
        "grouper": method,
        "ari": statistics.mean(found),
        "seconds": statistics.mean(seconds),
    }


def _selected(planted: Planted) -> Row:
    """The cover with as many networks as there are groups."""
    scores = planted.scores(CANDIDATES, SCORE_NOISE)
    started = time.perf_counter()
    cover = select(scores, networks=planted.n_groups, time_limit_s=PATIENCE_S)
    return {
        "part": "scale_selection",
        "tasks": len(planted.labels),
        "candidates": len(scores.cost),
        "networks": planted.n_groups,
        "ari": agreement(planted, [network.serves for network in cover.networks]),
        "gap": cover.gap / abs(cover.bound) if cover.bound else 0.0,
        "proven": cover.proven,
        "seconds": time.perf_counter() - started,
    }
