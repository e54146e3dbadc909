"""The callback hands the measure a probe of the step at hand."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.measures.training.sampling import Sampling
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import Trunk
from taskgroup.training.data import Rows, batches
from taskgroup.training.loop import train
from taskgroup.training.losses import task_loss
from taskgroup.training.probe import Probe

TASKS = TaskSet(tasks=(Task(name="up", kind="regression", weight=5.0), Task(name="odd", kind="binary")))
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(20, 3))
ROWS = Rows.of(INPUTS, np.stack([INPUTS[:, 0], INPUTS[:, 1] > 0], axis=1).astype(np.float64))
OPTIONS = TrainOptions(steps=7, batch_size=6, lr=0.1, n_checks=1)


class Eye:
    """A measure that keeps what it sees."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.losses: list[list[float]] = []

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        assert probe.tasks == TASKS.names
        assert probe.stages == ("one", "two")
        self.rates.append(probe.lr)
        self.losses.append(probe.losses().tolist())
        return np.full((3, 2, 2), float(len(self.rates)))


def net() -> SharedNetwork:
    trunk = Trunk({"one": nn.Linear(3, 4), "two": nn.Linear(4, 4)})
    topology = Topology.shared(TASKS.names, trunk.names)
    return SharedNetwork(TASKS, Architecture(topology=topology), trunk, [(4,), (4,)], 0)


def test_every_third_step_from_the_first_on() -> None:
    eye, network = Eye(), net()
    sampling = Sampling(network, TASKS, eye, 3)
    train(network, TASKS, ROWS, ROWS, OPTIONS, 2, [sampling])
    assert sampling.stacked()[:, 0, 0, 0].tolist() == [1, 2, 3]
    expected = [0.05 * (1 + np.cos(np.pi * step / 7)) for step in (0, 3, 6)]
    np.testing.assert_allclose(eye.rates, expected)


def test_the_first_look_is_at_the_untrained_network_and_the_first_batch() -> None:
    eye, network = Eye(), net()
    first = next(batches(ROWS, 6, 1, 2))
    outputs = network(first.inputs)
    expected = [task_loss(t, outputs[t.name], first.labels[:, k]).item() for k, t in enumerate(TASKS)]  # unweighted
    train(network, TASKS, ROWS, ROWS, OPTIONS, 2, [Sampling(network, TASKS, eye, 7)])
    torch.testing.assert_close(eye.losses, [expected], rtol=1e-6, atol=0)
