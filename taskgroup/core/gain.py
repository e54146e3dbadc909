"""Gain: the mean over tasks of the relative error reduction, and its intervals as data."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import Frozen

Array = NDArray[np.float64]

TINY = 1e-12
"""Ratios below count as this."""


class Interval(Frozen):
    """An estimate with a two-sided interval."""

    mean: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0

    def percent(self) -> str:
        """For people: ``+1.2 % [-0.3, +2.7]``."""
        mean, low, high = (round(100 * x, 1) + 0.0 for x in (self.mean, self.low, self.high))  # no negative zeros
        return f"{mean:+.1f} % [{low:+.1f}, {high:+.1f}]"


def task_gains(errors: Array, reference: Array) -> Array:
    """Gain of each task, ``1 - mean_s err / mean_s err_reference``; 0.1 means a tenth of the error is gone.

    Args:
        errors: Positive errors, shape ``(..., n_seeds, n_tasks)``.
        reference: Errors of the reference under the same seeds, same shape.

    Returns:
        Shape ``(..., n_tasks)``.
    """
    return np.asarray(1.0 - errors.mean(axis=-2) / reference.mean(axis=-2))


def mean_gain(errors: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """What search compares single runs by: 1 less the geometric mean over tasks of ``err / err_reference``.

    In one run a task's error may be small by luck, and another run's many times as large: in the arithmetic mean of
    ratios that task alone decides. Nearly the mean of the tasks' gains where these are small.

    Source: Fleming and Wallace 1986, doi:10.1145/5666.5673, on means of ratios.
    """
    ratios = np.array([errors[t] / reference[t] for t in reference])
    return float(1.0 - np.exp(np.log(np.maximum(ratios, TINY)).mean()))
