"""The model of a task's gain: what its companions at each stage do to it, what tasks have in common, and luck."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky

from taskgroup.active.companions.evidence import Array, Evidence
from taskgroup.active.companions.own import Own
from taskgroup.active.companions.parts import between, columns
from taskgroup.active.companions.prior import GRID, LUCK, Variances

NEGLIGIBLE = 0.05
"""Members of the grid with less weight are left out."""
MANY = 3000
"""Cells (trials times tasks with companions) from which the grid is gone through one variance after the other."""
CALM = (3.0, 3.0)
"""Shape and rate of the inverse gamma prior of the factor that all variances have in common."""


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
    own: Own
    factors: Array
    lower: Array
    shared: Array

    @classmethod
    def of(cls, v: Variances, own: Own, seen: Evidence) -> "Member":
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
            For each member of the grid ``O(T n³ + T n² P + T n P² + (P + n)³)``, with ``n`` trials and ``P ~ 3 S + T``
            shared weights.
        """
        parts = between(seen.labels, seen.labels)
        shared = {power: columns(seen.labels, power, affinity) for power in {v.power for v in grid}}

        def fitted(some: Sequence[Variances]) -> list[Member]:
            owns = [(v, Own.of(v, seen, parts, shared[v.power])) for v in some]
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
