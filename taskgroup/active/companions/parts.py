"""How alike a task's companions are in two topologies, and what tasks have in common."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.active.companions.evidence import Array, Labels, companions

POWERS = (0.5, 1.0)
"""Powers of the number of companions by which their effects are divided: between a sum (0) and a mean (1)."""


@dataclass(frozen=True)
class Parts:
    """Prior covariances of one task's gain in two topologies, each for variance 1; all averaged over the stages.

    With ``A`` and ``B`` the task's companions at a stage:

    Attributes:
        pairs: By power g, ``|A ∩ B| / (|A| |B|)^g``: every companion has an effect of its own.
        crowd: ``|A ∩ B|² / (|A| |B|)``: so has every pair of companions.
        profile: 1 where the task has companions in both.
    """

    pairs: dict[float, Array]
    crowd: Array
    profile: Array


def same_copy(labels: Labels) -> NDArray[np.float32]:
    """1 for other tasks in the same copy, shape ``(T, N, T)`` from ``(N, T)``."""
    found = (labels.T[:, :, None] == labels[None]).astype(np.float32)
    tasks = np.arange(labels.shape[1])
    found[tasks, :, tasks] = 0.0
    return np.asarray(found)


def between(a: Labels, b: Labels) -> Parts:
    """Parts between topologies ``a``, shape ``(N, S, T)``, and ``b``, shape ``(M, S, T)``; each ``(T, N, M)``.

    Cost:
        ``O(S T² N M)`` multiplications.
    """
    n_stages = a.shape[1]
    sums: list[Array] = []
    for s in range(n_stages):
        common = (same_copy(a[:, s]) @ same_copy(b[:, s]).swapaxes(1, 2)).astype(np.float64)
        sizes = companions(a[:, s]).T[:, :, None] * companions(b[:, s]).T[:, None, :].astype(np.float64)
        both = np.maximum(sizes, 1.0)
        stage = [*(common / both**power for power in POWERS), common**2 / both, np.minimum(sizes, 1.0)]
        sums = [x + y / n_stages for x, y in zip(sums or [np.zeros_like(common)] * len(stage), stage, strict=True)]
    return Parts(dict(zip(POWERS, sums, strict=False)), *sums[len(POWERS) :])


def within(a: Labels) -> Parts:
    """The diagonal of :func:`between` ``a`` and itself, shape ``(T, N)``."""
    k = companions(a).transpose(2, 0, 1).astype(np.float64)
    some = (k > 0).astype(np.float64)
    pairs = {power: (some * np.maximum(k, 1.0) ** (1 - 2 * power)).mean(axis=-1) for power in POWERS}
    return Parts(pairs, some.mean(axis=-1), some.mean(axis=-1))


def columns(labels: Labels, power: float, affinity: Array | None) -> Array:
    """What tasks have in common: features whose weights all tasks share.

    Over the root of the number of stages: for every stage, whether a task has companions, and the logarithm of their
    number; then, averaged over the stages, each task as a companion; last, with an affinity, the companions'
    affinities averaged over the stages, and of each stage.

    Args:
        labels: Shape ``(N, S, T)``.
        power: g, effects of ``k`` companions are divided by ``k^g``.
        affinity: Centred, ``[stage, source, target]``, 0 where unknown and on the diagonal, shape ``(S, T, T)``.

    Returns:
        Shape ``(T, N, 2 S + T)``, with an affinity ``(T, N, 2 S + T + 1 + S)``.
    """
    n, n_stages, n_tasks = labels.shape
    k = companions(labels).transpose(2, 0, 1)
    shares, sizes = np.minimum(k, 1) / n_stages**0.5, np.log1p(k) / np.log(max(n_tasks, 2)) / n_stages**0.5
    met, liked = np.zeros((n_tasks, n, n_tasks)), []
    for s in range(n_stages):
        same = same_copy(labels[:, s]) / np.maximum(k[:, :, s, None], 1) ** power / n_stages
        met += same
        if affinity is not None:
            liked.append(np.einsum("tnj,jt->tn", same, affinity[s]))
    found = [shares, sizes, met]
    if affinity is not None:
        each = np.stack(liked, axis=-1)
        found += [each.sum(axis=-1, keepdims=True), each]
    return np.concatenate(found, axis=-1)
