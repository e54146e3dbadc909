"""Errors: what a task's metric leaves to be desired, always positive, lower is better."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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


def errors_on(model: MultiTaskModel, tasks: TaskSet, rows: Rows, chunk: int = 4096) -> dict[str, float]:
    """Every task's error on ``rows``, see :func:`outputs_on`."""
    found = outputs_on(model, tasks, rows, chunk)
    return {task.name: task_error(task, *found[task.name]) for task in tasks}


@torch.no_grad()
def outputs_on(model: MultiTaskModel, tasks: TaskSet, rows: Rows, chunk: int = 4096) -> dict[str, tuple[Array, Array]]:
    """Every task's outputs and labels on ``rows``, in evaluation mode; training mode is switched back on.

    Rows that tasks have of their own run along their own paths only, where the model has any: then a task has outputs
    for its own rows alone, in their order.

    Returns:
        Outputs of shape ``(n, n_outputs)`` and labels of shape ``(n,)`` by task.
    """
    model.eval()
    if rows.owner is not None and model.branched:
        found = [_on_own_rows(model, tasks, rows.pick(part)) for part in torch.split(torch.arange(len(rows)), chunk)]
        outputs = {t: torch.cat([o[t] for o, _ in found]) for t in tasks.names}
        labels = {t: torch.cat([own[t] for _, own in found]) for t in tasks.names}
    else:
        parts = [model(part) for part in torch.split(rows.inputs, chunk)]
        outputs = {t: torch.cat([p[t] for p in parts]) for t in tasks.names}
        labels = dict(zip(tasks.names, rows.labels.unbind(dim=1), strict=True))
    model.train()
    return {t: (outputs[t].double().numpy(), labels[t].double().numpy()) for t in tasks.names}


def _on_own_rows(model: MultiTaskModel, tasks: TaskSet, rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs and labels of every task's own rows."""
    own = {tasks.names[k]: found for k, found in rows.by_task().items()}
    outputs = {t.name: torch.zeros(0, t.n_outputs) for t in tasks}
    labels = {t.name: torch.zeros(0) for t in tasks}
    outputs |= model({t: inputs for t, (inputs, _) in own.items()})
    return outputs, labels | {t: known for t, (_, known) in own.items()}
