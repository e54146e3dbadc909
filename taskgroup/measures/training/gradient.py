"""Affinities of the tasks' gradients as they are: inner product, cosine, and signs of single parameters."""

from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.training.probe import Batch, Probe


class GradientDot(Frozen):
    """``A[i, j] = <∇L_i, ∇L_j>``: how far a unit step on i lowers the loss of j, in j's own unit.

    Symmetric, except for noise where source and target have different rows. Not dimensionless: tasks with large losses
    have large entries (:class:`Lookahead` divides by the target's loss). The last slice is the sum over stages.

    Cost: as the first order of lookahead.

    Source: Lopez-Paz & Ranzato 2017, arXiv 1706.08840, section 3.

    Attributes:
        method: Its name in the table.
        on: See :class:`Lookahead`.
    """

    method: Literal["gradient_dot"] = "gradient_dot"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the gradients of A and B point the same way, and are large"
    on: Batch = "same"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        return _mean([_unknown(_with_sum(c.gram()), c.losses) for c in probe.crossings(self.on)])


class GradientCosine(Frozen):
    """``C[i, j] = <∇L_i, ∇L_j> / (‖∇L_i‖ ‖∇L_j‖)``: agreement of the gradients' directions.

    From -1 (conflict) to 1 (same direction), symmetric. NaN where a gradient is zero or a task has no label. Per stage
    over that stage's parameters, and over all of them. Independent of the losses' scales, so tasks with rare labels or
    rows of their own speak as loud as others.

    Cost: as the first order of lookahead.

    Source: Du et al. 2018, arXiv 1812.02224.

    Attributes:
        method: Its name in the table.
        on: See :class:`Lookahead`; between different rows both norms are those of the gradient's own rows.
    """

    method: Literal["gradient_cosine"] = "gradient_cosine"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "the gradients of A and B point the same way"
    on: Literal["same"] = "same"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        (crossing,) = probe.crossings(self.on)
        grams = _with_sum(crossing.gram())
        norms = grams.diagonal(dim1=1, dim2=2).sqrt()
        norms = torch.where(norms > 0, norms, torch.nan)
        return np.asarray((grams / (norms[:, :, None] * norms[:, None, :])).clamp(-1, 1).numpy())


class SignConflict(Frozen):
    """Share of parameters whose gradients agree in sign, less the share of those that do not.

    ``S[i, j] = mean_p sign(∂L_i/∂p) sign(∂L_j/∂p)`` over the parameters that move for both; from -1 (every parameter is
    pulled both ways) to 1, symmetric; the share in conflict is ``(1 - S) / 2``. NaN where no parameter moves for both.

    Cost: as the first order of lookahead, but all gradients are held at once, ``(T, P)`` numbers.

    Source: Sener & Koltun 2018 speak of competing tasks; counting signs as in Chen et al. 2020 (GradDrop), arXiv
    2010.06808, equation 1.

    Attributes:
        method: Its name in the table.
    """

    method: Literal["sign_conflict"] = "sign_conflict"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A and B pull single parameters the same way"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        _, gradients = probe.gradients()
        signs = [g.sign() for g in gradients.values()]
        agreed = torch.stack([(s @ s.T).double() for s in signs])
        moving = torch.stack([(s.abs() @ s.abs().T).double() for s in signs])
        agreed, moving = _with_sum(agreed), _with_sum(moving)
        return np.asarray(torch.where(moving > 0, agreed / moving.clamp(min=1), torch.nan).numpy())


def _with_sum(stages: Tensor) -> Tensor:
    """Matrices of the stages, and their sum as the last slice."""
    return torch.cat([stages, stages.sum(dim=0, keepdim=True)])


def _unknown(values: Tensor, losses: Tensor) -> Tensor:
    """NaN in rows and columns of tasks without labels."""
    lost = ~torch.isfinite(losses)
    values[:, lost, :] = torch.nan
    values[:, :, lost] = torch.nan
    return values


def _mean(looks: list[Tensor]) -> NDArray[np.float64]:
    return np.asarray(torch.stack(looks).mean(dim=0).numpy())
