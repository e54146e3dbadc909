"""The sum of the losses."""

from typing import ClassVar, Literal

from torch import Tensor

from taskgroup.core.task import Frozen, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.objective import total_loss
from taskgroup.training.weighting.weigher import Pull, Weigher


class Summed:
    """Follows the gradient of :func:`taskgroup.training.objective.total_loss`."""

    def __init__(self, model: MultiTaskModel, tasks: TaskSet) -> None:
        self.model, self.tasks = model, tasks

    def __call__(self, batch: Rows, lr: float) -> tuple[Tensor, Pull]:
        """The sum, and its backward pass."""
        loss = total_loss(self.model, self.tasks, batch)
        return loss, loss.backward


class Equal(Frozen):
    """``sum_t w_t L_t`` with the tasks' own weights ``w_t``, 1 unless somebody set them.

    Cost: one forward and one backward pass.

    Attributes:
        name: Its name in the table.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    name: Literal["equal"] = "equal"

    def ready(self, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
        """Keeps nothing from step to step."""
        return Summed(model, tasks)

    def relative_step_cost(self, n_tasks: int) -> float:
        """1: the measure of the others."""
        return 1.0
