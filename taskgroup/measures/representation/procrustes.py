"""Procrustes: how well one network's features can be turned into another's."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import Comparison, pairwise
from taskgroup.measures.representation.spectrum import centred, compact
from taskgroup.measures.views import Array, FeatureView


class Procrustes(Comparison):
    """``P[i, j] = ‖X_iᵀ X_j‖_*``: what is left in common after the best rotation.

    X are the features, centred and of Frobenius norm 1; ``‖·‖_*`` sums singular values. It is ``1 - d / 2`` for the
    squared distance ``d = min_Q ‖X_i Q - X_j‖²`` over orthogonal Q. From 0 to 1, symmetric; 1 where the features agree
    up to rotation, shift and scale. Not 0 for independent features: chance alone gives more the more features there
    are over rows. 0 where features are constant. Per stage, and the stages' mean.

    Cost: per stage and pair one product ``N F²`` and the singular values of an ``(F, F)`` matrix, F at most N.

    Attributes:
        method: Its name in the table.

    Source: Ding et al. 2021, arXiv 2108.01661, as a similarity; the closed form is Schönemann's 1966
    (doi:10.1007/BF02289451).
    """

    method: Literal["procrustes"] = "procrustes"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the features of A's network, trained alone, can be turned into those of B's"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(view, unit_norm, lambda items: pairwise(items, nuclear))


def unit_norm(features: Array) -> Array:
    """Centred features of Frobenius norm 1 in at most N columns; zero where they are constant."""
    x = compact(centred(features))
    norm = np.linalg.norm(x)
    return x / norm if norm > 0 else x


def nuclear(a: Array, b: Array) -> float:
    """Sum of the singular values of ``aᵀ b``, at most 1 for matrices of norm 1."""
    return min(float(np.linalg.norm(a.T @ b, "nuc")), 1.0)
