"""Separation: by how many standard errors tasks of a group are more alike than tasks of different groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taskgroup.core.affinity import Affinity, Array, Symmetrization, symmetrized
from taskgroup.core.reliability import recipient_centred
from taskgroup.groupers.cuts import Cuts
from taskgroup.groupers.pairs import DECIMALS


@dataclass(frozen=True)
class Noisy:
    """Similarities of several draws with their variances, tasks in name order.

    Attributes:
        similarity: ``Affinity.similarity`` rounded to ``DECIMALS``, shape ``(B, S, T, T)``.
        spread: Its unit, shape ``(B, S)``; similarities alone do not tell weak evidence from strong.
        variance: Of ``similarity`` times ``spread``, the same for all draws, shape ``(S, T, T)``.
    """

    similarity: Array
    spread: Array
    variance: Array

    @classmethod
    def of(cls, values: Array, variance: Array, how: Symmetrization) -> "Noisy":
        """From affinities in name order, shape ``(B, S, T, T)``, axes draw, stage, source, target; NaN is unknown."""
        centred = recipient_centred(values)
        known = ~np.isnan(centred)
        squares = np.where(known, centred, 0.0) ** 2
        spread = np.sqrt(squares.sum(axis=(2, 3)) / np.maximum(known.sum(axis=(2, 3)), 1))
        spread = np.where(spread > 0, spread, 1.0)
        similarity = symmetrized(centred / spread[:, :, None, None], how)
        return cls(np.round(similarity, DECIMALS) + 0.0, spread, variance)


def observed(affinity: Affinity, stages: Sequence[str], how: Symmetrization) -> Noisy:
    """The affinity itself as a single draw."""
    by_name = affinity.reordered(sorted(affinity.tasks))
    at = [by_name.stages.index(stage) for stage in stages]
    return Noisy.of(by_name.values[None, at], pair_variance(by_name.values[at], by_name.bars()[at]), how)


def pair_variance(values: Array, bars: Array) -> Array:
    """Variance of the mean of a pair's two directions: ``(e_ij² + e_ji²) / 4``, ``e²`` where one alone is known.

    Args:
        values: Affinities, NaN where unknown, shape ``(..., T, T)``.
        bars: Their standard errors ``e``, of the same shape.

    Returns:
        Symmetric, zero diagonal, 0 for pairs unknown in both directions.
    """
    off = ~np.isnan(values) & ~np.eye(values.shape[-1], dtype=bool)
    squares = np.where(off, bars, 0.0) ** 2
    n_known = np.maximum(off.astype(int) + off.swapaxes(-1, -2), 1)
    return np.asarray((squares + squares.swapaxes(-1, -2)) / n_known**2)


def cut_separations(cuts: Cuts, noisy: Noisy) -> Array:
    """``z_k`` for every cut into k = 2 … T - 1 groups, at the first stage, shape ``(B, T - 2)``.

    ``z = (mean s within - mean s across) / sqrt(Σ v within / n_within² + Σ v across / n_across²)``, sums over the pairs
    of tasks within a group and across groups, v the variance of s, pairs taken as independent. O(B T²).
    """
    sums = _sums(cuts, noisy)[..., 0]
    within = sums.cumsum(axis=2)[:, :, :-1][:, :, ::-1]  # the cut into k groups keeps the first T - k merges
    return _standardized(within, sums.sum(axis=2, keepdims=True) - within, noisy.spread[:, :1])


def branch_separations(cuts: Cuts, noisy: Noisy) -> Array:
    """``z`` of each merge at each stage, shape ``(B, T - 1, S)``: how clearly its two sides should part there.

    Pairs within either side are held against those across, in standard errors; of two single tasks, which have no pair
    within, all other pairs of the matrix are. 0 at most where the two sides are as alike as the mean pair of the matrix
    or more: with exact measurements even the smallest difference is clear, and that alone is no reason to part.
    O(B S T²).
    """
    across = _sums(cuts, noisy)
    everything = across.sum(axis=2, keepdims=True)
    within = np.stack([cuts.inside(part) for part in across])
    within = np.where(within[2] > 0, within, everything - across)
    separations = _standardized(within, across, noisy.spread[:, None, :])
    mean = across[0] / across[2] - everything[0] / everything[2]
    return np.where(np.round(mean, DECIMALS) < 0, separations, np.minimum(separations, 0.0))


def _sums(cuts: Cuts, noisy: Noisy) -> Array:
    """Sums across each merge of similarity, variance and 1, shape ``(3, B, T - 1, S)``."""
    similarity = np.moveaxis(noisy.similarity, 1, -1)
    same = (np.moveaxis(noisy.variance, 0, -1), np.ones(noisy.variance.shape[1:])[..., None])
    channels = [similarity, *(np.broadcast_to(part, (len(cuts), *part.shape)) for part in same)]
    across = cuts.across(np.concatenate(channels, axis=-1))
    n_stages = len(noisy.variance)
    number = np.broadcast_to(across[..., -1:], across[..., :n_stages].shape)
    return np.stack([across[..., :n_stages], across[..., n_stages:-1], number])


def _standardized(within: Array, across: Array, spread: Array) -> Array:
    """From sums of similarity, of variance, and numbers of pairs, along the first axis."""
    n_within, n_across = np.maximum(within[2], 1.0), np.maximum(across[2], 1.0)
    difference = np.where(within[2] > 0, within[0] / n_within - across[0] / n_across, 0.0)
    error = np.sqrt(np.maximum(within[1] / n_within**2 + across[1] / n_across**2, 0.0))
    clear = np.round(difference, DECIMALS) * spread
    return np.asarray(clear / np.maximum(error, spread * 10.0**-DECIMALS))
