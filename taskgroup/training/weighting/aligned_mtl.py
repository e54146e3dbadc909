"""Independent component alignment (Senushkin et al. 2023, Aligned-MTL, CVPR, arXiv 2305.19000), by torchjd."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from taskgroup.core.task import Frozen, TaskSet
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.weighting.aggregated import aggregated
from taskgroup.training.weighting.weigher import Weigher


class AlignedMTL(Frozen):
    """``sum_i g_i'``, where the ``g_i'`` are the gradients with all singular values made equal to the smallest.

    With ``J Jᵀ = V Λ Vᵀ`` the weights are ``√λ_min V Λ^(-1/2) Vᵀ 1`` over the eigenvalues that are not zero: the
    gradients nearest to the given ones that are orthogonal and of one length. Differs from the source in that they are
    summed, not averaged, so that orthogonal gradients of one length are left as under ``equal``.

    Cost: a backward pass for each task, done at once in perceptrons and one after the other elsewhere.

    Attributes:
        name: Its name in the table.
    """

    needs: ClassVar[tuple[str, ...]] = ("torchjd",)
    name: Literal["aligned_mtl"] = "aligned_mtl"

    def ready(self, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
        """Draws nothing."""
        from torchjd.aggregation import AlignedMTLWeighting

        def weights(gram: Tensor) -> Tensor:
            found: Tensor = AlignedMTLWeighting(torch.ones(len(gram)))(gram)
            return found

        return aggregated(model, tasks, weights)

    def relative_step_cost(self, n_tasks: int) -> float:
        """Fitted to trainings with 2 to 32 tasks: width 64, 3 layers, batches of 64, one thread."""
        return 1.0 if n_tasks < 2 else 1.95 + 0.036 * n_tasks
