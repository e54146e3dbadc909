"""What measured groups of three and more tasks teach about the mean over pairs: a shrunken linear correction."""

from dataclasses import dataclass

import numpy as np

from taskgroup.core.cover import Array, GroupScores
from taskgroup.selection.sets import Rows

FEWEST = 3
"""Larger groups needed."""

STRENGTHS = (0.1, 1.0, 10.0, 100.0, np.inf)
"""Ridge penalties tried; infinite is no correction."""


@dataclass(frozen=True)
class Calibration:
    """A linear correction of predictions, in units of each task's spread over its pairs.

    Attributes:
        weights: Of the features of :meth:`features`, shape ``(F,)``.
        strength: Ridge penalty, the one that predicts left-out groups best; infinite where no correction did.
        n_groups: Larger groups it was fitted on.
        before: Root mean square error of the plain mean over pairs on the larger groups, in units of the spread.
        after: The same of the corrected one on groups that were left out of the fit.
        centre: Mean of each task's pairs, shape ``(T,)``.
        scale: Spread of each task's pairs, shape ``(T,)``.
        together: How far each task's error in the network of all tasks lies above its centre, in units of the spread;
            0 where that network was not measured, shape ``(T,)``.
    """

    weights: Array
    strength: float
    n_groups: int
    before: float
    after: float
    centre: Array
    scale: Array
    together: Array

    def corrected(self, means: Array, groups: Rows) -> Array:
        """Predictions of groups of three and more tasks corrected, the others as they are; shape ``(G, T)``."""
        shift = self.features(means, groups) @ self.weights
        larger = groups.sum(axis=1)[:, None] > 2
        found: Array = means + np.where(larger, shift * self.scale, 0.0)
        return found

    def features(self, means: Array, groups: Rows) -> Array:
        """Shape ``(G, T, F)``.

        One; the prediction; the size s = (|g| - 2) / (T - 2); s times ``together``; and one for each task.
        """
        n_tasks = groups.shape[1]
        size = np.broadcast_to((groups.sum(axis=1)[:, None] - 2) / max(1, n_tasks - 2), means.shape)
        common = [np.ones(means.shape), (means - self.centre) / self.scale, size, size * self.together]
        own = np.broadcast_to(np.eye(n_tasks), (*means.shape, n_tasks))
        return np.concatenate([np.stack(common, axis=-1), own], axis=-1)


def calibrate(measured: GroupScores, pairs: Array, means: Array) -> Calibration | str:
    """Fit the correction by ridge regression of ``(measured - mean over pairs) / spread`` on the features.

    The penalty is the one of ``STRENGTHS`` whose fit without a group predicts that group best (leave one group out).
    The network of all tasks is a feature of the others and is left out of the fit.

    Args:
        measured: Rows of any size.
        pairs: Error of each task beside each partner, ``[task, partner]``, its own mean on the diagonal, ``(T, T)``.
        means: Mean over pairs for each row, shape ``(G, T)``.

    Returns:
        The correction, or a sentence why there is none.
    """
    sizes = measured.members.sum(axis=1)
    n_tasks = len(measured.tasks)
    every = sizes == n_tasks
    larger = (sizes > 2) & ~every
    if larger.sum() < FEWEST:
        rule = f"calibration needs {FEWEST} groups of three or more tasks, besides the one of all"
        return f"not calibrated: {rule}, found {larger.sum()}"
    off = ~np.eye(n_tasks, dtype=bool)
    spread = np.array([row[o].std() for row, o in zip(pairs, off, strict=True)])
    usual = np.median(spread[spread > 0]) if (spread > 0).any() else 1.0
    scale = np.where(spread > 0, spread, usual)
    centre = np.diag(pairs)
    together = (measured.errors[every].mean(axis=0) - centre) / scale if every.any() else np.zeros(n_tasks)
    plain = Calibration(np.zeros(4 + n_tasks), np.inf, int(larger.sum()), 0.0, 0.0, centre, scale, together)
    members = measured.members[larger]
    features = plain.features(means[larger], members) * members[:, :, None]
    residual = np.where(members, (measured.errors[larger] - means[larger]) / scale, 0.0)
    return _fitted(plain, features, residual, int(members.sum()))


def _fitted(plain: Calibration, features: Array, residual: Array, n: int) -> Calibration:
    """The penalty by leaving each group out, then the weights from all."""
    gram = np.einsum("gtf,gth->gfh", features, features)
    moment = np.einsum("gtf,gt->gf", features, residual)
    losses = []
    for strength in STRENGTHS[:-1]:
        ridge = strength * np.eye(features.shape[2])
        weights = np.linalg.solve(gram.sum(axis=0) - gram + ridge, (moment.sum(axis=0) - moment)[:, :, None])
        losses.append(float(((residual - (features @ weights)[:, :, 0]) ** 2).sum()))
    losses.append(float((residual**2).sum()))
    best = int(np.argmin(losses))
    strength = STRENGTHS[best]
    weights = plain.weights
    if np.isfinite(strength):
        weights = np.linalg.solve(gram.sum(axis=0) + strength * np.eye(len(weights)), moment.sum(axis=0))
    before, after = (float(np.sqrt(loss / n)) for loss in (losses[-1], losses[best]))
    return Calibration(weights, strength, plain.n_groups, before, after, plain.centre, plain.scale, plain.together)
