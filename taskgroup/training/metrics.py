"""Errors: what a task's metric leaves to be desired, always positive, lower is better."""

import numpy as np
import torch
from numpy.typing import NDArray

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.model import MultiTaskModel

Array = NDArray[np.float64]


def task_error(task: Task, output: Array, labels: Array) -> float:
    """Error of ``task`` by its metric.

    ========================================  ==================================================
    ``accuracy``, ``balanced_accuracy``       1 - metric, at least half a row: ``0.5 / n``
    ``auc``                                   1 - area under the ROC curve, at least ``0.5 / n``
    ``r2``                                    mean squared error over the labels' variance
    ``mae``                                   mean absolute error over the labels' mean deviation from their median
    ========================================  ==================================================

    The floor keeps ratios of errors finite where a network makes no mistake on the split. Classes without a label on
    the split do not count in ``balanced_accuracy``. NaN where an output is not finite.

    Args:
        task: Decides the metric.
        output: Shape ``(n, n_outputs)``, logits or standardized values.
        labels: Shape ``(n,)``, NaN where missing.
    """
    known = ~np.isnan(labels)
    output, labels = output[known], labels[known]
    if not np.isfinite(output).all():
        return float("nan")
    floor = 0.5 / len(labels)
    if task.kind == "regression":
        return _regression_error(task, output[:, 0], labels)
    if task.metric == "auc":
        from sklearn.metrics import roc_auc_score

        return max(1.0 - float(roc_auc_score(labels, output[:, 0])), floor)
    predicted = output[:, 0] > 0 if task.kind == "binary" else output.argmax(axis=1)
    if task.metric == "balanced_accuracy":
        recalls = [np.mean(predicted[labels == c] == c) for c in np.unique(labels)]
        return max(1.0 - float(np.mean(recalls)), floor)
    return max(float(np.mean(predicted != labels)), floor)


def _regression_error(task: Task, predicted: Array, labels: Array) -> float:
    if task.metric == "mae":
        spread = float(np.mean(np.abs(labels - np.median(labels))))
        error = float(np.mean(np.abs(predicted - labels)))
    else:
        spread = float(np.var(labels))
        error = float(np.mean((predicted - labels) ** 2))
    return max(error, 1e-12) / max(spread, 1e-12)


@torch.no_grad()
def errors_on(model: MultiTaskModel, tasks: TaskSet, rows: Rows, chunk: int = 4096) -> dict[str, float]:
    """Every task's error on ``rows``, in evaluation mode; training mode is switched back on."""
    model.eval()
    parts = [model(part) for part in torch.split(rows.inputs, chunk)]
    model.train()
    outputs = {t: torch.cat([p[t] for p in parts]).double().numpy() for t in tasks.names}
    labels = rows.labels.double().numpy()
    return {task.name: task_error(task, outputs[task.name], labels[:, k]) for k, task in enumerate(tasks)}
