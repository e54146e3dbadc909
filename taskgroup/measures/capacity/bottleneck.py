"""Narrow bottlenecks: what is left for a task when a stage keeps only what another task needs most."""

from functools import partial
from math import ceil
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.capacity.units import Units, averaged, drawn_units, plain_losses, relative_losses
from taskgroup.measures.views import Array, SharedView, stacked

WIDTHS = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the units that are kept."""


class Bottleneck(Frozen):
    """``B[i, j] = mean_w Lⱼ / Lⱼ(kept for i, w)``: how much of the target stands when only the source's units stay.

    Of U units of a stage the ``⌈w U⌉`` are kept whose replacement, one at a time, raises the source's loss most; all
    others have their mean over the rows in every row. ``Lⱼ`` is the plain loss and ``Lⱼ(kept for i, w)`` the target's
    loss then, for w of 1/8, 1/4 and 1/2. 1: the target loses nothing and can live in a network as narrow as the
    source's; near 0: it needs other units. Not symmetric: a broad source keeps what a narrow target needs, not the
    other way round. The last slice is the mean of the stages. NaN where a loss is missing or not above zero.

    Cost: one joint training; then for each stage at most ``max_units + 3 T + 1`` runs of the later stages on the
    view's rows.

    Source: ours, after the loss increase of single units in Molchanov et al. 2017, arXiv 1611.06440.

    Attributes:
        method: Its name in the table.
        max_units: Units of a stage that are tried, drawn under the view's seed where there are more; the others stay.
    """

    method: Literal["bottleneck"] = "bottleneck"
    sees: ClassVar[Sight] = "shared"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "the units that A needs most are enough for B"
    max_units: int = Field(default=128, ge=3)

    def __call__(self, view: SharedView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return stacked([self._of_stage(view, stage) for stage in view.stages])

    def _of_stage(self, view: SharedView, stage: str) -> Array:
        plain = plain_losses(view, stage)
        units = drawn_units(view, stage, self.max_units)
        harms = np.stack([view.losses(stage, partial(averaged, units=np.array([u]))) - plain for u in units])
        found = np.full((len(plain), len(plain)), np.nan)
        for source in range(len(plain)):
            if np.isfinite(harms[:, source]).all():
                ranked = units[np.argsort(-harms[:, source], kind="stable")]
                found[source] = _kept(view, stage, ranked, plain)
        return found


def _kept(view: SharedView, stage: str, ranked: Units, plain: Array) -> Array:
    """Share of every task's loss when only the first of ``ranked`` stay, averaged over the widths; shape ``(T,)``."""
    dropped = [ranked[ceil(width * len(ranked)) :] for width in WIDTHS]
    shares = [relative_losses(plain, view.losses(stage, partial(averaged, units=units))) for units in dropped]
    return np.asarray(np.mean(shares, axis=0))
