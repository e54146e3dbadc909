"""Edge weights of the similarity graph, from distances."""

import numpy as np

from taskgroup.core.affinity import Array

FLOOR = 1e-6
"""Smallest weight, so that the graph stays connected however far apart two groups are."""


def gaussian_kernel(distances: Array) -> Array:
    """``w_ij = max(exp(-d_ij² / 2σ²), 1e-6)``, σ the median distance of the pairs (their mean where that is 0).

    Weights lie in (0, 1], symmetric, 1 on the diagonal, and do not depend on the unit of d. Where all distances are 0
    all weights are 1.

    Args:
        distances: Symmetric, not negative, zero diagonal, shape ``(T, T)``.

    Returns:
        Shape ``(T, T)``.

    Example:
        >>> gaussian_kernel(np.array([[0.0, 2.0], [2.0, 0.0]]))[0, 1] == np.exp(-0.5)
        np.True_

    Source:
        Median heuristic: Garreau, Jitkrittum and Kanagawa 2017, arXiv:1707.07269.
    """
    off_diagonal = distances[np.triu_indices(len(distances), 1)]
    if not off_diagonal.any():
        return np.ones_like(distances)
    width = float(np.median(off_diagonal)) or float(off_diagonal.mean())
    return np.maximum(np.exp(-0.5 * (distances / width) ** 2), FLOOR)
