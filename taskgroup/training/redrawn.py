"""Errors under draws of the rows: how much of an error is the luck of the rows that it was measured on."""

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.metrics import outputs_on, task_error
from taskgroup.training.model import MultiTaskModel

Array = NDArray[np.float64]

N_DRAWS = 100
"""Draws of the rows: a standard error from them is known to 7 %."""
CELLS = 4_000_000
"""So many counts are held at once."""


def redrawn_errors(model: MultiTaskModel, tasks: TaskSet, rows: Rows, n_draws: int = N_DRAWS) -> Array:
    """Every task's error on ``rows`` drawn with replacement, the same draws for every model.

    Where a draw has nothing to score a task by, as no positive for an area under the curve, its error on all rows.
    Errors of regressions are relative to the labels' spread on all rows, in every draw.

    Args:
        model: Is evaluated once.
        tasks: In the order of the labels' columns.
        rows: At least one labelled row for each task.
        n_draws: How many.

    Returns:
        Shape ``(n_draws, n_tasks)``.

    Source: the bootstrap, Efron 1979, doi:10.1214/aos/1176344552.
    """
    outputs = outputs_on(model, tasks, rows)
    rng, n_rows = np.random.default_rng(derive_seed("rows", len(rows))), len(rows)
    size = max(CELLS // n_rows, 1)
    found = []
    for start in range(0, n_draws, size):
        n_here = min(size, n_draws - start)
        counts = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=n_here).astype(np.float64)
        found.append([_redrawn(task, *outputs[task.name], counts, _own(rows, k)) for k, task in enumerate(tasks)])
    return np.concatenate(found, axis=1).T


def _own(rows: Rows, column: int) -> NDArray[np.bool_]:
    """Which rows are the task's own; all of them where tasks share them."""
    return np.ones(len(rows), dtype=bool) if rows.owner is None else rows.owner.numpy() == column


def _redrawn(task: Task, output: Array, labels: Array, counts: Array, own: NDArray[np.bool_]) -> Array:
    if len(labels) < counts.shape[1]:  # outputs are for its own rows alone
        counts = counts[:, own]
    drawn = weighted_errors(task, output, labels, counts)
    return np.where(np.isnan(drawn), task_error(task, output, labels), drawn)


def weighted_errors(task: Task, output: Array, labels: Array, weights: Array) -> Array:
    """Errors as :func:`~taskgroup.training.metrics.task_error` defines them, rows weighted; NaN where there are none.

    Args:
        task: Decides the metric.
        output: Shape ``(n, n_outputs)``.
        labels: Shape ``(n,)``, NaN where missing.
        weights: Not negative, shape ``(n_draws, n)``.

    Returns:
        Shape ``(n_draws,)``. Cost: ``n_draws * n`` multiply-accumulates, and a sort of the rows for ``auc``.
    """
    known = ~np.isnan(labels)
    output, labels, weights = output[known], labels[known], weights[:, known]
    if not np.isfinite(output).all():
        return np.full(len(weights), np.nan)
    floor, total = 0.5 / len(labels), weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if task.kind == "regression":
            each = np.abs(output[:, 0] - labels) ** (1 if task.metric == "mae" else 2)
            return np.asarray(weights @ each / total / each.mean() * task_error(task, output, labels))
        if task.metric == "auc":
            return np.maximum(1.0 - _areas(output[:, 0], labels, weights), floor)
        right = (output[:, 0] > 0 if task.kind == "binary" else output.argmax(axis=1)) == labels
        if task.metric == "balanced_accuracy":
            return np.maximum(1.0 - _mean_recalls(right, labels, weights), floor)
        return np.asarray(np.maximum(1.0 - weights @ right / total, floor))


def _areas(scores: Array, labels: Array, weights: Array) -> Array:
    """Areas under the ROC curve; pairs with equal scores count half."""
    order = np.argsort(scores, kind="stable")
    scores, labels, weights = scores[order], labels[order], weights[:, order]
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    positive = np.add.reduceat(weights * labels, starts, axis=1)
    negative = np.add.reduceat(weights * (1 - labels), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    return np.asarray((positive * below).sum(axis=1) / positive.sum(axis=1) / negative.sum(axis=1))


def _mean_recalls(right: NDArray[np.bool_], labels: Array, weights: Array) -> Array:
    """Means over the classes; one that a draw leaves out does not count in it."""
    of_class = [labels == c for c in np.unique(labels)]
    recalls = np.stack([weights[:, c] @ right[c] / weights[:, c].sum(axis=1) for c in of_class])
    n_there = np.isfinite(recalls).sum(axis=0)
    return np.asarray(np.nan_to_num(recalls).sum(axis=0) / n_there)
