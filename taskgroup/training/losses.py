"""Losses: the mean over the rows that have a label."""

import torch
from torch import Tensor
from torch.nn import functional as F

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows


def task_loss(task: Task, output: Tensor, labels: Tensor, *, whole: bool = False) -> Tensor:
    """Mean loss of ``task`` over its labelled rows; NaN where none of the rows has a label.

    Args:
        task: Decides the loss.
        output: Shape ``(batch, n_outputs)``.
        labels: Shape ``(batch,)``, NaN where missing.
        whole: Promises that no label is missing, which saves the look.
    """
    if not whole:
        known = ~torch.isnan(labels)
        output, labels = output[known], labels[known]
    if task.loss == "cross_entropy":
        return F.cross_entropy(output, labels.long())
    flat = output.squeeze(1)
    if task.loss == "bce":
        return F.binary_cross_entropy_with_logits(flat, labels)
    if task.loss == "mae":
        return F.l1_loss(flat, labels)
    if task.loss == "huber":
        return F.smooth_l1_loss(flat, labels)
    return F.mse_loss(flat, labels)


def task_losses(tasks: TaskSet, outputs: dict[str, Tensor], batch: Rows) -> Tensor:
    """Every task's loss on ``batch``, shape ``(T,)``; NaN where the batch has no label of a task."""
    columns = batch.labels.unbind(dim=1)
    return torch.stack([task_loss(t, outputs[t.name], columns[k], whole=batch.whole[k]) for k, t in enumerate(tasks)])
