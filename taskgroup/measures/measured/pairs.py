"""Gains of pairs that were really trained together."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.views import RunsView, stacked


class Pairs(Frozen):
    """``G[i, j] = 1 - e(j with i) / e(j alone)``: share of the target's error that training with the source removes.

    Errors of task j on validation rows, trained together with i alone and trained alone, under the same seed.
    Positive: the source helps. Not symmetric; all slices are equal, since the pairs share their whole trunk. NaN on
    the diagonal, for pairs that were not trained and where the error alone is zero.

    Cost: ``T + T (T - 1) / 2`` trainings for each seed. The dearest measure, and the one that others are held against.

    Source: input of higher-order approximation, Standley et al. 2020, arXiv 1905.07553.

    Attributes:
        method: Its name in the table.
    """

    method: Literal["pairs"] = "pairs"
    sees: ClassVar[Sight] = "runs"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "B's error was lower when trained together with A"

    def __call__(self, view: RunsView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        alone = np.where(np.isfinite(view.alone) & (view.alone > 0), view.alone, np.nan)
        gains = 1.0 - np.where(np.isfinite(view.pairs), view.pairs, np.nan) / alone
        np.fill_diagonal(gains, np.nan)
        return stacked([gains] * len(view.stages), gains)
