"""Looks at the tasks in the course of a training: the callback that hands the probe to a measure."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.core.task import TaskSet
from taskgroup.measures import Measure
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback
from taskgroup.training.losses import task_losses
from taskgroup.training.probe import Probe


class Sampling(Callback):
    """Calls a measure every ``every`` steps, from the first on, before the optimizer's step.

    Args:
        network: The network in training, all tasks sharing the trunk.
        tasks: Its tasks.
        measure: Called with the probe.
        every: Steps between two looks.
    """

    def __init__(self, network: SharedNetwork, tasks: TaskSet, measure: Measure, every: int) -> None:
        self.network, self.tasks, self.measure, self.every = network, tasks, measure, every
        self.samples: list[NDArray[np.float64]] = []

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Look at the batch that the step will use."""
        if step % self.every == 0:
            self.samples.append(self.measure(self.probe(batch, lr)))

    def probe(self, batch: Rows, lr: float) -> Probe:
        """The probe on ``batch``; stages without parameters have nothing to move and are left out of no slice."""

        def losses() -> Tensor:
            return task_losses(self.tasks, self.network(batch.inputs), batch)

        return Probe(self.tasks.names, self.network.shared_parameters(), losses, self.network, lr)

    def stacked(self) -> NDArray[np.float64]:
        """All looks, shape ``(n_looks, S + 1, T, T)``."""
        return np.stack(self.samples)
