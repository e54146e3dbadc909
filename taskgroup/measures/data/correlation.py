"""Correlation of labels."""

from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import orth

from taskgroup.core.task import Frozen, Task
from taskgroup.measures import Sight
from taskgroup.measures.data.rows import for_all_stages
from taskgroup.measures.views import Array, DataView


class LabelCorrelation(Frozen):
    """``V[i, j] = ‖Qᵢᵀ Qⱼ‖_F / sqrt(min(rank Qᵢ, rank Qⱼ))``: how far one label follows from the other linearly.

    ``Q`` is an orthonormal basis of the centred label codes on the rows labelled for both tasks: a number or a binary
    label is one column, a class one indicator column for each value. Between numbers and binary labels this is the
    absolute Pearson correlation, between a class and a number the correlation ratio η, between classes Cramér's V.

    From 0 to 1, symmetric. Absolute, since the sign of a label is a convention: a head turns it round at no cost, so
    labels that are opposite can share their features as well as equal ones. Not corrected for chance, which alone
    gives about ``1 / sqrt(n)``. NaN where fewer than ``min_rows`` rows have both labels or one is constant there.

    Cost: no training; ``O(N T²)``, times the squared number of classes where there are classes.

    Source: Cramér 1946, Mathematical Methods of Statistics, chapter 21, whose V is the case of two classes.

    Attributes:
        method: Its name in the table.
        min_rows: Rows that must have both labels.
    """

    method: Literal["label_correlation"] = "label_correlation"
    sees: ClassVar[Sight] = "data"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the labels of A and B go together"
    min_rows: int = Field(default=10, ge=3)

    def __call__(self, view: DataView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        found = pd.DataFrame(view.labels).corr(min_periods=self.min_rows).abs().clip(upper=1.0).to_numpy(copy=True)
        for i, task in enumerate(view.tasks):
            if task.kind == "multiclass":
                found[i] = [self._generalized(view, i, j) for j in range(len(view.tasks))]
                found[:, i] = found[i]
        return for_all_stages(view, found)

    def _generalized(self, view: DataView, i: int, j: int) -> float:
        both = ~np.isnan(view.labels[:, [i, j]]).any(axis=1)
        labels = view.labels[both]
        if len(labels) < self.min_rows or not np.ptp(labels[:, [i, j]], axis=0).all():
            return float("nan")
        bases = [orth(codes(view.tasks.tasks[k], labels[:, k]), rcond=1e-9) for k in (i, j)]
        rank = min(basis.shape[1] for basis in bases)
        return min(1.0, float(np.linalg.norm(bases[0].T @ bases[1]) / np.sqrt(rank)))


def codes(task: Task, labels: Array) -> Array:
    """Centred label codes, shape ``(n, columns)``: one column, or one indicator column a class that occurs."""
    columns = labels[:, None] if task.kind != "multiclass" else labels[:, None] == np.unique(labels)
    return np.asarray(columns - columns.mean(axis=0))
