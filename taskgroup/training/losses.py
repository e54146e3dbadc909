"""Losses: the mean over the rows that have a label, for all outputs of a network at once."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows


def elementwise(loss: str, outputs: Tensor, labels: Tensor) -> Tensor:
    """Loss of every entry, ``(..., N, t)`` against ``(N, t)``; for outputs of one number each."""
    labels = labels.expand_as(outputs)
    if loss == "bce":
        return F.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
    if loss == "mae":
        return F.l1_loss(outputs, labels, reduction="none")
    if loss == "huber":
        return F.smooth_l1_loss(outputs, labels, reduction="none")
    return F.mse_loss(outputs, labels, reduction="none")


def head_losses(heads: Sequence[tuple[Task, int]], outputs: Sequence[Tensor], batch: Rows) -> Tensor:
    """Mean loss of every head over its labelled rows, shape ``(H,)``; NaN where none of the rows has a label.

    Args:
        heads: Task and column of its labels, one each per output.
        outputs: Shape ``(batch, n_outputs)`` each.
        batch: With the labels, NaN where missing.
    """
    groups = _grouped([task for task, _ in heads])
    found = [
        _together(loss, [heads[p][1] for p in places], [outputs[p] for p in places], batch)
        for loss, places in groups.items()
    ]
    order = [place for places in groups.values() for place in places]
    losses = torch.cat(found)
    return losses if order == sorted(order) else losses[torch.tensor(order).argsort()]


def own_rows_loss(heads: Sequence[Task], outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Sum over heads, each with rows of its own, of the task's weight times its mean loss.

    Args:
        heads: Their tasks.
        outputs: Shape ``(n, n_outputs)`` each, with n of its own.
        labels: Shape ``(n,)`` each, none missing.
    """
    total = torch.zeros(())
    for loss, places in _grouped(heads).items():
        if loss.startswith("alone"):
            (place,) = places
            total = total + heads[place].weight * _classes(outputs[place], labels[place], whole=True)
            continue
        sizes = [len(labels[p]) for p in places]
        shares = torch.tensor([heads[p].weight / n for p, n in zip(places, sizes, strict=True) for _ in range(n)])
        values = elementwise(
            loss, torch.cat([outputs[p] for p in places]), torch.cat([labels[p] for p in places])[:, None]
        )
        total = total + (values[:, 0] * shares).sum()
    return total


def own_losses(heads: Sequence[Task], outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """The mean losses that :func:`own_rows_loss` sums, without the tasks' weights, shape ``(H,)``."""
    return torch.stack(
        [
            _classes(output, own, whole=True)
            if task.n_outputs > 1
            else elementwise(str(task.loss), output, own[:, None]).mean()
            for task, output, own in zip(heads, outputs, labels, strict=True)
        ]
    )


def _grouped(heads: Sequence[Task]) -> dict[str, list[int]]:
    """Places of the heads that can be computed as one, by loss; those with several outputs are alone."""
    groups: dict[str, list[int]] = {}
    for place, task in enumerate(heads):
        groups.setdefault(str(task.loss) if task.n_outputs == 1 else f"alone {place}", []).append(place)
    return groups


def _together(loss: str, columns: list[int], outputs: list[Tensor], batch: Rows) -> Tensor:
    """Losses of heads of one kind, shape ``(len(columns),)``."""
    if loss.startswith("alone"):
        return _classes(outputs[0], batch.labels[:, columns[0]], whole=batch.whole[columns[0]])[None]
    every = columns == list(range(batch.labels.shape[1]))
    labels = batch.labels if every else batch.labels[:, columns]
    joined = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
    if all(batch.whole[c] for c in columns):
        return elementwise(loss, joined, labels).mean(dim=0)
    known = ~torch.isnan(labels)
    values = elementwise(loss, joined, labels.nan_to_num()) * known
    n_known = known.sum(dim=0)
    return (values.sum(dim=0) / n_known.clamp(min=1)).masked_fill(n_known == 0, torch.nan)


def _classes(output: Tensor, labels: Tensor, *, whole: bool) -> Tensor:
    if not whole:
        known = ~torch.isnan(labels)
        output, labels = output[known], labels[known]
    return F.cross_entropy(output, labels.long())


def task_losses(tasks: TaskSet, outputs: dict[str, Tensor], batch: Rows) -> Tensor:
    """Every task's loss on ``batch``, shape ``(T,)``; NaN where the batch has no label of a task."""
    return head_losses([(t, k) for k, t in enumerate(tasks)], [outputs[t] for t in tasks.names], batch)
