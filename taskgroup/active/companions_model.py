"""The model of a task's gain: what its companions at each stage do to it, what tasks have in common, and luck."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, lapack

from taskgroup.active.companions_evidence import Array, Evidence
from taskgroup.active.companions_parts import POWERS, Parts, between, columns
from taskgroup.core.task import Frozen

NEGLIGIBLE = 0.05
"""Members of the grid with less weight are left out."""
MANY = 3000
"""Cells (trials times tasks with companions) from which the grid is gone through one variance after the other."""
CALM = (3.0, 3.0)
"""Shape and rate of the inverse gamma prior of the factor that all variances have in common."""


class Variances(Frozen):
    """Prior variances of the parts of a gain, in units of the noise of one trial of one task.

    Attributes:
        pairs: What its companions do to one task.
        power: g, effects of ``k`` companions are divided by ``k^g``.
        luck: What all tasks of one trial have in common.
        crowd: What pairs of companions do, relative to ``pairs``.
        profile: That one task shares a stage at all, relative to ``pairs``.
        source: What one companion does to all, relative to ``pairs``.
        stage: That a stage is shared, and by how many, for all tasks.
        level: The luck of a task's reference, which is no gain.
        trust: Mean of the affinity's weight, relative to the root of ``pairs``.
        doubt: Its standard deviation, as a share of its mean; that of a stage's own weight is half as large.
    """

    pairs: float = 0.4
    power: float = 1.0
    luck: float = 0.05
    crowd: float = 0.3
    exact: float = 0.3
    profile: float = 0.3
    source: float = 0.3
    stage: float = 0.5
    level: float = 1.0
    trust: float = 0.5
    doubt: float = 2.0

    def own(self, parts: Parts) -> Array:
        """Covariance of what is one task's own."""
        return self.pairs * (parts.pairs[self.power] + self.crowd * parts.crowd + self.exact * parts.exact + self.profile * parts.profile)

    def deviations(self, n_stages: int, n_tasks: int, n_columns: int) -> Array:
        """Standard deviations of the shared weights, in the order of :func:`columns`, shape ``(n_columns,)``."""
        trust = self.trust * self.doubt * self.pairs**0.5
        sizes = [2 * n_stages, n_tasks, 1, n_stages]
        values = [self.stage**0.5, (self.source * self.pairs) ** 0.5, trust, trust / 2]
        return np.repeat(values, sizes)[:n_columns]

    def means(self, n_stages: int, n_tasks: int, n_columns: int) -> Array:
        """Means of the shared weights: 0 but for the affinity's, shape ``(n_columns,)``."""
        at = np.arange(n_columns) == 2 * n_stages + n_tasks
        return np.where(at, self.trust * self.pairs**0.5, 0.0)


GRID = tuple(Variances(pairs=p, power=g) for p in (0.02, 0.1, 0.4, 1.5) for g in POWERS)
"""Variances among which the evidence decides, each with every ``LUCK``."""
LUCK = (0.02, 0.25)


@dataclass(frozen=True)
class Member:
    """The posterior under one choice of variances.

    ``z = X (m + D b) + f + noise`` with shared weights ``m + D b``, ``b ~ N(0, 1)``, and ``f`` each task's own.

    Attributes:
        variances: The choice.
        evidence: Log marginal likelihood up to a constant.
        scale: Common factor of all variances.
        own: What each task's trials say of it.
        factors: D, and for each trial the standard deviation of its luck, shape ``(P + n,)``.
        lower: Cholesky factor of the precision of ``b``, shape ``(P + n, P + n)``.
        shared: Posterior mean of ``b``, shape ``(P + n,)``.
    """

    variances: Variances
    evidence: float
    scale: float
    own: "_Own"
    factors: Array
    lower: Array
    shared: Array

    @classmethod
    def of(cls, v: Variances, own: "_Own", seen: Evidence) -> "Member":
        """Condition on the evidence.

        Given the shared weights the tasks are independent, so that no matrix is larger than the number of trials or of
        shared weights (Woodbury's identity).
        """
        factors = np.concatenate([own.deviations, (v.luck / seen.runs) ** 0.5])
        lower = cholesky(np.eye(len(factors)) + own.gram * factors * factors[:, None], lower=True)
        pull = own.pull * factors
        found = cho_solve((lower, True), pull)
        a, b = CALM[0] + seen.seen.sum() / 2, CALM[1] + max(own.quadratic - float(pull @ found), 0.0) / 2
        evidence = -0.5 * own.log_det - np.log(np.diag(lower)).sum() - a * np.log(b)
        return cls(v, float(evidence), float(b / a), own, factors, lower, found)

    def explained(self, gain: Array) -> Array:
        """``gain`` times the features of the trials, shape ``(T, M, P + n)`` from ``(T, M, n)``."""
        seen = gain * self.own.mask[:, None, :]
        return np.concatenate([seen @ self.own.columns, seen], axis=2) * self.factors

    def missed(self, b: Array) -> Array:
        """What shared weights ``b``, shape ``(P + n, k)``, leave of the residuals, shape ``(T, n, k)``."""
        weights = self.factors[:, None] * b
        p = self.own.columns.shape[2]
        left = self.own.residual[..., None] - self.own.columns @ weights[:p] - weights[p:]
        return np.asarray(left * self.own.mask[..., None])


@dataclass(frozen=True)
class _Own:
    """What does not depend on the luck of the trials.

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
    def of(cls, v: Variances, seen: Evidence, parts: Parts, shared: Array) -> "_Own":
        n, n_stages, n_tasks = seen.labels.shape
        mask = seen.seen.T.astype(np.float64)
        both = mask[:, :, None] * mask[:, None, :]
        covariance = (v.own(parts) + v.level) * both
        covariance[:, np.arange(n), np.arange(n)] += np.where(mask > 0, 1.0 / seen.runs, 1.0)
        inverse, log_det = _inverted(covariance)
        inverse *= both
        shape = (n_stages, n_tasks, shared.shape[2])
        columns_ = shared * mask[..., None]
        residual = (seen.z.T - shared @ v.means(*shape)) * mask
        solved, left = inverse @ columns_, (inverse @ residual[..., None])[..., 0]
        across = solved.sum(axis=0)
        flat = (n * n_tasks, shared.shape[2])
        gram = np.block([[columns_.reshape(flat).T @ solved.reshape(flat), across.T], [across, inverse.sum(axis=0)]])
        pull = np.concatenate([columns_.reshape(flat).T @ left.ravel(), left.sum(axis=0)])
        quadratic = float((residual * left).sum())
        return cls(v.deviations(*shape), mask, columns_, residual, inverse, log_det, gram, pull, quadratic)


def _inverted(matrices: Array) -> tuple[Array, float]:
    """Inverses of positive definite matrices, shape ``(T, n, n)``, and the sum of their log determinants."""
    found, log_det = np.empty_like(matrices), 0.0
    for t, matrix in enumerate(matrices if matrices.size else ()):
        factor, _ = lapack.dpotrf(matrix, lower=1, clean=1)
        log_det += 2.0 * float(np.log(np.diag(factor)).sum())
        below = np.tril(lapack.dpotri(factor, lower=1)[0])
        found[t] = below + np.tril(below, -1).T
    return found, log_det


@dataclass(frozen=True)
class Model:
    """The members of the grid that have weight, after the evidence.

    Attributes:
        seen: What was told.
        affinity: Centred, as :func:`columns` takes it.
        members: The best first.
        weights: Of the members, in sum 1.
    """

    seen: Evidence
    affinity: Array | None
    members: tuple[Member, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, seen: Evidence, affinity: Array | None, grid: Sequence[Variances] = GRID) -> "Model":
        """Weigh the grid by its marginal likelihood; where cells are many, and it is sharp, not all of it is tried.

        Cost:
            For each member of the grid ``O(T n³ + T n² (S + T) + (S + T + n)³)``, with ``n`` trials.
        """
        parts = between(seen.labels, seen.labels)
        shared = {power: columns(seen.labels, power, affinity) for power in {v.power for v in grid}}

        def fitted(some: Sequence[Variances]) -> list[Member]:
            owns = [(v, _Own.of(v, seen, parts, shared[v.power])) for v in some]
            return [Member.of(v.model_copy(update={"luck": luck}), own, seen) for v, own in owns for luck in LUCK]

        if seen.seen.sum() < MANY:
            found = fitted(grid)
        else:
            found = fitted([v for v in grid if v.power == grid[-1].power])
            best = max(found, key=lambda m: m.evidence).variances
            found += fitted([v for v in grid if v.power != best.power and v.pairs == best.pairs])
        found.sort(key=lambda m: -m.evidence)
        weights = np.exp([member.evidence - found[0].evidence for member in found])
        kept = max(1, int((weights / weights.sum() >= NEGLIGIBLE).sum()))
        weights = weights[:kept] / weights[:kept].sum()
        return cls(seen, affinity, tuple(found[:kept]), tuple(float(w) for w in weights))

    @property
    def trust(self) -> float | None:
        """Learned weight of the affinity, relative to what else companions do to a task; None without one."""
        if self.affinity is None:
            return None
        n_stages, n_tasks = self.seen.labels.shape[1:]
        return sum(
            weight * m.variances.trust * (1.0 + m.variances.doubt * float(m.shared[2 * n_stages + n_tasks]))
            for m, weight in zip(self.members, self.weights, strict=True)
        )
