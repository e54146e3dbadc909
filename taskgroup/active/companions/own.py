"""Every task's trials on their own, and what they have to say of the weights that tasks share."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from taskgroup.active.companions.evidence import Array, Evidence
from taskgroup.active.companions.parts import Parts
from taskgroup.active.companions.prior import Variances


@dataclass(frozen=True)
class Own:
    """What each task's trials say of it, which does not depend on the luck of the trials.

    Attributes:
        deviations: D, standard deviations of the shared weights, shape ``(P,)``.
        mask: 1 for cells that were seen, shape ``(T, n)``.
        columns: X, 0 where unseen, shape ``(T, n, P)``.
        residual: ``z - X m``, shape ``(T, n)``.
        inverse: K⁻¹ of each task's covariance of the trials, 0 where unseen, shape ``(T, n, n)``.
        log_det: Of all K.
        gram: ``Σ_t [X, 1]ᵀ K⁻¹ [X, 1]``, shape ``(P + n, P + n)``.
        pull: ``Σ_t [X, 1]ᵀ K⁻¹ residual``, shape ``(P + n,)``.
        quadratic: ``Σ_t residualᵀ K⁻¹ residual``.
    """

    deviations: Array
    mask: Array
    columns: Array
    residual: Array
    inverse: Array
    log_det: float
    gram: Array
    pull: Array
    quadratic: float

    @classmethod
    def of(cls, v: Variances, seen: Evidence, parts: Parts, shared: Array) -> "Own":
        """From the parts and the columns of the trials' topologies.

        Cost:
            ``O(T n³ + T n² P + T n P²)``.
        """
        n, n_stages, n_tasks = seen.labels.shape
        mask = seen.seen.T.astype(np.float64)
        both = mask[:, :, None] * mask[:, None, :]
        covariance = (v.own(parts) + v.level) * both
        covariance[:, np.arange(n), np.arange(n)] += np.where(mask > 0, 1.0 / seen.runs, 1.0)
        inverse, log_det = _inverted(covariance)
        inverse *= both
        shape = (n_stages, n_tasks, shared.shape[2])
        known = shared * mask[..., None]
        residual = (seen.z.T - shared @ v.means(*shape)) * mask
        solved, left = inverse @ known, (inverse @ residual[..., None])[..., 0]
        across = solved.sum(axis=0)
        flat = (n * n_tasks, shared.shape[2])
        gram = np.block([[known.reshape(flat).T @ solved.reshape(flat), across.T], [across, inverse.sum(axis=0)]])
        pull = np.concatenate([known.reshape(flat).T @ left.ravel(), left.sum(axis=0)])
        quadratic = float((residual * left).sum())
        return cls(v.deviations(*shape), mask, known, residual, inverse, log_det, gram, pull, quadratic)


def _inverted(matrices: Array) -> tuple[Array, float]:
    """Inverses of positive definite matrices, shape ``(T, n, n)``, and the sum of their log determinants."""
    found, log_det = np.empty_like(matrices), 0.0
    for t, matrix in enumerate(matrices if matrices.size else ()):
        factor, _ = lapack.dpotrf(matrix, lower=1, clean=1)
        log_det += 2.0 * float(np.log(np.diag(factor)).sum())
        below = np.tril(lapack.dpotri(factor, lower=1)[0])
        found[t] = below + np.tril(below, -1).T
    return found, log_det
