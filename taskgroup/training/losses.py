"""Losses: the mean over the rows that have a label."""

import torch
from torch import Tensor
from torch.nn import functional as F

from taskgroup.core.task import Task


def task_loss(task: Task, output: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of ``task`` over its labelled rows; NaN where none of the rows has a label.

    Args:
        task: Decides the loss.
        output: Shape ``(batch, n_outputs)``.
        labels: Shape ``(batch,)``, NaN where missing.
    """
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
