"""Share of one network's features that a linear map from another's explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import RidgeCV

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.representation.comparison import over_stages
from taskgroup.measures.representation.rows import MIN_ROWS
from taskgroup.measures.representation.spectrum import centred, count_holding, principal_axes
from taskgroup.measures.views import Array, FeatureView

PENALTIES = tuple(10.0**k for k in range(-5, 4, 2))
"""Ridge penalties to choose from, for components of mean variance 1."""


@dataclass(frozen=True)
class Halves:
    """Principal components of one network's features, on fit and score rows: all predict, the first are predicted."""

    fit: Array
    score: Array
    n_predicted: int


class SharedVariance(Frozen):
    """``V[i, j] = 1 - ‖Y_j - Ŷ_j(X_i)‖² / ‖Y_j - mean‖²``: share of the target's feature variance that the source has.

    ``Ŷ_j(X_i)`` is a ridge regression from the source's features to the target's, fitted on ``fit`` rows and judged on
    ``score`` rows; the mean is that of the ``fit`` rows. The target's own variance is the rest, ``1 - V[i, j]``. From 0
    (also where the map does worse than the mean) to 1, not symmetric: a source whose features contain the target's
    gives 1, while the other way round the source's further features count as its own. 0 where features are constant.
    Per stage, and the stages' mean.

    Cost: per stage and source one decomposition, ``N F min(N, F)``, and ``N² K`` for the K components of every target
    that hold ``variance`` of its features; memory ``N T K``.

    Attributes:
        method: Its name in the table.
        max_rows: More ``fit`` or ``score`` rows than this are subsampled.
        variance: Share of the target's variance whose principal components are predicted; the rest is noise to it.

    Source: linear regression as similarity, Kornblith et al. 2019, arXiv 1905.00414, section 3, with held-out rows; the
    penalty is chosen per component by generalized cross-validation.
    """

    method: Literal["shared_variance"] = "shared_variance"
    max_rows: int = Field(default=1024, ge=MIN_ROWS)
    variance: float = Field(default=0.99, gt=0, le=1)
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "what B's network, trained alone, makes of the inputs can be read from the features of A's"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return over_stages(view, ("fit", "score"), self.max_rows, self._halves, _shares)

    def _halves(self, features: list[Array]) -> Halves:
        fit = centred(features[0])
        axes, values = principal_axes(fit)
        if not len(values):
            return Halves(np.zeros((len(fit), 1)), np.zeros((len(features[1]), 1)), 0)
        size = np.sqrt(np.mean(values**2) / len(fit))
        score = (features[1] - features[0].mean(axis=0)) @ axes
        return Halves(fit @ axes / size, score / size, count_holding(values, self.variance))


def _shares(items: Sequence[Halves]) -> Array:
    """All sources by all targets; one fit per source serves every target's components."""
    splits = np.cumsum([t.n_predicted for t in items])[:-1]
    goals = np.concatenate([t.fit[:, : t.n_predicted] for t in items], axis=1)
    truths = [t.score[:, : t.n_predicted] for t in items]
    if not goals.shape[1]:
        return np.zeros((len(items), len(items)))
    found = []
    for source in items:
        model = RidgeCV(alphas=PENALTIES, alpha_per_target=True, fit_intercept=False).fit(source.fit, goals)
        guesses = np.split(model.predict(source.score).reshape(len(source.score), -1), splits, axis=1)
        found.append([_explained(guess, truth) for guess, truth in zip(guesses, truths, strict=True)])
    return np.array(found)


def _explained(guess: Array, truth: Array) -> float:
    total = float((truth**2).sum())
    return min(max(1 - float(((truth - guess) ** 2).sum()) / total, 0.0), 1.0) if total > 0 else 0.0
