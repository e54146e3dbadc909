"""Impartial gradients (Liu et al. 2021, IMTL-G, ICLR), by torchjd."""

from typing import ClassVar, Literal

from torch import Tensor

from taskgroup.core.task import Frozen, TaskSet
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.weighting.aggregated import aggregated
from taskgroup.training.weighting.weigher import Weigher


class IMTLG(Frozen):
    """``t sum_i w_i g_i`` with ``sum_i w_i = 1`` such that the step's part along every ``g_i / ‖g_i‖`` is equal.

    Weights may be negative. Differs from the source in the factor t, the number of gradients: with gradients of one
    length at one angle to each other it is ``equal`` up to rounding.

    Cost: a backward pass for each task, done at once in perceptrons and one after the other elsewhere.

    Attributes:
        name: Its name in the table.
    """

    needs: ClassVar[tuple[str, ...]] = ("torchjd",)
    name: Literal["imtl_g"] = "imtl_g"

    def ready(self, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
        """Draws nothing."""
        from torchjd.aggregation import IMTLGWeighting

        method = IMTLGWeighting()

        def weights(gram: Tensor) -> Tensor:
            found: Tensor = len(gram) * method(gram)
            return found

        return aggregated(model, tasks, weights)

    def relative_step_cost(self, n_tasks: int) -> float:
        """Fitted to trainings with 2 to 32 tasks: width 64, 3 layers, batches of 64, one thread."""
        return 1.0 if n_tasks < 2 else 1.85 + 0.032 * n_tasks
