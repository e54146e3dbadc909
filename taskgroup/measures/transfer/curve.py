"""Transfer curves: probes against the amount of target data or of source training."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from taskgroup.measures import Sight
from taskgroup.measures.transfer.heads import Heads, own
from taskgroup.measures.views import Array, FeatureView, stacked


class TransferCurve(Heads):
    """``A[i, j] = ∫ (1 - e_ij(a) / e*_j(a)) da / ∫ da``: mean error saved over amounts a, by the trapezoid rule.

    ``e_ij`` is the error of a linear head for target j on the features of source i's network, as in
    :class:`taskgroup.measures.transfer.probe.ProbeHead`.

    - Over ``target_rows``: a is the logarithm of the share of j's ``fit`` rows that the head sees, and ``e*_j(a)`` its
      error on j's own features with as many rows. 0 on the diagonal.
    - Over ``source_training``: a is the share of i's training after which its features were kept, and ``e*_j`` the
      error on j's own features at the end. The diagonal says how much worse j's unfinished features are (mostly below
      0). With one checkpoint this is the probe.

    Positive: i's trunk serves j better than j's own; at most 1, not symmetric. An amount with fewer than ten labels or
    only one value among them is left out of that target's curve; NaN where none is left, or where the probe is NaN.
    Per stage; the last slice is the last stage's.

    Cost: that of the probe times the number of amounts.

    Attributes:
        method: Its name in the table.
        over: What the amounts are of.
        amounts: Shares of the target's ``fit`` rows, ascending; only read over ``target_rows``.

    Source: transfer against target data as in Kornblith et al. 2019, arXiv 1805.08974, section 4.7; the area is ours.
    """

    method: Literal["transfer_curve"] = "transfer_curve"
    over: Literal["target_rows", "source_training"] = "target_rows"
    amounts: tuple[float, ...] = (0.1, 0.3, 1.0)
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "heads for B on A's trunk err less than on B's own, from few rows (or steps) to all"

    @field_validator("amounts")
    @classmethod
    def _ascending(cls, amounts: tuple[float, ...]) -> tuple[float, ...]:
        if not amounts or any(not a < b for a, b in zip((0.0, *amounts), (*amounts, np.inf), strict=True)):
            raise ValueError(f"amounts should be shares above 0 in ascending order, found {list(amounts)}")
        if amounts[-1] > 1:
            raise ValueError(f"amounts should be shares of at most 1, found {amounts[-1]}")
        return amounts

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        if self.over == "target_rows":
            errors = self.errors(view, self.amounts)
            saved, at = 1 - errors / own(errors), np.log(self.amounts)
        else:
            errors = np.concatenate([self.errors(view, checkpoint=c) for c in range(len(view.checkpoints))])
            saved, at = 1 - errors / own(errors[-1]), np.asarray(view.checkpoints)
        area = np.apply_along_axis(mean_height, 0, saved, at)
        return stacked(list(area), area[-1])


def mean_height(curve: Array, at: Array) -> float:
    """Area under a curve over its width, where it is known; NaN where it is nowhere."""
    known = ~np.isnan(curve)
    if known.sum() < 2:
        return float(curve[known][0]) if known.any() else float("nan")
    at = at[known]
    return float(np.trapezoid(curve[known], at) / (at[-1] - at[0]))
