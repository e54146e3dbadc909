"""Errors of different tasks on one scale."""

from dataclasses import dataclass

import numpy as np

from taskgroup.core.cover import Array

RANGE = 1e3
"""Errors that are all positive and span less than this factor are compared by their logarithms."""


@dataclass(frozen=True)
class Standard:
    """Centre and spread of each task.

    Attributes:
        log: Whether logarithms are compared: errors are ratios then, and never fall below 0.
        centre: Shape ``(T,)``.
        spread: Shape ``(T,)``.
    """

    log: bool
    centre: Array
    spread: Array

    @classmethod
    def of(cls, errors: Array) -> "Standard":
        """From the measured errors, shape ``(G, T)``, NaN where a group has not the task; one never seen is as others.

        The spread of a task that was seen in few groups borrows from the others' median spread, two groups' worth.
        Spreads in a task's own unit are compared relative to its mean size.
        """
        known = np.isfinite(errors)
        log = bool((errors[known] > 0).all() and errors[known].max() < RANGE * errors[known].min())
        values = np.log(errors) if log else errors
        n = known.sum(axis=0)
        overall = float(values[known].mean())
        centre = np.where(n > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(n, 1), overall)
        squares = np.where(known, (values - centre) ** 2, 0.0).sum(axis=0)
        unit = np.ones(len(n)) if log else np.abs(np.where(centre == 0.0, 1.0, centre))
        seen = (n > 1) & (squares > 0)
        typical = float(np.median(squares[seen] / (n[seen] - 1) / unit[seen] ** 2)) if seen.any() else 0.05**2
        spread = np.sqrt((squares + 2.0 * typical * unit**2) / (np.maximum(n - 1, 0) + 2.0))
        return cls(log, centre, spread)

    def to(self, errors: Array) -> Array:
        """Standardized errors."""
        return np.asarray(((np.log(errors) if self.log else errors) - self.centre) / self.spread)

    def back(self, standard: Array) -> Array:
        """Errors from standardized ones."""
        values = self.centre + self.spread * standard
        return np.exp(values) if self.log else np.asarray(values)

    def variances(self, errors: Array, variance: Array) -> Array:
        """Variances of standardized errors from those of the errors, by the slope of :meth:`to`; same shape."""
        slope = 1.0 / np.where(np.isfinite(errors), errors, 1.0) if self.log else np.ones_like(errors)
        return np.asarray(variance * (slope / self.spread) ** 2)
