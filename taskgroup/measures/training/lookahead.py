"""Exact lookahead affinity (Fifty et al. 2021, arXiv 2109.04617)."""

from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.measures import Sight
from taskgroup.measures.training.step_size import Stepping
from taskgroup.training.probe import Probe


class Lookahead(Stepping):
    """``Z[i, j] = 1 - L_j(θ - η ∇L_i(θ)) / L_j(θ)``: relative decrease of target j's loss after a step on source i.

    Positive: training the source lowers the target's loss. Dimensionless, not symmetric. One slice moves each stage
    alone, the last moves the whole trunk. Heads and private parameters stay.

    Cost: one forward, T backwards, and ``(S + 1) T`` forwards (S = 1: T forwards).

    Source: Fifty et al. 2021, arXiv 2109.04617, equation 1. There η is the learning rate (``step_size: lr``) and only
    the whole trunk is moved.

    Attributes:
        method: Its name in the table.
    """

    method: Literal["lookahead"] = "lookahead"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "a training step on A lowers B's loss"

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        losses, gradients = probe.gradients()
        eta = self.eta(probe, losses, gradients)
        slices = [(stage,) for stage in probe.stages] + [probe.stages]
        n_tasks = len(probe.tasks)
        result = np.full((len(slices), n_tasks, n_tasks), np.nan)
        for source in range(n_tasks):
            if not torch.isfinite(losses[source]):
                continue
            for k, moved in enumerate(slices):
                if len(probe.stages) == 1 and k == 1:
                    result[1, source] = result[0, source]
                    continue
                after = probe.losses_after({s: -eta * gradients[s][source] for s in moved})
                result[k, source] = self._relative_decrease(losses, after)
        return result

    def _relative_decrease(self, losses: Tensor, after: Tensor) -> NDArray[np.float64]:
        change = (1.0 - after / self.denominators(losses)).numpy()
        return np.where(np.isfinite(change), change, np.nan)
