"""Gains of one set over all its seeds, with intervals over the final trainings."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from taskgroup.bench.frame import Row
from taskgroup.core.gain import Interval

LEVEL = 0.9


def pooled(rows: Sequence[Row]) -> Interval:
    """Mean gain against all-separate of one arm on one set."""
    return _interval([np.array(row["runs"]) for row in rows])


def advantage(rows: Sequence[Row], others: Sequence[Row]) -> Interval:
    """Mean gain of one arm less another's, paired by seed and final training."""
    theirs = {row["seed"]: np.array(row["runs"]) for row in others}
    return _interval([np.array(row["runs"]) - theirs[row["seed"]] for row in rows if row["seed"] in theirs])


def _interval(groups: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> Interval:
    """``mean ± t · s``: the mean over seeds of the means over their final trainings.

    ``s² = Σ_k s_k² / n_k / K²``, s_k the spread within seed k: the interval speaks of these splits of the rows, and of
    other initial weights and batches. Student's t with ``Σ (n_k - 1)`` degrees of freedom.
    """
    mean = float(np.mean([group.mean() for group in groups]))
    variance = sum(group.var(ddof=1) / len(group) for group in groups if len(group) > 1) / len(groups) ** 2
    freedom = sum(len(group) - 1 for group in groups)
    margin = float(stats.t.ppf(0.5 + LEVEL / 2, max(freedom, 1)) * variance**0.5)
    return Interval(mean=mean, low=mean - margin, high=mean + margin)
