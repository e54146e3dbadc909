"""Objective: the tasks' losses of a network on a batch, summed or one by one."""

import torch
from torch import Tensor

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.losses import head_losses, own_losses, own_rows_loss
from taskgroup.training.model import MultiTaskModel


def total_loss(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> Tensor:
    """Weighted sum over all heads of the mean loss of their labelled rows; heads without labels are left out.

    Where tasks have rows of their own, these run along their own paths only; where there are no paths to tell apart,
    one pass over all rows is the same and cheaper. A batch without any label trains nothing: its loss is a zero that
    depends on no parameter.
    """
    if batch.owner is not None and model.branched:
        found, outputs, labels = _apart(model, tasks, batch)
        return own_rows_loss([task for task, _ in found], outputs, labels) if found else _nothing()
    found, outputs = _shared(model, tasks, batch)
    if not found:
        return _nothing()
    return head_losses(found, outputs, batch) @ torch.tensor([task.weight for task, _ in found])


def objectives(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> tuple[list[int], Tensor]:
    """The terms of :func:`total_loss` by task: a helper's loss belongs to its task.

    Returns:
        Columns of the tasks that have labels in the batch, and their weighted losses, shape ``(t,)``.
    """
    if batch.owner is not None and model.branched:
        found, outputs, labels = _apart(model, tasks, batch)
        losses = own_losses([task for task, _ in found], outputs, labels) if found else None
    else:
        found, outputs = _shared(model, tasks, batch)
        losses = head_losses(found, outputs, batch) if found else None
    if losses is None:
        return [], torch.zeros(0)
    weighted = losses * torch.tensor([task.weight for task, _ in found])
    every = [k for _, k in found]
    columns = sorted(set(every))
    if columns == every:
        return columns, weighted
    places = {column: place for place, column in enumerate(columns)}
    return columns, torch.zeros(len(columns)).index_add(0, torch.tensor([places[k] for k in every]), weighted)


def unlabelled(batch: Rows) -> list[bool]:
    """For each task whether no row has its label."""
    if all(batch.whole):
        return [False] * len(batch.whole)
    found: list[bool] = torch.isnan(batch.labels).all(dim=0).tolist()
    return found


Found = list[tuple[Task, int]]
"""Task and column of every head that has labels."""


def _shared(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> tuple[Found, list[Tensor]]:
    """Heads with labels, and their outputs on all rows."""
    outputs = model(batch.inputs, helpers=True)
    silent = unlabelled(batch)
    known = {t.name: (t, k) for k, t in enumerate(tasks) if not silent[k]}
    heads = [head for head in model.heads_info if head.task in known]
    return [known[head.task] for head in heads], [outputs[head.name] for head in heads]


def _apart(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> tuple[Found, list[Tensor], list[Tensor]]:
    """Heads of tasks that have rows of their own here, and their outputs and labels on these."""
    own = batch.by_task()
    known = {task.name: (task, k) for k, task in enumerate(tasks) if k in own}
    heads = [head for head in model.heads_info if head.task in known]
    if not heads:
        return [], [], []
    found = [known[head.task] for head in heads]
    outputs = model({head.name: own[k][0] for head, (_, k) in zip(heads, found, strict=True)})
    return found, [outputs[head.name] for head in heads], [own[k][1] for _, k in found]


def _nothing() -> Tensor:
    return torch.zeros((), requires_grad=True)
