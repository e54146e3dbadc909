"""Structured pruning: which units of the trunk each task needs."""

from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.capacity.units import drawn_units, plain_losses, zeroed
from taskgroup.measures.views import Array, SharedView, stacked


class Pruning(Frozen):
    """``r[i, j] = corr_u(Δᵢ(u), Δⱼ(u))``: whether two tasks suffer from losing the same units.

    ``Δₜ(u)`` is the increase of task t's mean loss when unit u of the stage (a feature, or a channel at all its
    places) is set to zero and all else stays. Pearson correlation over the units, from -1 to 1, symmetric: 1 where the
    tasks lean on the same units, so that sharing them costs nothing; below 0 where each could spare what the other
    needs. The last slice takes the units of all stages together. NaN where a task has no label or a loss that does
    not move, and where there are fewer than three units to compare.

    Cost: one joint training; then for each stage at most ``max_units + 1`` runs of the later stages on the view's rows.

    Source: the loss increase is the oracle criterion of Molchanov et al. 2017, arXiv 1611.06440; its correlation
    between tasks is ours.

    Attributes:
        method: Its name in the table.
        max_units: Units of a stage that are tried, drawn under the view's seed where there are more.
    """

    method: Literal["pruning"] = "pruning"
    sees: ClassVar[Sight] = "shared"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A and B need the same units"
    max_units: int = Field(default=64, ge=3)

    def __call__(self, view: SharedView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        profiles = [self._profile(view, stage) for stage in view.stages]
        return stacked([correlations(p) for p in profiles], correlations(np.concatenate(profiles)))

    def _profile(self, view: SharedView, stage: str) -> Array:
        """Loss increase of every task for every unit, shape ``(units, T)``."""
        plain = plain_losses(view, stage)
        units = drawn_units(view, stage, self.max_units)
        return np.stack([view.losses(stage, partial(zeroed, units=np.array([u]))) - plain for u in units])


def correlations(profiles: Array) -> Array:
    """Pearson correlations of the columns, NaN where a column is constant or not finite; shape ``(T, T)``."""
    known = np.isfinite(profiles).all(axis=0) & (len(profiles) >= 3)
    kept = np.where(known, profiles, 0.0)
    centred = kept - kept.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    norms = np.where(norms > 1e-12 * np.abs(kept).max(axis=0), norms, np.nan)
    return np.asarray(np.clip(centred.T @ centred / (norms[:, None] * norms), -1.0, 1.0))
