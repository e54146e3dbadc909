"""Distance between the inputs of two tasks."""

from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial.distance import cdist, pdist
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.data.rows import Index, by_rows, for_all_stages, labelled_rows
from taskgroup.measures.views import Array, DataView

N_FOLDS = 5


class InputDistance(Frozen):
    """Minus the distance between the distributions of the inputs that two tasks are labelled on.

    ``mmd``: ``-MMD²`` with the kernel ``k = exp(-‖x - x'‖² / 2σ²)``, σ the median distance of all labelled rows:
    ``MMD² = mean k(xᵢ, xᵢ') + mean k(xⱼ, xⱼ') - 2 mean k(xᵢ, xⱼ)``, each mean over pairs of *different* rows, which
    makes it unbiased (it may be a little below zero) and exactly 0 for tasks with the same rows.
    ``classifier``: ``-max(0, 2 AUC - 1)`` of a linear ridge classifier that tells the rows of i from those of j,
    cross-validated; a row of both tasks counts on both sides and stays in one fold. It sees shifts of the mean, and
    from -1 (told apart without fault) to 0 is easier to read.

    Symmetric; 0 where all tasks share their rows, so it says something of tasks with rows of their own only. NaN with
    a task that has fewer than ``min_rows`` labels.

    Cost: no training; kernels of ``n²`` entries (or five ridge regressions on 2n rows) for each pair of
    tasks with different rows, n at most ``max_rows``.

    Source: Gretton et al. 2012 (jmlr.org/papers/v13/gretton12a.html, lemma 6); Lopez-Paz & Oquab 2017,
    arXiv 1610.06545, with AUC in place of accuracy.

    Attributes:
        method: Its name in the table.
        kind: ``mmd`` or ``classifier``.
        min_rows: Labelled rows that a task must have.
        max_rows: At most so many are taken, drawn under the view's seed.
    """

    method: Literal["input_distance"] = "input_distance"
    sees: ClassVar[Sight] = "data"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A and B have similar inputs"
    kind: Literal["mmd", "classifier"] = "mmd"
    min_rows: int = Field(default=10, ge=N_FOLDS)
    max_rows: int = Field(default=300, ge=10)

    def __call__(self, view: DataView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        rows = labelled_rows(view, self.max_rows)
        groups = list(by_rows(rows).values())
        found = np.full((len(view.tasks), len(view.tasks)), np.nan)
        for group in groups:
            if len(rows[group[0]]) >= self.min_rows:
                found[np.ix_(group, group)] = 0.0
        distance = MeanDiscrepancy(view, rows, self.max_rows) if self.kind == "mmd" else _told_apart
        for some, others in combinations(groups, 2):
            first, second = rows[some[0]], rows[others[0]]
            if min(len(first), len(second)) >= self.min_rows:
                found[np.ix_(some, others)] = -distance(view, first, second)
        known = ~np.isnan(found)
        return for_all_stages(view, np.where(known, found, found.T))


class MeanDiscrepancy:
    """Squared maximum mean discrepancy, with one bandwidth for all pairs so that their values compare."""

    def __init__(self, view: DataView, rows: list[Index], max_rows: int) -> None:
        used = np.unique(np.concatenate(rows))
        drawn = np.random.default_rng(view.seed).permutation(used)[: 4 * max_rows]
        squares = pdist(view.inputs[drawn], "sqeuclidean")
        apart = squares[squares > 0]
        self._twice = 2 * float(np.median(apart)) if len(apart) else 1.0
        self._within: dict[bytes, float] = {}

    def __call__(self, view: DataView, first: Index, second: Index) -> float:
        """MMD² of the rows ``first`` and ``second``."""
        for rows in (first, second):
            if rows.tobytes() not in self._within:
                self._within[rows.tobytes()] = self._mean(view, rows, rows)
        own = [self._within[rows.tobytes()] for rows in (first, second)]
        return sum(own) - 2 * self._mean(view, first, second)

    def _mean(self, view: DataView, first: Index, second: Index) -> float:
        """Mean of the kernel over pairs of different rows."""
        kernel = np.exp(-cdist(view.inputs[first], view.inputs[second], "sqeuclidean") / self._twice)
        return float(kernel[first[:, None] != second].mean())


def _told_apart(view: DataView, first: Index, second: Index) -> float:
    """``max(0, 2 AUC - 1)`` of a classifier between the rows ``first`` and ``second``."""
    first, second = sorted((first, second), key=lambda rows: rows.tobytes())
    rows, side = np.concatenate([first, second]), np.repeat([0, 1], [len(first), len(second)])
    folds = PredefinedSplit(_folds(view, first, second)[rows])
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    scores: Array = cross_val_predict(model, view.inputs[rows], side, cv=folds, method="decision_function")
    return max(0.0, 2 * float(roc_auc_score(side, scores)) - 1)


def _folds(view: DataView, first: Index, second: Index) -> Index:
    """The fold of each row of the view, with rows of one set, of the other and of both dealt out evenly."""
    rng = np.random.default_rng(view.seed)
    parts = (np.setdiff1d(first, second), np.setdiff1d(second, first), np.intersect1d(first, second))
    dealt = np.concatenate([rng.permutation(part) for part in parts])
    folds = np.full(len(view.inputs), -1)
    folds[dealt] = np.arange(len(dealt)) % N_FOLDS
    return folds
