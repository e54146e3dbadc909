"""Builds the view of measures that meddle with a trained network that all tasks share."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taskgroup.measures.some_rows import some_rows
from taskgroup.measures.views import SharedView
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.losses import task_losses

Array = NDArray[np.float64]

N_ROWS = 512
"""Validation rows, at most."""


def shared_view(network: SharedNetwork, val_rows: Rows, seed: int) -> SharedView:
    """The view of a trained all-shared network, which is put into evaluation mode.

    Args:
        network: After its training; all tasks share every stage.
        val_rows: Rows to look at; at most ``N_ROWS`` of them are drawn.
        seed: Of the draw, and for measures that draw.
    """
    tower = Edited(network, some_rows(val_rows, N_ROWS, "shared", seed))
    stages = network.architecture.topology.stages
    return SharedView(network.tasks, stages, tower.activations, tower.losses, seed)


class Edited:
    """Runs the network from any stage on; see :class:`taskgroup.measures.views.SharedView`.

    Cost: the activations of all stages once; each call of ``losses`` the stages behind the edited one.
    """

    def __init__(self, network: SharedNetwork, rows: Rows) -> None:
        self._network, self._rows = network.eval(), rows
        self._names = network.architecture.topology.stages
        self._stages = [_only(copies) for copies in network.stages]
        self._outputs: list[Tensor] = []
        with torch.no_grad():
            flow = rows.inputs
            for stage in self._stages:
                flow = stage(flow.clone())  # a stage may work in place
                self._outputs.append(flow)

    def activations(self, stage: str) -> Array:
        """Output of ``stage``, a copy."""
        return self._outputs[self._names.index(stage)].double().numpy().copy()

    @torch.no_grad()
    def losses(self, stage: str, edit: Callable[[Array], Array]) -> Array:
        """Every task's loss when ``edit`` changes the output of ``stage``."""
        position = self._names.index(stage)
        flow = torch.as_tensor(edit(self.activations(stage))).to(self._outputs[position].dtype)
        for later in self._stages[position + 1 :]:
            flow = later(flow)
        heads = zip(self._network.heads_info, self._network.heads, strict=True)
        outputs = {info.name: layer(flow) for info, layer in heads}
        return np.asarray(task_losses(self._network.tasks, outputs, self._rows).double().numpy())


def _only(copies: nn.Module) -> nn.Module:
    assert isinstance(copies, nn.ModuleList)
    assert len(copies) == 1, "all tasks share every stage"
    return copies[0]
