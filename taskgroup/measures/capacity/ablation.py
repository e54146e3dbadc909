"""Stage ablation: which tasks suffer from the loss of a stage."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.capacity.units import plain_losses, relative_losses
from taskgroup.measures.views import Array, SharedView, stacked


class Ablation(Frozen):
    """``-|log1p(dᵢ) - log1p(dⱼ)|``, where ``d`` is the relative loss increase of a task without a stage.

    ``dₜ = (Lₜ' - Lₜ) / Lₜ``, with ``Lₜ'`` the loss when every row's output of the stage is replaced by the mean over
    the rows (each feature and place its own), or moved there by the share ``strength``; ``log1p(d)`` is
    ``log(L' / L)``. 0 where two tasks depend on the stage equally, lower the more they differ. Symmetric; the last
    slice is the mean of the stages. NaN where a loss is missing or not above zero.

    Nothing passes a constant stage of a chain, so at full strength ``Lₜ'`` is the loss of a guess without inputs: the
    stages look alike then, and tell how much each task has learned. A strength below 1 tells them apart.

    Cost: one joint training; then two runs of the later stages on the view's rows for each stage.

    Source: mean ablation as in Leavitt & Morcos 2020 (arXiv 2010.12016) and Morcos et al. 2018 (arXiv 1803.06959);
    the comparison between tasks is ours.

    Attributes:
        method: Its name in the table.
        strength: How far each row goes to the mean; 1 removes the stage.
    """

    method: Literal["ablation"] = "ablation"
    sees: ClassVar[Sight] = "shared"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A and B depend on the stage equally"
    strength: float = Field(default=1.0, gt=0, le=1)

    def __call__(self, view: SharedView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        harms = [np.log(relative_losses(view.losses(s, self._weakened), plain_losses(view, s))) for s in view.stages]
        return stacked([-np.abs(h[:, None] - h) for h in harms])

    def _weakened(self, activations: Array) -> Array:
        return np.asarray(activations + self.strength * (activations.mean(axis=0) - activations))
