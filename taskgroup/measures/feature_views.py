"""Builds the view of measures that compare what separately trained networks make of common rows."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from taskgroup.measures.some_rows import some_rows
from taskgroup.measures.views import FeatureView
from taskgroup.nn.flow import Flow, hidden
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback

Array = NDArray[np.float64]
Weights = dict[str, Tensor]

SHARES = (0.25, 0.5, 1.0)
"""Shares of the training after which weights are kept."""
N_ROWS = 1024
"""Rows of each part, at most."""
CACHE_BYTES = 512 * 2**20
"""Features held at once; older ones are computed again when asked for."""


class Checkpoints(Callback):
    """Keeps the weights of all trunk copies in the course of a training.

    Weights, not features: those of a few hundred tasks on a thousand rows would not fit into memory.

    Args:
        network: The network in training.
        n_steps: Length of the training.
        shares: After which shares of it, ascending; the last is 1.
    """

    def __init__(self, network: SharedNetwork, n_steps: int, shares: Sequence[float] = SHARES) -> None:
        self.shares = tuple(shares)
        self._network, self._after = network, [math.ceil(share * n_steps) for share in shares]
        self._kept: list[Weights] = []

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Keep the weights that ``step`` steps have made."""
        while len(self._kept) < len(self.shares) and step == self._after[len(self._kept)]:
            self._kept.append(self._weights())

    def weights(self, checkpoint: int) -> Weights:
        """Parameters and buffers by ``stage.copy.name``; checkpoints that no step followed are as they are now."""
        while len(self._kept) < len(self.shares):
            self._kept.append(self._weights())
        return self._kept[checkpoint]

    def _weights(self) -> Weights:
        return {name: tensor.detach().clone() for name, tensor in self._network.stages.state_dict().items()}


def feature_view(
    network: SharedNetwork, checkpoints: Checkpoints, train_rows: Rows, val_rows: Rows, seed: int
) -> FeatureView:
    """The view of a trained all-separate network, which is put into evaluation mode.

    Args:
        network: After its training; no two tasks share a stage.
        checkpoints: What was kept.
        train_rows: Part ``fit`` is drawn from them.
        val_rows: Part ``score``.
        seed: Of the draw, and for measures that draw.

    Returns:
        Features are computed when first asked for. Cost: a forward pass of one task's path per task, part and
        checkpoint.
    """
    parts = {"fit": some_rows(train_rows, N_ROWS, "fit", seed), "score": some_rows(val_rows, N_ROWS, "score", seed)}
    features = Features(network, checkpoints, {part: rows.inputs for part, rows in parts.items()})
    labels = {part: rows.labels.double().numpy() for part, rows in parts.items()}
    stages = network.architecture.topology.stages
    return FeatureView(network.tasks, stages, features, labels.__getitem__, checkpoints.shares, seed)


class Features:
    """``features(task, stage, part, checkpoint)``, see :class:`taskgroup.measures.views.FeatureView`."""

    def __init__(self, network: SharedNetwork, checkpoints: Checkpoints, inputs: Mapping[str, Tensor]) -> None:
        self._network, self._checkpoints, self._inputs = network.eval(), checkpoints, dict(inputs)
        self._cache: OrderedDict[tuple[str, str, int], list[NDArray[np.float32]]] = OrderedDict()

    def __call__(self, task: str, stage: str, part: str, checkpoint: int) -> Array:
        """Outputs of one stage, shape ``(N, F)``."""
        position = self._network.architecture.topology.stages.index(stage)
        return self._outputs(task, part, checkpoint % len(self._checkpoints.shares))[position].astype(np.float64)

    def _outputs(self, task: str, part: str, checkpoint: int) -> list[NDArray[np.float32]]:
        """Outputs of all stages, from the cache where they are still there."""
        key = (task, part, checkpoint)
        if key not in self._cache:
            self._cache[key] = self._run(task, self._inputs[part], self._checkpoints.weights(checkpoint))
            while len(self._cache) > 1 and sum(a.nbytes for found in self._cache.values() for a in found) > CACHE_BYTES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    @torch.no_grad()
    def _run(self, task: str, rows: Tensor, weights: Weights) -> list[NDArray[np.float32]]:
        topology = self._network.architecture.topology
        flow: Flow = rows
        found = []
        for s, copies in enumerate(self._network.stages):
            copy = topology.matrix[s][topology.tasks.index(task)]
            assert isinstance(copies, nn.ModuleList)
            prefix = f"{s}.{copy}."
            own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
            flow = functional_call(copies[copy], own, (flow,))
            found.append(hidden(flow).flatten(1).numpy())
        return found
