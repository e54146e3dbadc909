"""Transfer distance: how far a source's features go from knowing nothing to the target's own."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures import Sight
from taskgroup.measures.transfer.heads import Heads, own
from taskgroup.measures.views import FeatureView, stacked

LOWEST, HIGHEST = -1.0, 2.0


class TransferDistance(Heads):
    """``A[i, j] = (e_0j - e_ij) / (e_0j - e_jj)``: share of the way from the mean to j's own features that i's go.

    ``e_ij`` is the error of a linear head for target j on the features of source i's network, as in
    :class:`taskgroup.measures.transfer.probe.ProbeHead`; ``e_0j`` that of a head which sees no features. 0: i's trunk
    says nothing of j; 1: as much as j's own trunk, also on the diagonal; above 1: more. Clipped to [-1, 2]. Not
    symmetric, and comparable between targets of unlike difficulty. NaN where a head on the target's own features does
    no better than without features, and where the probe is NaN. Per stage; the last slice is the last stage's.

    Cost: that of the probe, and T heads.

    Attributes:
        method: Its name in the table.

    Source: the normalized transfer of Zamir et al. 2018, arXiv 1804.08328, with linear heads and the target's own
    network as gold standard.
    """

    method: Literal["transfer_distance"] = "transfer_distance"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "a linear head on A's trunk comes near to, or beyond, what B's own trunk gives it"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        errors, nothing = self.errors(view)[0], self.baseline(view)
        way = nothing - own(errors)
        share = np.clip((nothing - errors) / np.where(way > 0, way, np.nan), LOWEST, HIGHEST)
        return stacked(list(share), share[-1])
