"""Regret curve: how much of the gap each way of choosing groups closes, by the number of networks trained."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf
from multiprocessing import get_context

import numpy as np

from taskgroup.active import Asker
from taskgroup.bench.frame import Row
from taskgroup.bench.grouping.arms import AllPairsArm, LargerRandomArm, LargestFirstArm, LeaveOneOutArm, RandomArm
from taskgroup.bench.grouping.covers import FEW_TASKS, Covers, Judged
from taskgroup.bench.grouping.gap import Gap
from taskgroup.bench.grouping.predicting_arms import HoaArm, LinearArm
from taskgroup.core.cover import Group
from taskgroup.pipeline.progress import Progress

OURS = "taskgroup"

MakeArm = Callable[[Group, tuple[Group, ...], int, int], Asker]
"""Tasks, groups that may be asked for, largest number of networks and seed → arm."""

FEW_GROUPS = 40
"""Up to so many groups every number of trained networks is a point of the curve."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly tables of some size are run: large ones cost minutes a seed.

    Attributes:
        most_tasks: Largest number of tasks that this is for.
        multiples: Points of the curve where there are many groups, in costs of all pairs; 21 / 16 is 21 networks where
            all pairs of five tasks cost 16.
        at_once: Networks that a method is asked for at a time.
        seeds: Of methods that take a moment.
        seeds_slow: Of the others.
    """

    most_tasks: float
    multiples: tuple[float, ...]
    at_once: int
    seeds: int
    seeds_slow: int


EFFORTS = (
    Effort(8, (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.15, 21 / 16, 1.5, 1.75, 2), 1, 40, 20),
    Effort(FEW_TASKS, (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.15, 21 / 16, 1.5), 4, 20, 8),
    Effort(inf, (0.1, 0.25, 0.5, 1), 16, 2, 2),
)


def all_pairs_cost(n_tasks: int) -> int:
    """Networks of all together, singles and pairs: ``1 + T + T (T - 1) / 2``; 16 of 31 for five tasks."""
    return 1 + n_tasks + n_tasks * (n_tasks - 1) // 2


def effort(n_tasks: int) -> Effort:
    """The effort for a table of so many tasks."""
    return next(one for one in EFFORTS if n_tasks <= one.most_tasks)


def checkpoints(n_tasks: int, n_groups: int) -> list[int]:
    """Numbers of trained networks at which the gap is measured."""
    if n_groups <= FEW_GROUPS:
        return list(range(1, n_groups + 1))
    wanted = {round(all_pairs_cost(n_tasks) * multiple) for multiple in effort(n_tasks).multiples}
    return sorted(n for n in wanted if n <= n_groups)


def _tpe(encoding: str) -> MakeArm:
    def make(tasks: Group, groups: tuple[Group, ...], max_networks: int, seed: int) -> Asker:
        from taskgroup.search import tpe_groups  # optuna is slow to import

        return tpe_groups.TpeGroups(tasks, groups, max_networks, seed, getattr(tpe_groups, encoding))

    return make


def _ours(tasks: Group, groups: tuple[Group, ...], max_networks: int, seed: int) -> Asker:
    from taskgroup.active.explorer import Explorer

    return Explorer(tasks, candidates=groups, max_networks=max_networks, seed=seed)


@dataclass(frozen=True)
class Method:
    """An arm, and whether it thinks for longer than a moment."""

    make: MakeArm
    slow: bool = False

    def n_seeds(self, n_tasks: int, quick: bool) -> int:
        """How many seeds."""
        if quick:
            return 2
        return effort(n_tasks).seeds_slow if self.slow else effort(n_tasks).seeds


METHODS: dict[str, Method] = {
    OURS: Method(_ours, slow=True),
    "random": Method(RandomArm),
    "random_3plus": Method(LargerRandomArm),
    "all_pairs": Method(AllPairsArm),
    "hoa": Method(HoaArm, slow=True),
    "largest_first": Method(LargestFirstArm),
    "leave_one_out_first": Method(LeaveOneOutArm),
    "linear": Method(LinearArm, slow=True),
    "tpe_partitions": Method(_tpe("partition"), slow=True),
    "tpe_covers": Method(_tpe("cover"), slow=True),
}


def measured_order(arm: Asker, judged: Judged, n: int) -> list[int]:
    """Rows of the first ``n`` networks that an arm asks for and is told of, some at once; fewer if it stops."""
    where = {group: row for row, group in enumerate(judged.groups)}
    order: list[int] = []
    at_once = effort(len(judged.tasks)).at_once
    while len(order) < n and (requests := arm.ask(min(at_once, n - len(order)))):
        for request in requests:
            row = where[request.group]
            errors = {t: float(judged.val[row, k]) for k, t in enumerate(judged.tasks) if judged.members[row, k]}
            arm.tell(request.group, errors, request.seed)
            order.append(row)
    return order


def regret_rows(name: str, judged: Judged, *, quick: bool, workers: int, progress: Progress) -> list[Row]:
    """A row per method and number of networks, or one that says why there is none."""
    sizes = judged.members.sum(axis=1)
    if len(judged.tasks) < 3 or sizes.max() < 3:
        return [_none(name, "no groups beyond pairs: what larger networks reach cannot be looked up")]
    gap = Gap.of(Covers(judged))
    if not gap.open:
        return [_none(name, "no structure: on the reported split no choice of groups is better than the base")]
    points = checkpoints(len(judged.tasks), len(judged.groups))
    counts = {method: of.n_seeds(len(judged.tasks), quick) for method, of in METHODS.items()}
    progress.begin(f"regret curve of {name}", len(METHODS))
    rows: list[Row] = []
    with _pool(min(workers, len(METHODS))) as pool:
        curves = pool.map(partial(_curve, name, gap, points), METHODS, counts.values())
        for done, curve in enumerate(curves, 1):
            rows += curve
            progress.advance(done)
    progress.end(f"{len(points)} points, {len(METHODS)} methods")
    return rows


def _pool(workers: int) -> Executor:
    """Other processes, or this one's only thread."""
    if workers == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _none(name: str, why: str) -> Row:
    return {"part": "left_out", "table": name, "what": "regret curve", "why": why}


def _curve(name: str, gap: Gap, points: Sequence[int], method: str, n_seeds: int) -> list[Row]:
    judged, started, asked = gap.covers.judged, time.perf_counter(), 0
    measured = np.zeros((n_seeds, len(points), len(judged.groups)), dtype=bool)
    for seed in range(n_seeds):
        order = measured_order(
            METHODS[method].make(judged.tasks, judged.groups, judged.max_networks, seed), judged, points[-1]
        )
        asked += len(order)
        for at, n in enumerate(points):
            measured[seed, at, order[:n]] = True
    seconds = (time.perf_counter() - started) / max(asked, 1)
    closed = gap.closed(measured)
    return [
        {
            "part": "regret",
            "table": name,
            "method": method,
            "measured": n,
            "gap_closed": float(closed[:, at].mean()),
            "gap_closed_p10": float(np.quantile(closed[:, at], 0.1)),
            "seeds": n_seeds,
            "groups": len(judged.groups),
            "tasks": len(judged.tasks),
            "asked_at_once": effort(len(judged.tasks)).at_once,
            "seconds_per_network": seconds,
        }
        for at, n in enumerate(points)
    ]
