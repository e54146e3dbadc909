"""How much of a claimed gain survives: covers chosen on some seeds, scored on the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from taskgroup.bench.frame import Row
from taskgroup.bench.group_tables import GroupTable
from taskgroup.bench.grouping.base import Base
from taskgroup.bench.grouping.covers import FEW_TASKS, MOST_NETWORKS, Array, Covers, Judged, Mask
from taskgroup.core.cover import Group

COVERS = 2000
"""Random covers of each number of networks, whose mean is taken for every split anew."""
SPLITS = 40
"""Splits of the seeds for each number of selecting seeds, or all where there are fewer."""


@dataclass(frozen=True)
class _Seeds:
    """Errors by seed on both splits, shapes ``(R, G, T)``, seeds that a group lacks left out."""

    val: Array
    test: Array


def survival_rows(name: str, val: GroupTable, test: GroupTable, *, quick: bool) -> list[Row]:
    """A row per number of selecting seeds and of networks; none for a table without replicates.

    For each split of the seeds the cover and its base are chosen on the selecting seeds' mean errors on ``val``. The
    *claimed* gain is ``(base - total) / base`` there, the *surviving* gain that of the same choices on the mean errors
    of the other seeds on ``test``.
    """
    seeds = _seeds(val, test)
    if seeds is None or len(val.tasks) > FEW_TASKS:
        return []
    full = val.scores.cost == 1
    members = val.scores.members[full]
    seeds = _Seeds(seeds.val[:, full], seeds.test[:, full])
    n_seeds, base = len(seeds.val), Base(members, min(len(val.tasks), MOST_NETWORKS), most=COVERS)
    rows = []
    for n_selecting in sorted({1, 2, n_seeds // 2, n_seeds - n_seeds // 4} - {0, n_seeds}):
        splits = _splits(n_seeds, n_selecting, 3 if quick else SPLITS)
        found = np.array([_gains(val.tasks, members, base, seeds, split) for split in splits])
        rows += [
            _row(name, k + 1, n_selecting, n_seeds - n_selecting, found[:, :, k])
            for k in range(1, found.shape[2])
            if np.isfinite(found[:, :, k]).all()
        ]
    return rows


def _seeds(val: GroupTable, test: GroupTable) -> _Seeds | None:
    if val.replicates is None or len(val.replicates) < 2:
        return None
    other = val.replicates if test.replicates is None else test.replicates
    if len(other) != len(val.replicates):
        return None
    known = [
        bool(np.isfinite(one[val.scores.members]).all() and np.isfinite(two[val.scores.members]).all())
        for one, two in zip(val.replicates, other, strict=True)
    ]
    return _Seeds(val.replicates[known], other[known]) if sum(known) > 1 else None


def _splits(n_seeds: int, n_selecting: int, most: int) -> list[tuple[int, ...]]:
    """The selecting seeds of each split: all choices where there are few, else different random ones."""
    if comb(n_seeds, n_selecting) <= most:
        return list(combinations(range(n_seeds), n_selecting))
    rng = np.random.default_rng(0)
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < most:
        drawn[tuple(sorted(int(seed) for seed in rng.choice(n_seeds, n_selecting, replace=False)))] = None
    return list(drawn)


def _gains(tasks: Group, members: Mask, base: Base, seeds: _Seeds, selecting: Sequence[int]) -> list[Array]:
    """Claimed and surviving gain for 1 … K networks."""
    others = [seed for seed in range(len(seeds.val)) if seed not in selecting]
    val, held_out = seeds.val[list(selecting)].mean(axis=0), seeds.test[others].mean(axis=0)
    gains = []
    for test in (val, held_out):
        covers = Covers(Judged(tasks, members, val, test))
        start, total = base.totals(covers), covers.reported(np.ones(len(members), dtype=bool))
        known = np.isfinite(start) & np.isfinite(total)
        gains.append(np.where(known, (start - total) / np.abs(np.where(known, start, 1.0)), np.nan))
    return gains


def _row(name: str, n_networks: int, n_selecting: int, n_held_out: int, gains: Array) -> Row:
    """``gains`` have shape ``(splits, 2)``: claimed, surviving."""
    claimed, survived = (float(mean) for mean in gains.mean(axis=0))
    return {
        "part": "replicates",
        "table": name,
        "networks": n_networks,
        "selecting_seeds": n_selecting,
        "held_out_seeds": n_held_out,
        "splits": len(gains),
        "claimed": claimed,
        "survived": survived,
        "share": survived / claimed if claimed > 0 else None,
        "survived_p10": float(np.quantile(gains[:, 1], 0.1)),
    }
