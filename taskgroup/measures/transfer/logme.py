"""LogME: evidence of a target's labels given a source's features."""

import math
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize_scalar

from taskgroup.core.task import Frozen, Task
from taskgroup.measures import Sight
from taskgroup.measures.representation.rows import MIN_ROWS, enough, sample, trained
from taskgroup.measures.representation.spectrum import centred, spectrum
from taskgroup.measures.views import Array, FeatureView, stacked

GRID = np.log(10.0) * np.linspace(-10, 10, 41)
"""Logarithms of alpha over beta, relative to the largest eigenvalue, where the search starts.

Its lower end keeps the evidence of labels without noise finite.
"""


class LogME(Frozen):
    """``A[i, j] = E(X_i, y_j) - E(X_j, y_j)``: evidence of j's labels given i's features, against j's own features.

    ``E(X, y) = max_{α, β} log p(y | X, α, β) / (n - 1)`` with weights ``w ~ N(0, I / α)`` and labels
    ``y ~ N(X w, I / β)``, in nats per row: how well a Bayesian linear head fits, less what its freedom costs. For more
    than two classes the mean over one-hot columns. Labels and features are centred: the head has a bias of which
    nothing is known beforehand, which takes one degree of freedom. Positive: i's features say more of j; 0 on the
    diagonal, not symmetric, without limits. Constant features have the evidence of noise alone. NaN for a target with
    fewer than ten labels in ``part`` or only one value among them, and for a source without enough training labels.
    Per stage; the last slice is the last stage's.

    Cost: per stage one decomposition, ``N F min(N, F)``, for each source and set of labelled rows (one per source
    where all targets have the same rows), and about 1 ms for each column of labels. No head is fitted.

    Attributes:
        method: Its name in the table.
        max_rows: A target with more labelled rows than this is judged by a sample of them.
        part: Which rows: ``score`` (validation rows, whose labels no network has seen) or ``fit`` (training rows).

    Source: You et al. 2021, arXiv 2102.11005. There α and β climb by fixed point; here β is solved for and their ratio
    searched, which finds the same maximum. There is no bias there, and the sum is over n.
    """

    method: Literal["logme"] = "logme"
    max_rows: int = Field(default=1024, ge=MIN_ROWS)
    part: Literal["fit", "score"] = "score"
    sees: ClassVar[Sight] = "features"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "B's labels are more likely given A's features than given B's own"

    def __call__(self, view: FeatureView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        labels, n_tasks = view.labels(self.part), len(view.tasks)
        found = np.full((len(view.stages), n_tasks, n_tasks), np.nan)
        for s, stage in enumerate(view.stages):
            for i in trained(view):
                features = view.features(view.tasks.names[i], stage, self.part, -1)
                if np.isfinite(features).all():
                    found[s, i] = self._of_source(view, features, labels)
        found -= np.diagonal(found, axis1=1, axis2=2)[:, None, :]
        return stacked(list(found), found[-1])

    def _of_source(self, view: FeatureView, features: Array, labels: Array) -> Array:
        found = np.full(len(view.tasks), np.nan)
        spectra: dict[bytes, tuple[Array, Array]] = {}
        for j, task in enumerate(view.tasks):
            known = np.flatnonzero(~np.isnan(labels[:, j]))
            rows = known[sample(len(known), self.max_rows, view.seed)]
            if enough(labels[rows, j]):
                if (key := rows.tobytes()) not in spectra:
                    spectra[key] = spectrum(centred(features[rows]))
                found[j] = np.mean([evidence(*spectra[key], y) for y in columns(task, labels[rows, j])])
        return found


def columns(task: Task, labels: Array) -> list[Array]:
    """Centred label columns: the labels themselves, or one per class that occurs among more than two."""
    classes = np.unique(labels) if task.kind == "multiclass" else ()
    raw = [(labels == c).astype(np.float64) for c in classes] if len(classes) > 2 else [labels]
    return [y - y.mean() for y in raw]


def evidence(left: Array, values: Array, y: Array) -> float:
    """Largest log evidence per degree of freedom of centred labels ``y``, given the spectrum of centred features.

    With ``m = n - 1`` (the mean is taken out), ``t = α / β`` and ``q(t) = yᵀ (X Xᵀ / t + I)⁻¹ y`` the best β is
    ``m / q``, which leaves ``E(t) = -(log(2π q / m) + 1) / 2 + Σ log(t / (t + σ²)) / 2m``.
    """
    m, total = len(y) - 1, float(y @ y)
    live = values > 1e-8 * values[0]
    if not live.any():
        return -_entropy(total / m)
    squares = (values[live] / values[0]) ** 2
    explained = (left[:, live].T @ y) ** 2
    rest = total - float(explained.sum())

    def loss(log_t: float) -> float:
        log_left = log_t - np.log(math.exp(log_t) + squares)  # of what the features explain, the share left over
        q = rest + float(explained @ np.exp(log_left))
        return _entropy(q / m) - 0.5 * float(log_left.sum()) / m

    best = int(np.argmin([loss(t) for t in GRID]))
    around = GRID[max(best - 1, 0)], GRID[min(best + 1, len(GRID) - 1)]
    polished = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-6})
    return -min(float(polished.fun), loss(GRID[best]))


def _entropy(variance: float) -> float:
    """Of a normal distribution, nats."""
    return 0.5 * (math.log(2 * math.pi * variance) + 1)
