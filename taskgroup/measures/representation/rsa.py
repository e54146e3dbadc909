"""Representation similarity analysis."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import Comparison, cosines
from taskgroup.measures.views import Array, FeatureView


class RSA(Comparison):
    """``ρ(D_i, D_j)``: rank correlation of the two networks' dissimilarities between rows.

    ``D[a, b] = 1 - Pearson(x_a, x_b)`` over the features of rows a and b; ρ is Spearman's over all pairs of rows. From
    -1 to 1, symmetric; depends on the features' axes and offsets only through the rows' correlations. A row without
    any spread over its features correlates with no other. 0 where all dissimilarities are equal (constant features,
    one feature). Per stage, and the stages' mean.

    Cost: per stage ``T N² F`` and ranking ``T N² log N``, all pairs at once ``T² N²``; memory ``T N² / 2``.

    Attributes:
        method: Its name in the table.

    Source: the branching measure of Vandenhende et al. 2020, arXiv 1904.02920, after Dwivedi and Roig 2019, arXiv
    1904.11740.
    """

    method: Literal["rsa"] = "rsa"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the networks of A and B, trained alone, put the pairs of inputs in the same order of likeness"
    )

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(view, centred_ranks, cosines)


def centred_ranks(features: Array) -> Array:
    """Ranks of the rows' dissimilarities minus their mean, shape ``(N (N - 1) / 2,)``."""
    rows = features - features.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths <= 1e-9 * np.linalg.norm(features, axis=1, keepdims=True)
    rows = np.where(flat, 0.0, rows / np.where(flat, 1.0, lengths))
    likeness = (rows @ rows.T)[np.triu_indices(len(rows), k=1)]
    ranks = rankdata(-np.round(likeness, 9))  # rounded: ties that differ by rounding stay ties
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)
