"""Centred kernel alignment."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import Comparison, cosines
from taskgroup.measures.representation.kernel import Kernel, hsic_vector, kernel_matrix
from taskgroup.measures.views import Array, FeatureView


class CKA(Comparison):
    """``CKA[i, j] = HSIC(K_i, K_j) / √(HSIC(K_i, K_i) HSIC(K_j, K_j))``: rows alike to one network are so to the other.

    1 where the features agree up to rotation, shift and scale, near 0 where they are independent; symmetric. From 0 to
    1 when biased; the debiased estimate may fall below 0 by chance, and unlike the biased one does not grow with the
    number of features over rows. 0 where features are constant. Per stage, and the stages' mean.

    Cost: per stage a kernel matrix of each task, ``T N² min(N, F)``, and all pairs at once, ``T² N²``; memory
    ``T N² / 2`` (N at most ``max_rows``).

    Attributes:
        method: Its name in the table.
        kernel: ``linear`` or ``rbf``.
        debiased: Unbiased estimates of HSIC, else the biased ones as first published.
        bandwidth: Of the RBF kernel, as a multiple of the median distance between rows.

    Source: Kornblith et al. 2019, arXiv 1905.00414; unbiased HSIC of Song et al. 2012 (JMLR 13, section 2), used for
    CKA by Nguyen et al. 2021, arXiv 2010.15327.
    """

    method: Literal["cka"] = "cka"
    kernel: Kernel = "linear"
    debiased: bool = True
    bandwidth: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the networks of A and B, trained alone, find the same inputs alike"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(view, self._vector, cosines)

    def _vector(self, features: Array) -> Array:
        return hsic_vector(kernel_matrix(features, self.kernel, self.bandwidth), self.debiased)
