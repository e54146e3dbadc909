"""Linear heads on frozen features: how well each task's labels can be read from every task's trunk."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

from taskgroup.core.task import Frozen, Task
from taskgroup.measures.representation.rows import MIN_ROWS, enough, sample, trained
from taskgroup.measures.views import Array, FeatureView
from taskgroup.training.metrics import task_error

PENALTIES = tuple(10.0**k for k in range(-2, 5))
"""Of a regression's squared weights, for standardized features."""


class Heads(Frozen):
    """Options of the measures that fit heads to frozen features.

    Attributes:
        max_rows: A target with more labelled ``fit`` rows than this is fitted on a sample of them; it is judged on all
            its ``score`` rows.
        max_dims: Wider features are reduced to so many principal components of (at most ``max_rows``) ``fit`` rows.
        penalty: Of a classifier's squared weights (inverse of scikit-learn's C), for standardized features. A
            regression's is chosen by leave-one-out error among powers of ten.
    """

    max_rows: int = Field(default=1024, ge=MIN_ROWS)
    max_dims: int = Field(default=128, ge=1)
    penalty: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    def errors(self, view: FeatureView, shares: Sequence[float] = (1.0,), checkpoint: int = -1) -> Array:
        """Errors of heads for task j on the features of task i, by j's metric, on ``score`` rows.

        Args:
            view: Features and labels.
            shares: Of the target's ``fit`` rows that heads are fitted on; the rows of a smaller share are among those
                of a larger one.
            checkpoint: Of the source's training.

        Returns:
            Shape ``(len(shares), S, T, T)``: share, stage, source, target. NaN for a source that was not trained or
            has features that are not finite, and for a target with too few labels in either part.
        """
        n_tasks = len(view.tasks)
        found = np.full((len(shares), len(view.stages), n_tasks, n_tasks), np.nan)
        rows = [self.fit_rows(view, share) for share in shares]
        for s, stage in enumerate(view.stages):
            for i in trained(view):
                fit, score = (view.features(view.tasks.names[i], stage, part, checkpoint) for part in ("fit", "score"))
                if np.isfinite(fit).all() and np.isfinite(score).all():
                    features = self._standardized(fit, score, view.seed)
                    for k in range(len(shares)):
                        found[k, s, i] = self._of_source(view, *features, rows[k])
        return found

    def fit_rows(self, view: FeatureView, share: float = 1.0) -> list[NDArray[np.intp]]:
        """Each target's rows to fit on; none where they, or the ``score`` labels, do not suffice."""
        fit, score = view.labels("fit"), view.labels("score")
        found = []
        for k in range(len(view.tasks)):
            known = np.flatnonzero(~np.isnan(fit[:, k]))
            known = known[sample(len(known), self.max_rows, view.seed)]
            order = np.random.default_rng(view.seed).permutation(len(known))
            rows = np.sort(known[order[: int(np.ceil(share * len(known)))]])
            found.append(rows if enough(fit[rows, k]) and enough(score[:, k]) else rows[:0])
        return found

    def baseline(self, view: FeatureView) -> Array:
        """Errors of heads that see no features, shape ``(T,)``: they predict the mean, or the commonest class."""
        score = view.labels("score")
        nothing = np.zeros((len(view.labels("fit")), 1)), np.zeros((len(score), 1))
        return self._of_source(view, *nothing, self.fit_rows(view))

    def _of_source(self, view: FeatureView, fit: Array, score: Array, rows: list[NDArray[np.intp]]) -> Array:
        labels, truth = view.labels("fit"), view.labels("score")
        found = np.full(len(view.tasks), np.nan)
        for j, task in enumerate(view.tasks):
            if len(rows[j]):
                output = self._outputs(task, fit[rows[j]], labels[rows[j], j], score)
                found[j] = task_error(task, output, truth[:, j])
        return found

    def _outputs(self, task: Task, fit: Array, labels: Array, score: Array) -> Array:
        """Logits or values for the ``score`` rows, shape ``(n, n_outputs)``."""
        if task.kind == "regression":
            return np.asarray(RidgeCV(PENALTIES).fit(fit, labels).predict(score)).reshape(-1, 1)
        model = LogisticRegression(C=1 / self.penalty, max_iter=10_000).fit(fit, labels)
        return _logits(model, score, task.n_outputs)

    def _standardized(self, fit: Array, score: Array, seed: int) -> tuple[Array, Array]:
        """Features of mean 0 and variance 1 on the ``fit`` rows, constant ones left out, in few dimensions."""
        spread = np.abs(fit - fit.mean(axis=0)).max(axis=0)
        live = spread > 1e-9 * np.abs(fit).max(axis=0)
        if not live.any():
            return np.zeros((len(fit), 1)), np.zeros((len(score), 1))
        scaler = StandardScaler().fit(fit[:, live])
        fit, score = scaler.transform(fit[:, live]), scaler.transform(score[:, live])
        if fit.shape[1] > self.max_dims:
            some = fit[sample(len(fit), self.max_rows, seed)]
            pca = PCA(min(self.max_dims, len(some)), random_state=seed).fit(some)
            fit, score = pca.transform(fit), pca.transform(score)
        return fit, score


def _logits(model: Any, score: Array, n_outputs: int) -> Array:
    """Decision values by class index; a class that was never seen is the least likely."""
    values: Array = model.decision_function(score)
    if n_outputs == 1:
        return values.reshape(-1, 1)
    if values.ndim == 1:
        values = np.stack([-values / 2, values / 2], axis=1)
    found = np.repeat(values.min(axis=1, keepdims=True) - 1, n_outputs, axis=1)
    found[:, model.classes_.astype(int)] = values
    return found


def own(errors: Array) -> Array:
    """The targets' errors on their own features, to divide by: ``(..., T, T)`` to ``(..., 1, T)``."""
    return np.diagonal(errors, axis1=-2, axis2=-1)[..., None, :]
