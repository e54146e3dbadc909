"""Edge weights of the similarity graph, from distances, and the gaps in its spectrum."""

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


def eigengaps(weights: Array) -> Array:
    """``g_k = λ_{k+1} - λ_k`` for k = 1 … T - 1, ``λ_1 ≤ … ≤ λ_T`` the eigenvalues of the normalized Laplacian.

    ``L = I - D^-½ W D^-½`` with W the weights off the diagonal and D their row sums. Of k groups that are hardly linked
    the first k eigenvalues are near 0 and the next is not: a large ``g_k`` speaks for k groups. Compare them from k = 2
    on: :func:`gaussian_kernel` gives even a far pair some weight, so that ``g_1`` is nearly always the widest. Gaps are
    0 or more and sum up to ``λ_T``, at most 2; they do not depend on the order of the tasks nor on the unit of the
    weights. O(T³).

    Args:
        weights: Positive and symmetric, shape ``(T, T)``; the diagonal is not used. See :func:`gaussian_kernel`.

    Returns:
        Shape ``(T - 1,)``; the k-th entry, counted from 1, is the gap after the k-th eigenvalue.

    Example:
        >>> pairs = np.kron(np.eye(2), np.ones((2, 2))) + 1e-9  # two pairs: eigenvalues 0, 0, 2, 2
        >>> np.round(eigengaps(pairs), 6).tolist()
        [0.0, 2.0, 0.0]

    Source:
        von Luxburg 2007, arXiv:0711.0189, section 8.3.
    """
    if len(weights) < 2:
        return np.zeros(0)
    edges = weights - np.diag(np.diag(weights))
    scale = 1.0 / np.sqrt(edges.sum(axis=1))
    eigenvalues = np.linalg.eigvalsh(np.eye(len(edges)) - edges * scale[:, None] * scale)
    return np.maximum(np.diff(eigenvalues), 0.0)
