"""Builds the view of measures that meddle with a trained network that all tasks share."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taskgroup.measures.some_rows import some_rows
from taskgroup.measures.views import SharedView
from taskgroup.nn.flow import Flow, hidden, with_hidden
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

    Where tasks have normalization statistics of their own, each has a run of its own: their activations follow one
    another, and an edit sees one task's at a time.

    Cost: the activations of all stages once; each call of ``losses`` the stages behind the edited one.
    """

    def __init__(self, network: SharedNetwork, rows: Rows) -> None:
        self._network, self._rows = network.eval(), rows
        self._names = network.architecture.topology.stages
        groups = [(t,) for t in network.tasks.names] if network.own_norm else [network.tasks.names]
        self._runs = [(tasks, _path(network, tasks[0])) for tasks in groups]
        with torch.no_grad():
            self._flows = [_all_outputs(path, rows.inputs) for _, path in self._runs]

    def activations(self, stage: str) -> Array:
        """Output of ``stage``, a copy."""
        position = self._names.index(stage)
        return np.concatenate([_array(flows[position]) for flows in self._flows])

    @torch.no_grad()
    def losses(self, stage: str, edit: Callable[[Array], Array]) -> Array:
        """Every task's loss when ``edit`` changes the output of ``stage``."""
        position = self._names.index(stage)
        outputs: dict[str, Tensor] = {}
        for (tasks, path), flows in zip(self._runs, self._flows, strict=True):
            flow = flows[position]
            edited = torch.as_tensor(edit(_array(flow))).to(hidden(flow).dtype)
            features = hidden(_all_outputs(path[position + 1 :], with_hidden(flow, edited))[-1])
            heads = zip(self._network.heads_info, self._network.heads, strict=True)
            outputs |= {info.name: head(features) for info, head in heads if info.name in tasks}
        return np.asarray(task_losses(self._network.tasks, outputs, self._rows).double().numpy())


def _array(flow: Flow) -> Array:
    """A copy of the hidden state."""
    return np.array(hidden(flow).numpy(), dtype=np.float64)


def _all_outputs(stages: Sequence[nn.Module], flow: Flow) -> list[Flow]:
    """Output of every stage; of none, ``flow``."""
    found = []
    for stage in stages:
        flow = stage(flow)
        found.append(flow)
    return found or [flow]


def _path(network: SharedNetwork, task: str) -> list[nn.Module]:
    """What runs for ``task``, stage after stage."""
    return [_at(network, s, task) for s in range(len(network.stages))]


def _at(network: SharedNetwork, stage: int, task: str) -> nn.Module:
    copies, bodies = network.copies(stage), cast("nn.ModuleList", network.bodies[stage])
    assert len(copies) == 1, "all tasks share every stage"
    own = [body for body, plan in zip(bodies, network.body_plan(stage), strict=True) if task in plan.tasks]
    return own[0] if own else copies[0]
