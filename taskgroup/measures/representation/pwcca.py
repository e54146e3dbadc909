"""Canonical correlations, weighted by how much of the target's features they carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures import Sight
from taskgroup.measures.representation.spectrum import centred
from taskgroup.measures.representation.svcca import Canonical
from taskgroup.measures.views import Array, FeatureView


@dataclass(frozen=True)
class Basis:
    """Main directions ``(N, K)`` of one network's features, and the features' coordinates in them ``(K, F)``."""

    directions: Array
    coordinates: Array


class PWCCA(Canonical):
    """``Σ_k α_k ρ_k / Σ_k α_k``: canonical correlations of source i and target j, weighted by the target's features.

    ρ_k are the canonical correlations of the main directions, ``h_k`` the target's canonical variates and
    ``α_k = Σ_f |h_k · x_f|`` what they carry of the target's features x. A direction of the target without partner in
    the source has ρ = 0. From 0 to 1, not symmetric: 1 where the source's directions span the target's, less where the
    target has directions of its own. 0 where features are constant. Per stage, and the stages' mean.

    Cost: per stage a decomposition of each task's features, ``T N F min(N, F)``, then ``N K² + K² F`` an ordered pair.

    Attributes:
        method: Its name in the table.

    Source: Morcos et al. 2018, arXiv 1806.05759. There the weights are those of either network and directions without
    partner are left out; here they are always the target's, and all of them.
    """

    method: Literal["pwcca"] = "pwcca"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "A's network, trained alone, has the directions that carry the features of B's"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return self.compared(view, self._basis, _matrix)

    def _basis(self, features: Array) -> Basis:
        x = centred(features)
        directions = self.directions(x)
        return Basis(directions, directions.T @ x)


def _matrix(items: Sequence[Basis]) -> Array:
    return np.array([[weighted_correlation(source, target) for target in items] for source in items])


def weighted_correlation(source: Basis, target: Basis) -> float:
    """Mean canonical correlation, weighted by the target's features; 0 where either has no direction."""
    if not min(source.directions.shape[1], target.directions.shape[1]):
        return 0.0
    turn, correlations, _ = np.linalg.svd(target.directions.T @ source.directions)
    weights = np.abs(turn.T @ target.coordinates).sum(axis=1)  # of all variates, those without partner last
    return min(float(weights[: len(correlations)] @ correlations / weights.sum()), 1.0)
