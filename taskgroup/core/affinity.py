"""Affinity: how training one task moves another, with error bars, per stage of the trunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.averaging import Average, estimate
from taskgroup.core.reliability import recipient_centred
from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError

Array = NDArray[np.float64]

TRUNK = "trunk"
"""Name of the last slice of an affinity: all stages moved together."""

Symmetrization = Literal["centred-mean", "centred-min", "centred-max"]
"""How both directions of a pair become one number: their mean, the lesser (both must help) or the greater."""


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
        stderr: Standard errors of ``values``, same shape: ``values ± 1.645 stderr`` is a 90 % interval, wider the fewer
            looks saw the entry; NaN where they cannot tell.
        counts: Measured steps behind each entry, same shape.
        provenance: Measure, options, seeds, number of steps, batch size, averaging, window, reliability.
        effective: As many independent looks would be as sure, same shape as ``values``; None where not known.
        phases: Averages over the first, second and last third of the looks, shape ``(3, S + 1, T, T)``, or None.
        classes: Of cosines, the share of looks in which a pair was aligned, orthogonal or conflicting, in each of the
            thirds, shape ``(3, 3, S + 1, T, T)`` (see :func:`taskgroup.core.phases.class_shares`), or None.
    """

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    values: Array
    stderr: Array
    counts: NDArray[np.int64]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    effective: Array | None = None
    phases: Array | None = None
    classes: Array | None = None

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"affinity `tasks` should be one or more different names, found {list(self.tasks)}")
        shape = (len(self.stages), len(self.tasks), len(self.tasks))
        for name in ("values", "stderr", "counts", "effective"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                rule = f"should have shape (stages, tasks, tasks) = {shape}"
                raise ValueError(f"affinity `{name}` {rule}, found {array.shape}")
        for name, full in (("phases", (3, *shape)), ("classes", (3, 3, *shape))):
            array = getattr(self, name)
            if array is not None and array.shape != full:
                raise ValueError(f"affinity `{name}` should have shape {full}, found {array.shape}")
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
        centred = recipient_centred(self.slice(stage))
        known = ~np.isnan(centred)
        spread = float(np.sqrt(np.mean(centred[known] ** 2))) if known.any() else 0.0
        return centred, spread if spread > 0 else 1.0

    def similarity(self, stage: str = TRUNK, how: Symmetrization = "centred-mean") -> Array:
        """One number for each pair of tasks, from both directions of :meth:`centred` (``c``).

        - ``centred-mean``: ``(c + cᵀ) / 2``;
        - ``centred-min``: ``min(c, cᵀ)``, high only where both directions help;
        - ``centred-max``: ``max(c, cᵀ)``, high where one direction is enough.

        Symmetric, shape ``(T, T)``. Where only one direction of a pair is known, that one counts; pairs unknown in both
        are 0, the diagonal too.
        """
        return symmetrized(self.centred(stage), how)

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
            None if self.effective is None else self.effective[:, source, target],
            None if self.phases is None else self.phases[..., source, target],
            None if self.classes is None else self.classes[..., source, target],
        )

    def flattened(self) -> "Affinity":
        """Stages no longer told apart: every slice is what was found for the whole trunk."""

        def flat(array: NDArray[Any] | None) -> Any:
            return None if array is None else np.repeat(array[..., -1:, :, :], len(self.stages), axis=-3)

        names = ("values", "stderr", "counts", "effective", "phases", "classes")
        return replace(self, **{name: flat(getattr(self, name)) for name in names})

    def resampled(self, rng: np.random.Generator) -> "Affinity":
        """A draw from the error bars: ``values + stderr · N(0, 1)``.

        An entry without an error bar was hardly seen: it gets the widest of its target's column, or of its slice.
        """
        noise = self.bars() * rng.standard_normal(self.values.shape)
        return replace(self, values=self.values + noise)

    def bars(self) -> Array:
        """``stderr`` with its gaps filled by the widest; 0 where no entry of the slice has an error bar."""
        off = np.where(np.eye(len(self.tasks), dtype=bool), 0.0, np.nan_to_num(self.stderr))
        columns = off.max(axis=1, keepdims=True)
        widest = np.where(columns > 0, columns, off.max(axis=(1, 2), keepdims=True))
        return np.where(np.isnan(self.stderr), widest, self.stderr)

    @classmethod
    def from_samples(
        cls,
        tasks: Sequence[str],
        stages: Sequence[str],
        samples: Sequence[Array],
        *,
        average: Average = "trimmed",
        trim: float = 0.1,
        n_batches: int = 8,
        provenance: Mapping[str, Any] | None = None,
    ) -> "Affinity":
        """Average per-step matrices of several seeds, see :func:`taskgroup.core.averaging.estimate`.

        Per seed a robust average over the steps; over seeds the plain mean.

        Args:
            tasks: Task names, shape ``(T,)``.
            stages: Slice names, shape ``(S + 1,)``.
            samples: One array per seed, shape ``(n_steps, S + 1, T, T)``; NaN where a pair was not seen in a step.
            average: Over the steps of a seed: ``trimmed`` mean, ``mean`` or ``median``.
            trim: Share cut from each end of the steps' distribution, from 0 to below 0.5; for ``trimmed``.
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
        found = estimate(arrays, average, trim, n_batches)
        names = (tuple(tasks), tuple(stages))
        return cls(*names, found.values, found.stderr, found.counts, dict(provenance or {}), found.effective)


def symmetrized(centred: Array, how: Symmetrization = "centred-mean") -> Array:
    """Both directions of every pair as one number, see :meth:`Affinity.similarity`; shape ``(..., T, T)``."""
    turned = centred.swapaxes(-1, -2)
    if how == "centred-min":
        return np.nan_to_num(np.fmin(centred, turned))
    if how == "centred-max":
        return np.nan_to_num(np.fmax(centred, turned))
    both = np.stack([centred, turned])
    known = ~np.isnan(both)
    return np.asarray(np.where(known, both, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
