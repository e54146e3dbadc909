"""Canonical correlations of the main directions of two networks' features."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import Comparison, pairwise
from taskgroup.measures.representation.spectrum import centred, main_directions
from taskgroup.measures.views import Array, FeatureView


class Canonical(Comparison):
    """Options of the measures by canonical correlations.

    Attributes:
        variance: Share of each network's feature variance that its directions should hold.
        rows_per_direction: At most one direction for so many rows, whatever variance they hold: with as many directions
            as rows every correlation is 1. Ours; the papers only advise many more rows than features.
    """

    variance: float = Field(default=0.99, gt=0, le=1)
    rows_per_direction: int = Field(default=5, ge=1)

    def directions(self, features: Array) -> Array:
        """Main directions of one network's features, shape ``(N, K)``."""
        return main_directions(features, self.variance, len(features) // self.rows_per_direction)


class SVCCA(Canonical):
    """``mean_k ρ_k``: mean canonical correlation of the features' main directions.

    ρ are the singular values of ``U_iᵀ U_j``, U the orthonormal directions that hold ``variance`` of each network's
    features; the mean is over the fewer of the two. From 0 to 1, symmetric; 1 where the directions of one lie in the
    other's span, so every direction counts alike, strong or weak. Not 0 for independent features. 0 where features
    are constant. Per stage, and the stages' mean.

    Cost: per stage a decomposition of each task's features, ``T N F min(N, F)``, then ``N K² + K³`` a pair.

    Attributes:
        method: Its name in the table.

    Source: Raghu et al. 2017, arXiv 1706.05806.
    """

    method: Literal["svcca"] = "svcca"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the main directions of the features of A and B, trained alone, correlate"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(
            view, lambda f: self.directions(centred(f)), lambda items: pairwise(items, mean_correlation)
        )


def mean_correlation(a: Array, b: Array) -> float:
    """Mean canonical correlation of two orthonormal bases; 0 where one is empty."""
    if not min(a.shape[1], b.shape[1]):
        return 0.0
    return min(float(np.linalg.svd(a.T @ b, compute_uv=False).mean()), 1.0)
