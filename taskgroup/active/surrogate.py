"""The surrogate: a Bayesian ridge regression of a task's error on who trains with it, with a nugget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

from taskgroup.core.cover import Array
from taskgroup.core.task import Frozen

Rows = NDArray[np.bool_]

GRID = tuple((p, g, n) for p in (0.05, 0.2, 0.6) for g in (0.05, 0.3) for n in (0.15, 0.4))
"""Variances ``partner``, ``group`` and ``nugget`` among which the evidence decides."""
NEGLIGIBLE = 1e-3
"""Members of the grid with less weight are left out."""


class Variances(Frozen):
    """Prior variances of the parts of a task's standardized error.

    Attributes:
        partner: What one companion does to one task, over all companions of a network of half the tasks.
        group: What is common to all tasks of one network: a lucky or unlucky training.
        nugget: What is left of one task in one network: interactions and luck.
        shared: What one companion does to all.
        size: From alone to all together.
        alone: Being alone.
        prior: What the affinity predicts.
        level: A task's mean.
    """

    partner: float = 0.2
    group: float = 0.1
    nugget: float = 0.25
    shared: float = 0.3
    size: float = 0.2
    alone: float = 0.2
    prior: float = 0.3
    level: float = 1.0


@dataclass(frozen=True)
class Pool:
    """Groups and what the surrogate knows of them beforehand.

    Attributes:
        members: Shape ``(G, T)``.
        prior: Predicted error of each task up to a factor, from affinities, 0 where nothing is known, shape ``(G, T)``.
    """

    members: Rows
    prior: Array

    @classmethod
    def of(cls, members: Rows, affinity: Array | None) -> "Pool":
        """The pool of these groups; ``affinity`` is centred, ``[source, target]``, NaN where unknown, shape (T, T)."""
        if affinity is None:
            return cls(members, np.zeros(members.shape))
        known = np.nan_to_num(affinity) * (1 - np.eye(len(affinity)))
        partners = np.maximum(members.sum(axis=1, keepdims=True) - 1, 1)
        return cls(members, -np.where(members, members.astype(float) @ known / partners, 0.0))

    @property
    def size(self) -> Array:
        """From -1/2 (alone) to 1/2 (all together), shape ``(G,)``."""
        return np.asarray((self.members.sum(axis=1) - 1) / max(self.members.shape[1] - 1, 1) - 0.5)

    @property
    def alone(self) -> Array:
        """1 for single tasks, else 0, shape ``(G,)``."""
        return np.asarray((self.members.sum(axis=1) == 1).astype(float))


@dataclass(frozen=True)
class Cells:
    """The measured (group, task) pairs in standard units.

    Attributes:
        row: Group of each cell among the measured, shape ``(C,)``.
        task: Shape ``(C,)``.
        z: Standardized error, shape ``(C,)``.
        noise: Variance of z from seed to seed, over the number of seeds, shape ``(C,)``.
        partners: The other tasks of the cell's group, shape ``(C, T)``.
        extra: Size, alone and prior of each cell, shape ``(C, 3)``.
    """

    row: NDArray[np.int64]
    task: NDArray[np.int64]
    z: Array
    noise: Array
    partners: Array
    extra: Array

    @classmethod
    def of(cls, pool: Pool, standard: Array, noise: Array) -> "Cells":
        """The cells of the measured groups, in their order; ``standard`` and ``noise`` have shape ``(G, T)``."""
        row, task = np.nonzero(pool.members)
        partners = pool.members[row].astype(np.float64)
        partners[np.arange(len(row)), task] = 0.0
        extra = np.stack([pool.size[row], pool.alone[row], pool.prior[row, task]], axis=1)
        return cls(row, task, standard[row, task], noise[row, task], partners, extra)

    def covariance(self, v: Variances) -> Array:
        """Of the observed z, shape ``(C, C)``.

        ``level + partner' |common companions|`` for cells of one task, plus for all cells
        ``shared' |common companions| + size s s' + alone a a' + prior f f'``, plus ``group`` within one network, plus
        nugget and noise on the diagonal; partner' and shared' are per companion, 4 / (T - 1) of the given.
        """
        per = companion_share(self.partners.shape[1])
        common = self.partners @ self.partners.T
        same_task = self.task[:, None] == self.task
        same_row = self.row[:, None] == self.row
        weighted = self.extra * np.array([4 * v.size, v.alone, v.prior])
        found = same_task * (v.level + per * v.partner * common) + per * v.shared * common
        found += weighted @ self.extra.T + v.group * same_row
        return np.asarray(found + np.diag(v.nugget + self.noise))


def companion_share(n_tasks: int) -> float:
    """Variance of one companion where those of half the tasks together have variance 1 (half of a half: 1/4)."""
    return 4.0 / max(n_tasks - 1, 1)


@dataclass(frozen=True)
class Draws:
    """Parts of the standardized errors as they may be, n times.

    Attributes:
        variances: What they were drawn under.
        level: Shape ``(n, T)``.
        effect: What a companion does to a task, lower helps, shape ``(n, T, T)``: target, companion; 0 on the diagonal.
        extra: Weights of size, alone and prior, shape ``(n, 3)``.
        group: Of the measured groups, shape ``(n, M)``.
        nugget: Of the measured cells, shape ``(n, C)``.
    """

    variances: Variances
    level: Array
    effect: Array
    extra: Array
    group: Array
    nugget: Array

    def tables(self, pool: Pool, at: NDArray[np.int64], cells: Cells, rng: np.random.Generator) -> Array:
        """Standardized error of every group and task, shape ``(n, G, T)``; ``at`` are the measured groups' rows."""
        n, shape = len(self.level), pool.members.shape
        group = rng.standard_normal((n, shape[0])) * np.sqrt(self.variances.group)
        group[:, at] = self.group
        tables = rng.standard_normal((n, *shape)) * np.sqrt(self.variances.nugget)
        tables[:, at[cells.row], cells.task] = self.nugget
        tables += np.matmul(pool.members.astype(np.float64), np.swapaxes(self.effect, 1, 2))
        group += self.extra[:, :1] * pool.size + self.extra[:, 1:2] * pool.alone
        tables += self.level[:, None, :] + group[:, :, None] + self.extra[:, 2, None, None] * pool.prior
        return np.asarray(tables)


@dataclass(frozen=True)
class Posterior:
    """The surrogate after the observations.

    Attributes:
        cells: Measured.
        factors: For each member of the grid that has weight: the variances, its weight, and the lower Cholesky factor
            of the covariance.
    """

    cells: Cells
    factors: tuple[tuple[Variances, float, Array], ...]

    @classmethod
    def of(cls, cells: Cells) -> "Posterior":
        """Weigh the grid by its marginal likelihood: ``-½ zᵀ K⁻¹ z - ½ log |K|``."""
        found = []
        for partner, group, nugget in GRID:
            variances = Variances(partner=partner, group=group, nugget=nugget)
            lower = cholesky(cells.covariance(variances), lower=True)
            evidence = -0.5 * cells.z @ cho_solve((lower, True), cells.z) - np.log(np.diag(lower)).sum()
            found.append((float(evidence), variances, lower))
        best = max(evidence for evidence, _, _ in found)
        weights = np.exp([evidence - best for evidence, _, _ in found])
        weights /= weights.sum()
        kept = [(v, float(w), lower) for w, (_, v, lower) in zip(weights, found, strict=True) if w > NEGLIGIBLE]
        return cls(cells, tuple(kept))

    def draws(self, n: int, rng: np.random.Generator) -> list[Draws]:
        """Altogether ``n`` draws, shared out over the grid by its weights.

        Matheron's rule: a draw from the prior, corrected by what it misses of the observations.

        Source:
            Wilson et al. 2020, arXiv:2002.09309 (pathwise conditioning).
        """
        weights = np.array([weight for _, weight, _ in self.factors])
        counts = rng.multinomial(n, weights / weights.sum())
        return [self._draw(int(k), v, lower, rng) for k, (v, _, lower) in zip(counts, self.factors, strict=True) if k]

    def doubt(self) -> Array:
        """Part of each measured group's uncertainty that another seed would take away, from 0 to 1, shape ``(M,)``.

        ``σ² / (σ² + τ²)`` with σ² the mean variance of its cells from seed to seed over its seeds, τ² the nugget.
        """
        nugget = sum(weight * v.nugget for v, weight, _ in self.factors)
        n_cells = np.bincount(self.cells.row)
        noise = np.bincount(self.cells.row, self.cells.noise) / n_cells
        return np.asarray(noise / (noise + nugget))

    def _draw(self, n: int, v: Variances, lower: Array, rng: np.random.Generator) -> Draws:
        cells, n_tasks = self.cells, self.cells.partners.shape[1]
        per = companion_share(n_tasks)
        rows = cells.row[:, None] == np.arange(cells.row.max() + 1)
        tasks = cells.task[:, None] == np.arange(n_tasks)
        extra_variance = np.array([4 * v.size, v.alone, v.prior])

        level = _normal(rng, v.level, n, n_tasks)
        partner = _normal(rng, per * v.partner, n, n_tasks, n_tasks)
        shared = _normal(rng, per * v.shared, n, n_tasks)
        extra = _normal(rng, 1.0, n, 3) * np.sqrt(extra_variance)
        group = _normal(rng, v.group, n, rows.shape[1])
        nugget = _normal(rng, v.nugget, n, len(cells.z))
        at_cells = level[:, cells.task] + np.einsum("nct,ct->nc", partner[:, cells.task], cells.partners)
        at_cells += shared @ cells.partners.T + extra @ cells.extra.T + group[:, cells.row] + nugget
        missed = cells.z - at_cells - rng.standard_normal(nugget.shape) * np.sqrt(cells.noise)
        alpha = cho_solve((lower, True), missed.T).T

        level += v.level * alpha @ tasks
        partner += (
            per * v.partner * np.einsum("nc,ct,cj->ntj", alpha, tasks.astype(float), cells.partners, optimize=True)
        )
        shared += per * v.shared * alpha @ cells.partners
        effect = partner + shared[:, None, :]
        effect[:, np.arange(n_tasks), np.arange(n_tasks)] = 0.0  # nobody is his own companion
        extra += extra_variance * (alpha @ cells.extra)
        return Draws(v, level, effect, extra, group + v.group * alpha @ rows, nugget + v.nugget * alpha)


def _normal(rng: np.random.Generator, variance: float, *shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape) * np.sqrt(variance))
