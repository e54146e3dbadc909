"""Unconflicting projection of gradients (Quinton and Rey 2024, arXiv 2406.16232), by torchjd."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from taskgroup.core.task import Frozen, TaskSet
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.weighting.aggregated import aggregated
from taskgroup.training.weighting.weigher import Weigher


class UPGrad(Frozen):
    """``sum_i π(g_i)``, where ``π`` projects onto the cone of directions along which no task's loss rises.

    The cone is ``{d : g_j·d ≥ 0 for all j}``. Differs from the source in that it is the sum and not the mean, so that
    without conflicts it is ``equal`` up to rounding. torchjd regularizes the Gram matrix by 1e-4 of its trace, and so
    overlooks conflicts with tasks whose gradients are 100 times smaller; the cone depends on directions alone, so the
    programs are solved for gradients of length 1, and all tasks count.

    Cost: a backward pass for each task, done at once in perceptrons and one after the other elsewhere, and a quadratic
    program for each.

    Attributes:
        name: Its name in the table.
    """

    needs: ClassVar[tuple[str, ...]] = ("torchjd", "qpsolvers", "quadprog")
    name: Literal["upgrad"] = "upgrad"

    def ready(self, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
        """Draws nothing."""
        from torchjd.aggregation import UPGradWeighting

        def weights(gram: Tensor) -> Tensor:
            lengths = gram.diagonal().sqrt()
            lengths = lengths.where(lengths > 0, torch.ones(()))
            preference = lengths / lengths.max()
            found: Tensor = UPGradWeighting(preference)(gram / torch.outer(lengths, lengths))
            return found / preference

        return aggregated(model, tasks, weights)

    def relative_step_cost(self, n_tasks: int) -> float:
        """Fitted to trainings with 2 to 32 tasks: width 64, 3 layers, batches of 64, one thread."""
        return 1.0 if n_tasks < 2 else 2.1 + 0.058 * n_tasks
