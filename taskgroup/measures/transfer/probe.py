"""Probes: a linear head for one task on the frozen features of another."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures import Sight
from taskgroup.measures.transfer.heads import Heads, own
from taskgroup.measures.views import FeatureView, stacked


class ProbeHead(Heads):
    """``A[i, j] = 1 - e_ij / e_jj``: error saved by a head for j on i's features, against j's own features.

    ``e_ij`` is the error, by the metric of j (:func:`taskgroup.training.metrics.task_error`), of a linear head for
    target j fitted on ``fit`` rows of the features of source i's network and judged on ``score`` rows: logistic
    regression for classes, ridge for values. Positive: i's trunk serves j better than j's own. At most 1, without lower
    limit, 0 on the diagonal, not symmetric. NaN for a target with fewer than ten labels in either part or only one
    value among them, and for a source without enough training labels. Constant features predict the mean. Per stage;
    the last slice is the last stage's.

    Cost: per stage T principal component analyses (of wide features) and T² heads of at most ``max_rows`` rows and
    ``max_dims`` features, each some 5 to 50 ms.

    Attributes:
        method: Its name in the table.

    Source: linear probes of Alain and Bengio 2016, arXiv 1610.01644; between tasks as in Zamir et al. 2018, arXiv
    1804.08328.
    """

    method: Literal["probe"] = "probe"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "a linear head for B on A's trunk errs less than on B's own"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        errors = self.errors(view)[0]
        saved = 1 - errors / own(errors)
        return stacked(list(saved), saved[-1])
