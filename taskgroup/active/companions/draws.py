"""Draws of what sharing is worth, under which the gain of any topology is a sum over its copies."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from taskgroup.active.companions.evidence import Array, Labels
from taskgroup.active.companions.model import Member, Model
from taskgroup.active.companions.parts import between, same_copy
from taskgroup.active.companions.prior import Variances


@dataclass(frozen=True)
class Weights:
    """What sharing is worth, in mean gain.

    A copy of stage ``s`` with two tasks or more, ``G``, adds ``Σ_{t∈G} (single[s, t] + size[s, t] log |G|) +
    Σ_{t≠j∈G} pair[s, t, j] / (|G| - 1)^g``.

    Attributes:
        power: g.
        pair: Shape ``(S, T, T)``: target, companion; 0 on the diagonal.
        single: Shape ``(S, T)``.
        size: Shape ``(S, T)``.
    """

    power: float
    pair: Array
    single: Array
    size: Array

    def values(self, labels: Labels) -> Array:
        """Mean gain of topologies, shape ``(M,)`` from ``(M, S, T)``."""
        same = labels[..., :, None] == labels[..., None, :]
        k = same.sum(axis=-1) - 1
        pairs = np.einsum("mstj,stj->mst", same, self.pair) / np.maximum(k, 1) ** self.power
        return np.asarray(np.where(k > 0, self.single + self.size * np.log1p(k) + pairs, 0.0).sum(axis=(1, 2)))


def draws(model: Model, heat: Array, rng: np.random.Generator) -> list[Weights]:
    """A draw for each entry of ``heat``, shared out over the members by their weights.

    Args:
        model: Of the trials.
        heat: Factor of each draw's deviation from the posterior mean: 0 is the mean, 1 a draw, shape ``(n,)``.
        rng: Source of the draws.
    """
    ends = np.round(len(heat) * np.cumsum(model.weights)).astype(int)
    shares = np.split(heat, ends[:-1])
    return [
        w for m, share in zip(model.members, shares, strict=True) if len(share) for w in _draw(model, m, share, rng)
    ]


def _draw(model: Model, m: Member, heat: Array, rng: np.random.Generator) -> list[Weights]:
    """Shared weights from their posterior, then each task's own by Matheron's rule.

    That is a draw from the prior, corrected by what it misses of the trials. What pairs of companions do together is
    part of what is explained, not of the draw.

    Source:
        Wilson et al. 2020, arXiv:2002.09309 (pathwise conditioning).
    """
    v, labels = m.variances, model.seen.labels
    n_trials, n_stages, n_tasks = labels.shape
    warm = heat * m.scale**0.5
    white = rng.standard_normal((m.lower.shape[0], len(heat))) * warm
    b = m.shared[:, None] + solve_triangular(m.lower, white, lower=True, trans="T")
    own, alone = v.pairs / n_stages, v.pairs * v.profile / n_stages
    pair = rng.standard_normal((n_stages, n_tasks, n_tasks, len(heat))) * own**0.5 * warm
    single = rng.standard_normal((n_stages, n_tasks, len(heat))) * alone**0.5 * warm
    luck = rng.standard_normal((n_tasks, n_trials, len(heat))) * warm
    missed = m.missed(b) - _rest(model, v) @ luck
    seen = [_divided(labels[:, s], v.power) for s in range(n_stages)]
    for s, (divided, some) in enumerate(seen):
        missed -= divided @ pair[s] + some[..., None] * single[s][:, None]
    pull = m.own.inverse @ missed
    for s, (divided, some) in enumerate(seen):
        pair[s] += own * (divided.swapaxes(1, 2) @ pull)
        single[s] += alone * np.einsum("tn,tnd->td", some, pull)
    return _weights(model, v, pair, single, b)


def _divided(labels: Labels, power: float) -> tuple[Array, Array]:
    """Companions over ``k^g`` at one stage, shape ``(T, N, T)``, and whether there are any, shape ``(T, N)``."""
    same = same_copy(labels).astype(np.float64)
    k = same.sum(axis=2)
    return same / np.maximum(k, 1.0)[..., None] ** power, np.minimum(k, 1.0)


def _rest(model: Model, v: Variances) -> Array:
    """Root of the covariance of what a draw does not hold: crowds, the reference's luck, noise; ``(T, n, n)``."""
    labels, runs = model.seen.labels, model.seen.runs
    crowd = v.pairs * v.crowd * between(labels, labels).crowd
    return np.asarray(np.linalg.cholesky(crowd + v.level + np.diag(1.0 / runs)))


def _weights(model: Model, v: Variances, pair: Array, single: Array, b: Array) -> list[Weights]:
    """Shared weights and each task's own together; the draws are the last axis."""
    n_stages, n_tasks, n = single.shape
    companions = 2 * n_stages + n_tasks
    p = companions + (0 if model.affinity is None else 1 + n_stages)
    shape = (n_stages, n_tasks, p)
    shared = v.means(*shape)[:, None] + v.deviations(*shape)[:, None] * b[:p]
    worth = model.seen.spread / n_tasks
    single = single + shared[:n_stages, None] / n_stages**0.5
    size = shared[n_stages : 2 * n_stages, None] / (n_stages**0.5 * np.log(max(n_tasks, 2)))
    pair = pair + shared[2 * n_stages : companions] / n_stages
    if model.affinity is not None:
        trust = shared[companions] + shared[companions + 1 :]
        pair += trust[:, None, None] * model.affinity.swapaxes(1, 2)[..., None] / n_stages
    pair[:, np.arange(n_tasks), np.arange(n_tasks)] = 0.0
    pair *= worth[:, None, None]
    each = np.ascontiguousarray(pair.transpose(3, 0, 1, 2))
    return [Weights(v.power, each[d], single[..., d] * worth, size[..., d] * worth) for d in range(n)]
