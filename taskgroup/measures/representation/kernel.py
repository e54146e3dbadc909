"""Kernel matrices of features, centred, as vectors whose inner product is HSIC."""

from typing import Literal

import numpy as np
from scipy.spatial.distance import pdist, squareform

from taskgroup.measures.representation.spectrum import ROUNDING, centred, compact
from taskgroup.measures.views import Array

Kernel = Literal["linear", "rbf"]


def kernel_matrix(features: Array, kernel: Kernel, bandwidth: float) -> Array:
    """``K``, shape ``(N, N)``; zero where the features are constant.

    ``linear``: inner products of centred rows. ``rbf``: ``exp(-d² / 2σ²)``, σ being ``bandwidth`` times the median of
    the distances between rows that differ.
    """
    x = compact(centred(features))
    if kernel == "linear":
        return x @ x.T
    distances = pdist(x)
    if not distances.any():
        return np.zeros((len(x), len(x)))
    sigma = bandwidth * np.median(distances[distances > 0])
    matrix: Array = np.exp(-(squareform(distances) ** 2) / (2 * sigma**2))
    return matrix


def hsic_vector(matrix: Array, debiased: bool) -> Array:
    """A vector ``v`` of a kernel matrix, such that ``v_K · v_L`` estimates HSIC(K, L); shape ``(N (N + 1) / 2,)``.

    Biased: ``tr(K H L H) / (N - 1)²``, with ``H = I - 11ᵀ / N``. Debiased: ``(K* · L*) / (N (N - 3))``, where
    ``K*`` is centred without its diagonal (equal to the unbiased estimator of Song et al. 2012). For linear kernels
    both estimate the squared Frobenius norm of the features' cross-covariance.
    """
    n = len(matrix)
    found = _u_centred(matrix) if debiased else _centred(matrix)
    if np.linalg.norm(found) <= ROUNDING * np.linalg.norm(matrix):
        found = np.zeros_like(matrix)
    off = np.triu_indices(n, k=1)
    flat: Array = np.concatenate([np.diag(found), np.sqrt(2.0) * found[off]])
    return flat / float(np.sqrt(n * (n - 3) if debiased else (n - 1) ** 2))


def _centred(matrix: Array) -> Array:
    means = matrix.mean(axis=0)
    found: Array = matrix - means[:, None] - means[None, :] + means.mean()
    return found


def _u_centred(matrix: Array) -> Array:
    n = len(matrix)
    found: Array = matrix - np.diag(np.diag(matrix))
    sums = found.sum(axis=0)
    found -= (sums[:, None] + sums[None, :]) / (n - 2)
    found += sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(found, 0.0)
    return found
