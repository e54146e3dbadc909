"""Effective dimensions that two networks' features have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import Comparison, cosines
from taskgroup.measures.representation.kernel import hsic_vector, kernel_matrix
from taskgroup.measures.views import Array, FeatureView


@dataclass(frozen=True)
class Dimensions:
    """Of one network's features: the effective number, and the centred kernel as a vector."""

    count: float
    vector: Array


class ParticipationRatio(Comparison):
    """``D_ij / min(D_i, D_j)``: share of the smaller representation's effective dimensions that the other has too.

    ``D_i = (tr C_i)² / tr C_i²`` is the participation ratio of the features' covariance: K directions of equal
    variance count K, weak ones count less. With features scaled so that ``tr C_i = D_i``, one unit of variance per
    effective dimension, the common dimensions are ``D_ij = ‖C_ij‖²``, the sum of squared cross-covariances: ``D_i``
    for a network and itself, m where spaces of equal variance share m directions, and 0 where the features are
    uncorrelated. This is linear CKA times ``√(max D / min D)``: a small representation that lies within a
    large one is not marked down for its size. Symmetric, clipped to [0, 1]; 0 where features are constant. Per stage,
    and the stages' mean.

    Cost: that of linear CKA.

    Attributes:
        method: Its name in the table.
        debiased: Squared covariances are estimated without the bias that many features over few rows bring.

    Source: participation ratio after Gao et al. 2017 (doi:10.1101/214262); the pair's value is ours.
    """

    method: Literal["participation_ratio"] = "participation_ratio"
    debiased: bool = True
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the features of A and B, trained alone, have their main dimensions in common"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(view, self.dimensions, common_share)

    def dimensions(self, features: Array) -> Dimensions:
        """Effective dimensions of one network's features; 0 where they are constant."""
        kernel = kernel_matrix(features, "linear", 1.0)
        vector = hsic_vector(kernel, self.debiased)
        squares = float(vector @ vector)
        total = float(np.trace(kernel)) / (len(kernel) - 1)
        return Dimensions(total**2 / squares if squares > 0 else 0.0, vector)


def common_share(items: Sequence[Dimensions]) -> Array:
    """``D_ij / min(D_i, D_j)`` of all pairs, in [0, 1]."""
    counts = np.array([d.count for d in items])
    live = np.where(counts > 0, counts, 1.0)
    ratio = np.sqrt(np.maximum.outer(live, live) / np.minimum.outer(live, live))
    found: Array = np.clip(cosines([d.vector for d in items]) * ratio, 0.0, 1.0)
    return found
