"""Heads: all tasks' linear heads as one matrix, and all their losses at once, for many parameter settings together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.task import TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.losses import elementwise


@dataclass(frozen=True)
class _Columns:
    """Tasks with one output each and the same loss: their places, labels and which labels are known."""

    tasks: Tensor
    outputs: Tensor
    labels: Tensor
    known: Tensor
    n_known: Tensor


class StackedHeads:
    """Losses of all tasks from the features that they share.

    Args:
        tasks: The tasks, in the order of the labels' columns.
        heads: One linear head per task; their weights are copied.
        rows: Batch whose labels are compared with.
    """

    def __init__(self, tasks: TaskSet, heads: Sequence[nn.Linear], rows: Rows) -> None:
        self.n_tasks, self.n_rows = len(tasks), len(rows)
        self.weight = torch.cat([h.weight.detach() for h in heads])
        self.bias = torch.cat([h.bias.detach() for h in heads])
        self.sizes = [h.out_features for h in heads]
        self.starts = [end - size for end, size in zip(accumulate(self.sizes), self.sizes, strict=True)]
        self._known = known = ~torch.isnan(rows.labels)
        self.n_known = known.sum(dim=0)
        self._classes: list[tuple[int, int, int, Tensor, Tensor]] = []
        by_loss: dict[str, list[int]] = {}
        for k, task in enumerate(tasks):
            if task.loss == "cross_entropy":
                index = known[:, k].nonzero().squeeze(1)
                labels = rows.labels[index, k].long()
                self._classes.append((k, self.starts[k], self.sizes[k], index, labels))
            else:
                by_loss.setdefault(str(task.loss), []).append(k)
        self._columns = {
            loss: _Columns(
                torch.tensor(places),
                torch.tensor([self.starts[k] for k in places]),
                rows.labels[:, places].nan_to_num(),
                known[:, places],
                self.n_known[places].clamp(min=1),
            )
            for loss, places in by_loss.items()
        }

    def losses(self, features: Tensor) -> Tensor:
        """Mean loss of each task over its labelled rows, ``(..., N, D)`` to ``(..., T)``; NaN without labels."""
        return self._from_outputs(F.linear(features, self.weight, self.bias))

    def slopes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Losses ``(T,)`` and their derivatives by the outputs, ``(N, n_outputs)``: each output has one task."""
        with torch.enable_grad():
            outputs = F.linear(features.detach(), self.weight, self.bias).requires_grad_()
            losses = self._from_outputs(outputs)
            usable = losses[self.n_known > 0]
            (slopes,) = torch.autograd.grad(usable.sum(), outputs) if len(usable) else (torch.zeros_like(outputs),)
        return losses.detach(), slopes

    def cotangents(self, slopes: Tensor) -> Tensor:
        """Derivatives of every task's loss by the features, shape ``(T, N, D)``; zero without labels."""
        if all(size == 1 for size in self.sizes):
            return slopes.T[:, :, None] * self.weight[:, None, :]
        return torch.stack([self.cotangent(slopes, task) for task in range(self.n_tasks)])

    def cotangent(self, slopes: Tensor, task: int) -> Tensor:
        """One task's, shape ``(N, D)``."""
        outputs = slice(self.starts[task], self.starts[task] + self.sizes[task])
        return slopes[:, outputs] @ self.weight[outputs]

    def joint_cotangent(self, slopes: Tensor) -> Tensor:
        """The sum over all tasks, shape ``(N, D)``."""
        return slopes @ self.weight

    def spread(self, numbers: Tensor) -> Tensor:
        """One number a task, ``(T,)``, to one an output, ``(n_outputs,)``."""
        return numbers.repeat_interleave(torch.tensor(self.sizes))

    def owners(self) -> Tensor | None:
        """Membership of rows in tasks, shape ``(T, N)``, where no row is labelled for two of several; else None."""
        if self.n_tasks < 2 or bool((self._known.sum(dim=1) > 1).any()):
            return None
        return self._known.T.float()

    def _from_outputs(self, outputs: Tensor) -> Tensor:
        """``(..., N, n_outputs)`` to ``(..., T)``."""
        parts, places = [], []
        for loss, group in self._columns.items():
            values = elementwise(loss, outputs[..., group.outputs], group.labels)
            parts.append((values * group.known).sum(dim=-2) / group.n_known)
            places.append(group.tasks)
        for k, start, size, index, labels in self._classes:
            logits = outputs[..., index, start : start + size].log_softmax(dim=-1)
            picked = logits.gather(-1, labels.expand(logits.shape[:-1])[..., None]).squeeze(-1)
            parts.append(-picked.sum(dim=-1, keepdim=True) / max(len(labels), 1))
            places.append(torch.tensor([k]))
        losses = torch.cat(parts, dim=-1)[..., torch.cat(places).argsort()]
        return losses.masked_fill(self.n_known == 0, torch.nan)
