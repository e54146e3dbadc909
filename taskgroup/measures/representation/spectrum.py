"""Features as directions in the space of rows: centred, and in order of variance."""

import numpy as np
from scipy import linalg

from taskgroup.measures.views import Array

ROUNDING = 1e-9
"""A column that varies by less than this share of its size is constant: what is left is the mean's rounding."""

WEAK = 1e-6
"""A direction with a smaller singular value, relative to the first, may be rounding."""


def centred(features: Array) -> Array:
    """Features minus their means over rows, shape ``(N, F)``; constant columns become exactly zero."""
    found: Array = features - features.mean(axis=0)
    found[:, np.abs(found).max(axis=0) <= ROUNDING * np.abs(features).max(axis=0)] = 0.0
    return found


def spectrum(features: Array) -> tuple[Array, Array]:
    """Left singular vectors ``(N, K)`` and singular values ``(K,)`` of centred features, K = min(N, F), descending.

    By the smaller Gram matrix where there are more features than rows (flattened maps); directions weaker than 1e-8 of
    the first are then lost in rounding.
    """
    n_rows, n_features = features.shape
    if n_features <= n_rows:
        left, values, _ = linalg.svd(features, full_matrices=False)
        return left, values
    squares, left = linalg.eigh(features @ features.T)
    return left[:, ::-1], np.sqrt(np.maximum(squares[::-1], 0.0))


def compact(features: Array) -> Array:
    """Centred features in at most N columns, with the same inner products between rows."""
    if features.shape[1] <= features.shape[0]:
        return features
    left, values = spectrum(features)
    return left * values


def principal_axes(features: Array) -> tuple[Array, Array]:
    """Axes ``(F, K)`` of centred features and their singular values ``(K,)``, descending, without those near zero."""
    left, values = spectrum(features)
    live = values > WEAK * values[0]
    return features.T @ left[:, live] / values[live], values[live]


def main_directions(features: Array, variance: float, most: int) -> Array:
    """Orthonormal directions of centred features, the fewest that hold a share of their variance.

    Args:
        features: Shape ``(N, F)``.
        variance: Share to keep, in (0, 1].
        most: Upper limit of their number.

    Returns:
        Shape ``(N, K)``; K is 0 where the features are constant.
    """
    left, values = spectrum(features)
    return left[:, : min(count_holding(values[values > WEAK * values[0]], variance), max(most, 1))]


def count_holding(values: Array, variance: float) -> int:
    """How many of the leading singular values hold a share of their squares' sum; 0 of none."""
    held = np.cumsum(values**2)
    return int(np.searchsorted(held, variance * held[-1])) + 1 if len(held) else 0
