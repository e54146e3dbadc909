"""Averaging: one figure per entry from the looks of several seeds, and how far it may be off."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Average = Literal["trimmed", "mean", "median"]

POOLED = 8.0
"""Degrees of freedom that the spread between seeds borrows from the other entries of its slice."""
_TAIL, _NORMAL = 0.95, 1.6448536269514722  # of two-sided 90 % intervals


@dataclass(frozen=True)
class Estimate:
    """Averages with their errors, all of shape ``(S + 1, T, T)``.

    Attributes:
        values: Averages; NaN where nothing was seen.
        stderr: Standard errors, widened such that ``values ± 1.645 stderr`` is a 90 % interval however few batches the
            error comes from; NaN where it cannot be told.
        counts: Looks behind each entry.
        effective: As many independent looks would be as sure: ``counts / τ``, τ the correlation time of the slice.
    """

    values: Array
    stderr: Array
    counts: NDArray[np.int64]
    effective: Array


def average(samples: Array, how: Average = "trimmed", trim: float = 0.1) -> Array:
    """Average over axis 0, NaN ignored; NaN where nothing was seen.

    ``trimmed`` cuts the share ``trim`` of what was seen from each end; ``mean`` nothing; ``median`` all but the middle.
    """
    kept = ~np.isnan(samples)
    ordered, n_seen = samples, kept.sum(axis=0)
    n_cut = _n_cut(n_seen, how, trim)
    if n_cut.any():
        ordered = np.sort(samples, axis=0)  # NaN go last
        rank = np.arange(len(samples)).reshape(-1, *([1] * (samples.ndim - 1)))
        kept = (rank >= n_cut) & (rank < n_seen - n_cut)
    total = np.where(kept, ordered, 0.0).sum(axis=0)
    n_kept = n_seen - 2 * n_cut
    return np.where(n_kept > 0, total / np.maximum(n_kept, 1), np.nan)


def clipped(samples: Array, trim: float) -> Array:
    """Samples with the share ``trim`` at each end of axis 0 set to the nearest one kept (winsorized); NaN stay."""
    n_seen = (~np.isnan(samples)).sum(axis=0)
    n_cut = _n_cut(n_seen, "trimmed", trim)
    if not n_cut.any():
        return samples
    ordered = np.sort(samples, axis=0)
    low = np.take_along_axis(ordered, n_cut[None], axis=0)
    high = np.take_along_axis(ordered, np.maximum(n_seen - n_cut - 1, 0)[None], axis=0)
    return np.asarray(np.clip(samples, low, high))


def estimate(samples: list[Array], how: Average = "trimmed", trim: float = 0.1, n_batches: int = 8) -> Estimate:
    """Average each seed's looks, then the seeds.

    Within a seed the error comes from batch means, see :func:`batch_variance`. Between seeds it comes from the spread
    ``B`` of their averages; with few seeds that is itself uncertain, so it is drawn towards what the slice says as a
    whole: ``(8 q W + (n - 1) B) / (7 + n)``, with ``W`` the error within the seeds, ``q`` the ratio of ``B`` to ``W``
    pooled over the slice, and ``n`` the seeds that saw the entry. The larger of this and ``W`` counts.

    Args:
        samples: One array per seed, shape ``(n_looks, S + 1, T, T)``; NaN where a pair was not seen.
        how: Average over the looks of a seed; over seeds it is the plain mean.
        trim: Share cut from each end, for ``trimmed``.
        n_batches: Runs of consecutive looks per seed.

    Source:
        Pooling of variances: Smyth 2004, doi:10.2202/1544-6115.1027.
    """
    per_seed = np.stack([average(a, how, trim) for a in samples])
    seen = np.stack([(~np.isnan(a)).sum(axis=0) for a in samples])
    parts = [batch_variance(a, how, trim, n_batches) for a in samples]
    n_seeds = np.maximum((~np.isnan(per_seed)).sum(axis=0), 1)  # of each entry: not every seed sees every pair
    within = average(np.stack([variance for variance, _ in parts]), "mean") / n_seeds
    freedom = np.stack([f for _, f in parts]).sum(axis=0)
    between = _variance(per_seed) / n_seeds
    counts = seen.sum(axis=0).astype(np.int64)
    stderr = np.sqrt(_combined(within, freedom, between, n_seeds - 1.0))
    time = correlation_time(samples, n_batches)
    return Estimate(average(per_seed, "mean"), stderr, counts, counts / time[:, None, None])


def batch_variance(samples: Array, how: Average, trim: float, n_batches: int) -> tuple[Array, Array]:
    """Squared standard error of an average over correlated looks, and its degrees of freedom.

    Consecutive looks are alike, so they are cut into ``n_batches`` runs whose own averages ``m_b`` are taken as
    independent: ``V = Σ w_b² (m_b - m)² / (1 - Σ w_b²)``, with ``w_b`` the share of what was seen that lies in run b.
    Degrees of freedom: ``1 / Σ w_b² - 1``. NaN and 0 where fewer than two runs saw the entry. Runs are too short to be
    trimmed themselves; theirs are means of the looks clipped where the whole is trimmed, over ``1 - 2 trim``.

    Source:
        Batch means: Flegal and Jones 2010, arXiv 0811.1729. Trimmed means: Tukey and McLaughlin 1963.
    """
    points = samples
    if how == "trimmed":
        n_seen = (~np.isnan(samples)).sum(axis=0)
        points = clipped(samples, trim) / (1.0 - 2.0 * _n_cut(n_seen, how, trim) / np.maximum(n_seen, 1))
    runs = np.array_split(points, min(n_batches, len(points)))
    means = np.stack([average(run, "median" if how == "median" else "mean") for run in runs])
    n_seen = np.stack([(~np.isnan(run)).sum(axis=0) for run in runs])
    weights = n_seen / np.maximum(n_seen.sum(axis=0), 1)
    known = np.where(n_seen > 0, means, 0.0)
    centre = (weights * known).sum(axis=0)
    alike = (weights**2).sum(axis=0)
    several = (n_seen > 0).sum(axis=0) > 1
    sums = (weights**2 * (known - centre) ** 2).sum(axis=0)
    variance = np.where(several, sums / np.where(several, 1.0 - alike, 1.0), np.nan)
    return variance, np.where(several, 1.0 / np.where(several, alike, 1.0) - 1.0, 0.0)


def correlation_time(samples: list[Array], n_batches: int = 8) -> Array:
    """Looks that are worth one independent look, at least 1; one figure per slice, shape ``(S + 1,)``.

    ``τ = mean of n V / s²`` over seeds and off-diagonal entries, with ``s²`` the variance of the ``n`` looks (their
    extreme tenths clipped) and ``V`` the batch-means variance of their mean.
    """
    ratios = []
    for looks in samples:
        steady = clipped(looks, 0.1)
        variance, _ = batch_variance(steady, "mean", 0.0, n_batches)
        spread = _variance(steady) / np.maximum((~np.isnan(steady)).sum(axis=0), 1)
        ratio = np.where(spread > 0, variance / np.where(spread > 0, spread, 1.0), np.nan)
        ratios.append(ratio if ratio.shape[-1] == 1 else _off_diagonal(ratio))
    pooled = average(np.stack(ratios).swapaxes(0, 1).reshape(len(ratios[0]), -1).T, "mean")
    return np.asarray(np.fmax(pooled, 1.0))


def _combined(within: Array, freedom: Array, between: Array, n_more: Array) -> Array:
    """Variance from within and between the seeds, widened for the degrees of freedom it rests on."""
    from scipy.special import stdtrit  # slow to import, and `import taskgroup` should be quick

    borrowed = np.where(np.isnan(within), 0.0, POOLED)
    own = np.where(np.isnan(between), 0.0, n_more)
    pooled = borrowed * _pooled_ratio(within, between) * np.nan_to_num(within) + own * np.nan_to_num(between)
    seeds = np.where((own > 0), pooled / np.maximum(borrowed + own, 1.0), np.nan)
    from_seeds = np.nan_to_num(seeds) > np.nan_to_num(within)
    from_seeds |= np.isnan(within)
    rests_on = np.where(from_seeds, np.where(borrowed > 0, np.minimum(freedom, borrowed + own), own), freedom)
    widening = stdtrit(np.maximum(rests_on, 1.0), _TAIL) / _NORMAL
    return np.asarray(np.fmax(within, seeds) * widening**2)


def _pooled_ratio(within: Array, between: Array) -> Array:
    """Ratio of ``between`` to ``within`` of each slice: the mean over its targets; 1 where nothing is known."""
    both = ~np.isnan(within) & ~np.isnan(between)
    if within.shape[-1] > 1:
        both &= ~np.eye(within.shape[-1], dtype=bool)
    above, below = (np.where(both, part, 0.0).sum(axis=-2) for part in (between, within))
    ratios = np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)
    return np.asarray(np.nan_to_num(average(ratios.T, "mean"), nan=1.0))[:, None, None]


def _off_diagonal(matrices: Array) -> Array:
    return np.where(np.eye(matrices.shape[-1], dtype=bool), np.nan, matrices)


def _n_cut(n_seen: NDArray[np.int_], how: Average, trim: float) -> NDArray[np.int_]:
    """How many of ``n_seen`` are cut from each end."""
    if how == "median":
        return np.maximum(n_seen - 1, 0) // 2
    return np.floor(trim * n_seen).astype(int) if how == "trimmed" else np.zeros_like(n_seen)


def _variance(stack: Array) -> Array:
    """Unbiased variance over axis 0, NaN ignored; NaN below two samples."""
    n_seen = (~np.isnan(stack)).sum(axis=0)
    squares = np.where(np.isnan(stack), 0.0, (stack - average(stack, "mean")) ** 2).sum(axis=0)
    return np.where(n_seen > 1, squares / np.maximum(n_seen - 1, 1), np.nan)
