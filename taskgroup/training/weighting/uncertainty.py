"""Uncertainty weighting (Kendall, Gal and Cipolla 2018, arXiv 1705.07115)."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from taskgroup.core.task import Frozen, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.objective import objectives
from taskgroup.training.weighting.weigher import Pull, Weigher


class Learned:
    """Log-variances, trained beside the network by an AdamW of their own, without decay.

    Attributes:
        log_variances: One scalar a task: those of tasks without labels in a batch stay as they are.
    """

    def __init__(self, model: MultiTaskModel, tasks: TaskSet) -> None:
        self.model, self.tasks = model, tasks
        self.log_variances = [nn.Parameter(torch.zeros(())) for _ in tasks]
        self._optimizer = torch.optim.AdamW(self.log_variances, weight_decay=0.0, fused=True)
        self._shares = torch.tensor([0.5 if task.kind == "regression" else 1.0 for task in tasks])
        self._weights = torch.tensor([task.weight for task in tasks])

    def __call__(self, batch: Rows, lr: float) -> tuple[Tensor, Pull]:
        """The weighted sum, and its backward pass with a step of the log-variances."""
        columns, losses = objectives(self.model, self.tasks, batch)
        if not columns:
            return losses.sum(), lambda: None
        s = torch.stack([self.log_variances[k] for k in columns])
        loss = (self._shares[columns] * torch.exp(-s) * losses + 0.5 * self._weights[columns] * s).sum()
        return loss, lambda: self._learn(loss, lr)

    def _learn(self, loss: Tensor, lr: float) -> None:
        self._optimizer.param_groups[0]["lr"] = lr
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


class Uncertainty(Frozen):
    """``sum_t w_t (c_t exp(-s_t) L_t + s_t / 2)`` with learned log-variances ``s_t``, 0 at the start.

    ``c_t`` is 1/2 for regression and 1 for classification, as in the source; ``w_t`` are the tasks' own weights. The
    loss of a task that stays large gets a small weight: at rest ``exp(-s_t) = 1 / (2 c_t L_t)``. Differs from the
    source in that absolute and Huber losses are treated like squared ones. Log-variances move by about the learning
    rate a step, so short trainings with small rates stay close to the start.

    Cost: as ``equal``, and one scalar a task.

    Attributes:
        name: Its name in the table.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    name: Literal["uncertainty"] = "uncertainty"

    def ready(self, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
        """Log-variances at 0."""
        return Learned(model, tasks)

    def relative_step_cost(self, n_tasks: int) -> float:
        """Much the same for 2 to 32 tasks: width 64, 3 layers, batches of 64, one thread."""
        return 1.2
