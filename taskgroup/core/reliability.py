"""Reliability: how far matrices of affinities agree, and how far one agrees with itself."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.averaging import Average, average

Array = NDArray[np.float64]


def recipient_centred(matrix: Array) -> Array:
    """Each target's column less its mean over the *other* tasks: ``c[i, j] = a[i, j] - mean_{k≠j} a[k, j]``.

    Most of a raw affinity is a constant per target, which says nothing of whom to group with whom. Unknown entries
    (NaN) are left out of the means and stay NaN; the diagonal becomes NaN. Shape ``(..., T, T)``, axes source, target.
    """
    off = np.array(matrix, dtype=np.float64)
    off[..., np.arange(off.shape[-1]), np.arange(off.shape[-1])] = np.nan
    known = ~np.isnan(off)
    n_known = np.maximum(known.sum(axis=-2, keepdims=True), 1)
    means = np.where(known, off, 0.0).sum(axis=-2, keepdims=True) / n_known
    centred = off - means
    centred[np.abs(centred) <= 1e-12 * np.maximum(np.abs(means), 1e-300)] = 0.0  # round-off of a constant column
    return np.asarray(centred)


def centred_rank_agreement(a: Array, b: Array) -> float:
    """Recipient-centred Spearman correlation of two affinity matrices over their common known off-diagonal entries.

    ``ρ = Spearman(c(a), c(b))`` with ``c`` of :func:`recipient_centred`, both centred over the entries known in both.
    From -1 to 1, symmetric in ``a`` and ``b``; blind to constants per target and to the unit.

    Args:
        a: Shape ``(T, T)``, axes source, target; NaN where unknown.
        b: Same.

    Returns:
        NaN where fewer than 3 entries are known in both, or all centred entries of one matrix are equal.

    Raises:
        ValueError: If the matrices are not square or differ in shape.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape != b.shape:
        raise ValueError(f"`a` and `b` should be two square matrices of one shape, found {a.shape} and {b.shape}")
    common = ~np.isnan(a) & ~np.isnan(b) & ~np.eye(len(a), dtype=bool)
    if common.sum() < 3:
        return float("nan")
    first, second = (recipient_centred(np.where(common, matrix, np.nan))[common] for matrix in (a, b))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    from scipy.stats import spearmanr  # slow to import, and `import taskgroup` should be quick

    return float(spearmanr(first, second).statistic)


def split_half(samples: Sequence[Array], how: Average = "trimmed", trim: float = 0.1, n_blocks: int = 8) -> Array:
    """Agreement of the matrices of two interleaved halves of the looks, for each slice; shape ``(S + 1,)``.

    Each seed's looks are cut into ``n_blocks`` blocks of consecutive looks; odd blocks make one matrix, even blocks the
    other, each averaged as the whole would be. This is the reliability of *half* the looks; :func:`spearman_brown`
    gives that of all. NaN where no seed has two looks.

    Args:
        samples: One array per seed, shape ``(n_looks, S + 1, T, T)``.
        how: Average over the looks of a seed.
        trim: For ``trimmed``.
        n_blocks: Blocks per seed; so many that each still outlasts the correlation between looks.
    """
    halves = [[looks[_parity(len(looks), n_blocks) == side] for looks in samples if len(looks) > 1] for side in (0, 1)]
    if not halves[0]:
        return np.full(samples[0].shape[1], np.nan)
    odd, even = (average(np.stack([average(a, how, trim) for a in half]), "mean") for half in halves)
    return np.array([centred_rank_agreement(a, b) for a, b in zip(odd, even, strict=True)])


def _parity(n_looks: int, n_blocks: int) -> NDArray[np.int_]:
    n_blocks = min(n_blocks, n_looks - n_looks % 2)
    return np.arange(n_looks) * n_blocks // n_looks % 2


def spearman_brown(half: Array) -> Array:
    """Reliability of all looks from that of half of them: ``2 r / (1 + |r|)``.

    Source:
        Spearman 1910, doi:10.1111/j.2044-8295.1910.tb00206.x; Brown 1910, doi:10.1111/j.2044-8295.1910.tb00207.x. The
        modulus, which keeps negative values above -1, is ours.
    """
    return np.asarray(2.0 * half / (1.0 + np.abs(half)))


def seed_agreement(samples: Sequence[Array], how: Average = "trimmed", trim: float = 0.1) -> Array:
    """Mean agreement of the seeds' matrices, pair by pair, for each slice; shape ``(S + 1,)``; NaN with one seed."""
    matrices = [average(looks, how, trim) for looks in samples]
    found = [
        [centred_rank_agreement(a, b) for a, b in zip(one, other, strict=True)]
        for one, other in combinations(matrices, 2)
    ]
    return average(np.array(found), "mean") if found else np.full(samples[0].shape[1], np.nan)
