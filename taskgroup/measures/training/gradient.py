"""First-order affinities: inner products and cosines of task gradients."""

from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.training.step_size import Stepping
from taskgroup.training.probe import Probe


class GradientDot(Stepping):
    """``A[i, j] = η <∇L_i, ∇L_j> / L_j``: the lookahead affinity to first order in the step.

    Positive: the source's step lowers the target's loss. Dimensionless, not symmetric (each column is divided by its
    target's loss). Per stage over that stage's parameters; the last slice is their sum.

    Cost: one forward, T backwards.

    Source: first-order expansion of Fifty et al. 2021 (arXiv 2109.04617, equation 1).

    Attributes:
        method: Its name in the table.
    """

    method: Literal["gradient_dot"] = "gradient_dot"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "a training step on A lowers B's loss, to first order"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        losses, gradients = probe.gradients()
        grams = gram_matrices(gradients)
        scaled = self.eta(probe, losses, gradients) * grams / self.denominators(losses)
        scaled[:, ~torch.isfinite(losses), :] = torch.nan
        return scaled.numpy()


class GradientCosine(Frozen):
    """``C[i, j] = <∇L_i, ∇L_j> / (‖∇L_i‖ ‖∇L_j‖)``: agreement of the gradients' directions.

    From -1 (conflict) to 1 (same direction), symmetric. NaN where a gradient is zero or a task has no label. Per stage
    over that stage's parameters, and over all of them.

    Cost: one forward, T backwards.

    Source: Du et al. 2018, arXiv 1812.02224.

    Attributes:
        method: Its name in the table.
    """

    method: Literal["gradient_cosine"] = "gradient_cosine"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the gradients of A and B point the same way"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        _, gradients = probe.gradients()
        grams = gram_matrices(gradients)
        norms = grams.diagonal(dim1=1, dim2=2).sqrt()
        norms = torch.where(norms > 0, norms, torch.nan)
        return (grams / (norms[:, :, None] * norms[:, None, :])).clamp(-1, 1).numpy()


def gram_matrices(gradients: dict[str, Tensor]) -> Tensor:
    """Inner products of the tasks' gradients, float64, shape ``(S + 1, T, T)``; the last slice is the stages' sum."""
    stages = torch.stack([g.double() @ g.double().T for g in gradients.values()])
    return torch.cat([stages, stages.sum(dim=0, keepdim=True)])
