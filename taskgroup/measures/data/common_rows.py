"""Rows that two tasks have in common."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.data.rows import for_all_stages
from taskgroup.measures.views import DataView


class CommonRows(Frozen):
    """``R[i, j] = |rows of i and j| / |rows of j|``: share of the target's labelled rows that carry the source's label.

    From 0 (tasks with rows of their own) to 1; not symmetric. It says less about help than about evidence: measures
    that compare labels or gradients on common rows know little of a pair where it is small. NaN with a task that has
    no label.

    Cost: no training; ``O(N T²)``.

    Attributes:
        method: Its name in the table.
    """

    method: Literal["common_rows"] = "common_rows"
    sees: ClassVar[Sight] = "data"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "B's rows carry A's label too"

    def __call__(self, view: DataView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        known = (~np.isnan(view.labels)).astype(np.float64)
        counts = known.sum(axis=0)
        share = known.T @ known / np.maximum(counts, 1)
        share[counts == 0] = share[:, counts == 0] = np.nan
        return for_all_stages(view, share)
