"""Mutual information of labels."""

from itertools import combinations_with_replacement
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.metrics import mutual_info_score

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import Frozen, Task
from taskgroup.measures import Sight
from taskgroup.measures.data.rows import for_all_stages
from taskgroup.measures.views import Array, DataView


class LabelInformation(Frozen):
    """``I[i, j] = I(yᵢ; yⱼ)``, the mutual information of the labels, by default scaled to ``sqrt(1 - exp(-2 I))``.

    It sees any dependence, not only a linear one. Scaled it lies between 0 and 1 and is, for labels that are normally
    distributed together, the absolute correlation; else it is in nats. Symmetric. Between classes the plug-in
    estimate, with a number on either side that of the nearest neighbours. Both are a little above zero by chance. On
    the diagonal stands a class's entropy; a number's is infinite, which scales to 1 and is NaN in nats. NaN where
    fewer than ``min_rows`` rows have both labels or one is constant there.

    Cost: no training; ``O(T² n log n)`` with n at most ``max_rows``.

    Source: Kraskov et al. 2004, arXiv cond-mat/0305641; Ross 2014, doi 10.1371/journal.pone.0087357 (number and
    class), both by scikit-learn; scaling of Linfoot 1957, doi 10.1016/S0019-9958(57)90116-X.

    Attributes:
        method: Its name in the table.
        scaled: Whether to scale to 0 to 1.
        n_neighbors: Neighbours where a label is a number; more are smoother.
        min_rows: Rows that must have both labels.
        max_rows: At most so many of them are taken, drawn under the view's seed.
    """

    method: Literal["label_information"] = "label_information"
    sees: ClassVar[Sight] = "data"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A's label says something about B's"
    scaled: bool = True
    n_neighbors: int = Field(default=3, ge=1)
    min_rows: int = Field(default=10, ge=5)
    max_rows: int = Field(default=2000, ge=10)

    def __call__(self, view: DataView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        found = np.full((len(view.tasks), len(view.tasks)), np.nan)
        # in the order of the names, since the estimate for two numbers adds a little noise to each
        order = sorted(range(len(view.tasks)), key=lambda k: view.tasks.names[k])
        for i, j in combinations_with_replacement(order, 2):
            found[i, j] = found[j, i] = self._of_pair(view, i, j)
        return for_all_stages(view, np.sqrt(-np.expm1(-2 * found)) if self.scaled else _finite(found))

    def _of_pair(self, view: DataView, i: int, j: int) -> float:
        rows = np.flatnonzero(~np.isnan(view.labels[:, [i, j]]).any(axis=1))
        seed = derive_seed(view.seed, view.tasks.names[i], view.tasks.names[j])
        if len(rows) > self.max_rows:
            rows = np.random.default_rng(seed).choice(rows, self.max_rows, replace=False)
        a, b = view.labels[rows, i], view.labels[rows, j]
        if len(rows) < self.min_rows or np.ptp(a) == 0 or np.ptp(b) == 0:
            return float("nan")
        kinds = [_is_number(view.tasks.tasks[k]) for k in (i, j)]
        if not any(kinds):
            return max(0.0, float(mutual_info_score(a, b)))
        if i == j:
            return float("inf")
        options = {"n_neighbors": min(self.n_neighbors, len(rows) - 1), "random_state": seed}
        if all(kinds):
            return float(mutual_info_regression(a[:, None], b, **options)[0])
        number, label = (a, b) if kinds[0] else (b, a)
        return float(mutual_info_classif(number[:, None], label.astype(np.int64), **options)[0])


def _is_number(task: Task) -> bool:
    return task.kind == "regression"


def _finite(matrix: Array) -> Array:
    return np.where(np.isinf(matrix), np.nan, matrix)
