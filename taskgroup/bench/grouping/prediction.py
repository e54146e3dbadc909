"""Honest prediction quality: what an affinity says of pairs, less what it says of targets."""

import numpy as np
from scipy.stats import spearmanr

from taskgroup.bench.frame import Row
from taskgroup.bench.group_tables import GroupTable
from taskgroup.bench.grouping.covers import Array
from taskgroup.core.reliability import centred_rank_agreement

TASK_MEAN = "task mean"


def prediction_rows(name: str, table: GroupTable, perfect: float | None) -> list[Row]:
    """Agreement of each affinity of a table with the gains of its pairs; none for a table without affinities.

    Args:
        name: Of the table.
        table: With singles and pairs.
        perfect: What a perfect network scores, 0 for losses; None where that is unknown.
    """
    rows = []
    for unit, gains in pair_gains(table, perfect).items():
        means = task_means(gains)
        for predictor, matrix in {**table.affinity, TASK_MEAN: means}.items():
            own = predictor == TASK_MEAN
            rows.append(
                {
                    "part": "prediction",
                    "table": name,
                    "predictor": predictor,
                    "gain": unit,
                    "centred": None if own else _number(centred_rank_agreement(matrix, gains)),
                    "pooled": _number(pooled(matrix, gains)),
                    "entries": int((~np.isnan(matrix) & ~np.isnan(gains)).sum()),
                }
            )
    return rows if table.affinity else []


def pair_gains(table: GroupTable, perfect: float | None) -> dict[str, Array]:
    """What training ``source`` beside it brings to ``target``: matrices ``[source, target]``, NaN where not trained.

    ``relative``: ``1 - err_pair / err_single`` of the target, with the error of a perfect network 0, left out where no
    score is perfect; ``difference``: ``err_single - err_pair``.
    """
    n_tasks, scores = len(table.tasks), table.scores
    pairs, singles = np.full((n_tasks, n_tasks), np.nan), np.full(n_tasks, np.nan)
    for members, errors in zip(scores.members, scores.errors + (perfect or 0.0), strict=True):
        inside = np.flatnonzero(members)
        if len(inside) == 1:
            singles[inside[0]] = errors[inside[0]]
        elif len(inside) == 2:
            one, other = inside
            pairs[other, one], pairs[one, other] = errors[one], errors[other]
    relative = {} if perfect is None else {"relative": 1.0 - pairs / singles}
    return {**relative, "difference": singles - pairs}


def task_means(gains: Array) -> Array:
    """Each entry as the mean of its target's *other* entries: a guess that knows nothing of pairs.

    Shape ``(T, T)``, NaN where the gain is unknown or the target's only one.
    """
    known = ~np.isnan(gains)
    others = known.sum(axis=0) - known
    rest = np.nansum(gains, axis=0) - np.nan_to_num(gains)
    return np.where(known & (others > 0), rest / np.maximum(others, 1), np.nan)


def pooled(a: Array, b: Array) -> float:
    """Spearman's correlation over all entries at once; NaN where fewer than 3 are common or one is constant."""
    common = ~np.isnan(a) & ~np.isnan(b)
    if common.sum() < 3 or np.ptp(a[common]) == 0 or np.ptp(b[common]) == 0:
        return float("nan")
    return float(spearmanr(a[common], b[common]).statistic)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
