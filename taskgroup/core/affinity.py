"""Affinity: how training one task moves another, with error bars, per stage of the trunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError

Array = NDArray[np.float64]

TRUNK = "trunk"
"""Name of the last slice of an affinity: all stages moved together."""


@dataclass(frozen=True)
class Affinity:
    """Effect on *target* of training *source*; higher helps.

    Dimensionless: for lookahead the relative decrease of the target's loss per step. Most of a raw matrix is a
    constant per target (how fast its loss falls whatever is trained), so entries are compared within a target,
    never by raw sign: see :meth:`centred`. Not symmetric.

    Attributes:
        tasks: Task names, shape ``(T,)``.
        stages: Names of the slices, shape ``(S + 1,)``: each trunk stage in order, then ``trunk`` for all at once.
        values: Shape ``(S + 1, T, T)``, axes stage, source, target; NaN where unknown.
        stderr: Standard errors of ``values``, same shape; NaN where a single sample was seen.
        counts: Measured steps behind each entry, same shape.
        provenance: Measure, options, seeds, number of steps, batch size, averaging.
    """

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    values: Array
    stderr: Array
    counts: NDArray[np.int64]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"affinity `tasks` should be one or more different names, found {list(self.tasks)}")
        shape = (len(self.stages), len(self.tasks), len(self.tasks))
        for name in ("values", "stderr", "counts"):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"affinity `{name}` should have shape (stages, tasks, tasks) = {shape}, found {found}")
        if np.isinf(self.values).any():
            raise ValueError("affinity `values` should be finite or NaN (unknown), found infinite entries")

    def slice(self, stage: str = TRUNK) -> Array:
        """The ``(T, T)`` matrix of one stage, ``[source, target]``.

        Raises:
            InputError: If there is no such stage.
        """
        if stage not in self.stages:
            hint = did_you_mean(stage, self.stages)
            raise InputError(f"`stage` should be one of {', '.join(self.stages)}, found `{stage}`{hint}")
        return np.asarray(self.values[self.stages.index(stage)])

    def centred(self, stage: str = TRUNK) -> Array:
        """Each target's column less its mean over the *other* tasks, in units of the column's spread.

        ``c[i, j] = (a[i, j] - mean_{k≠j} a[k, j]) / s`` with ``s`` the root mean square of all centred off-diagonal
        entries of the matrix (1 where they are all zero). The diagonal is NaN. Shape ``(T, T)``.
        """
        centred, spread = self._centred_raw(stage)
        return np.asarray(centred / spread)

    def centred_stderr(self, stage: str = TRUNK) -> Array:
        """Standard errors in the unit of :meth:`centred`, shape ``(T, T)``; NaN where unknown."""
        return np.asarray(self.stderr[self.stages.index(stage)] / self._centred_raw(stage)[1])

    def _centred_raw(self, stage: str) -> tuple[Array, float]:
        """Columns less their means, and the unit to divide by."""
        matrix = self.slice(stage).copy()
        np.fill_diagonal(matrix, np.nan)
        known = ~np.isnan(matrix)
        means = np.where(known, matrix, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centred = matrix - means
        centred[np.abs(centred) <= 1e-12 * np.maximum(np.abs(means), 1e-300)] = 0.0  # round-off of a constant column
        spread = float(np.sqrt(np.mean(centred[known] ** 2))) if known.any() else 0.0
        return centred, spread if spread > 0 else 1.0

    def similarity(self, stage: str = TRUNK) -> Array:
        """Symmetrization ``centred-mean``: ``(c + cᵀ) / 2`` of :meth:`centred`; unknown pairs are 0, the diagonal too.

        Symmetric, shape ``(T, T)``; where only one direction of a pair is known, that one counts.
        """
        centred = self.centred(stage)
        both = np.stack([centred, centred.T])
        known = ~np.isnan(both)
        return np.asarray(np.where(known, both, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))

    def reordered(self, tasks: Sequence[str]) -> "Affinity":
        """The same affinity with its tasks in another order."""
        if sorted(tasks) != sorted(self.tasks):
            raise ValueError(f"`tasks` should hold each of {sorted(self.tasks)} exactly once, found {sorted(tasks)}")
        at = np.array([self.tasks.index(task) for task in tasks])
        source, target = at[:, None], at[None, :]
        return Affinity(
            tuple(tasks),
            self.stages,
            self.values[:, source, target],
            self.stderr[:, source, target],
            self.counts[:, source, target],
            self.provenance,
        )

    def resampled(self, rng: np.random.Generator) -> "Affinity":
        """A draw from the error bars: ``values + stderr · N(0, 1)``, NaN errors counting as zero."""
        noise = np.nan_to_num(self.stderr) * rng.standard_normal(self.values.shape)
        return Affinity(self.tasks, self.stages, self.values + noise, self.stderr, self.counts, self.provenance)

    @classmethod
    def from_samples(
        cls,
        tasks: Sequence[str],
        stages: Sequence[str],
        samples: Sequence[Array],
        *,
        trim: float = 0.1,
        n_batches: int = 8,
        provenance: Mapping[str, Any] | None = None,
    ) -> "Affinity":
        """Average per-step matrices of several seeds.

        Per seed a trimmed mean over the steps; over seeds the plain mean. The standard error is the larger of two
        estimates: within seeds from batch means (consecutive steps are correlated, so each seed's steps are cut
        into ``n_batches`` runs whose means are taken as independent), and between seeds from their spread.

        Args:
            tasks: Task names, shape ``(T,)``.
            stages: Slice names, shape ``(S + 1,)``.
            samples: One array per seed, shape ``(n_steps, S + 1, T, T)``; NaN where a pair was not seen in a step.
            trim: Share cut from each end of the steps' distribution, from 0 to below 0.5.
            n_batches: Runs per seed for the standard error.
            provenance: Recorded as given.

        Raises:
            ValueError: If there is no seed, a seed without steps, or an array of another shape.
        """
        shape = (len(stages), len(tasks), len(tasks))
        arrays = [np.asarray(s, dtype=np.float64) for s in samples]
        if not arrays or any(a.shape[1:] != shape or not len(a) for a in arrays):
            raise ValueError(
                "`samples` should be one array a seed of shape (steps, stages, tasks, tasks) = "
                f"(1 or more, {', '.join(map(str, shape))}), found {[a.shape for a in arrays]}"
            )
        per_seed = np.stack([trimmed_mean(a, trim) for a in arrays])
        values = _nanmean(per_seed)
        counts = np.stack([(~np.isnan(a)).sum(axis=0) for a in arrays]).sum(axis=0).astype(np.int64)
        n_seeds = np.maximum((~np.isnan(per_seed)).sum(axis=0), 1)  # of each entry: not every seed sees every pair
        within = _nanmean(np.stack([_batch_variance(a, trim, n_batches) for a in arrays])) / n_seeds
        between = _nanvar(per_seed) / n_seeds
        stderr = np.sqrt(np.fmax(within, between))
        return cls(tuple(tasks), tuple(stages), values, stderr, counts, dict(provenance or {}))


def trimmed_mean(samples: Array, trim: float) -> Array:
    """Mean over axis 0 after cutting the share ``trim`` from each end, NaN ignored; NaN where nothing was seen."""
    ordered = np.sort(samples, axis=0)  # NaN go last
    n_seen = (~np.isnan(samples)).sum(axis=0)
    n_cut = np.floor(trim * n_seen).astype(int)
    rank = np.arange(len(samples)).reshape(-1, *([1] * (samples.ndim - 1)))
    kept = (rank >= n_cut) & (rank < n_seen - n_cut)
    total = np.where(kept, ordered, 0.0).sum(axis=0)
    n_kept = kept.sum(axis=0)
    return np.where(n_kept > 0, total / np.maximum(n_kept, 1), np.nan)


def _nanmean(stack: Array) -> Array:
    return trimmed_mean(stack, 0.0)


def _nanvar(stack: Array) -> Array:
    """Unbiased variance over axis 0, NaN ignored; NaN below two samples."""
    n_seen = (~np.isnan(stack)).sum(axis=0)
    squares = np.where(np.isnan(stack), 0.0, (stack - _nanmean(stack)) ** 2).sum(axis=0)
    return np.where(n_seen > 1, squares / np.maximum(n_seen - 1, 1), np.nan)


def _batch_variance(samples: Array, trim: float, n_batches: int) -> Array:
    """Squared standard error of a trimmed mean over correlated steps, from the means of consecutive runs."""
    n_runs = min(n_batches, len(samples))
    runs = np.stack([trimmed_mean(run, trim) for run in np.array_split(samples, n_runs)])
    return np.asarray(_nanvar(runs) / np.maximum((~np.isnan(runs)).sum(axis=0), 1))
