"""The callback hands the measure a probe of the step at hand."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Site
from taskgroup.core.settled import StopRule
from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.measures import Measure, Sight
from taskgroup.measures.training.sampling import Sampling
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import Trunk
from taskgroup.training.data import Rows, batches
from taskgroup.training.loop import Callback, train
from taskgroup.training.probe import Probe

TASKS = TaskSet(tasks=(Task(name="up", kind="regression", weight=5.0), Task(name="odd", kind="binary")))
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(20, 3))
ROWS = Rows.of(INPUTS, np.stack([INPUTS[:, 0], INPUTS[:, 1] > 0], axis=1).astype(np.float64))
OPTIONS = TrainOptions(steps=7, batch_size=6, lr=0.1, n_checks=1)


class ToyMeasure:
    """What the contract asks of a measure besides looking."""

    method = "toy"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "nothing"


class Eye(ToyMeasure):
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
    return SharedNetwork(TASKS, Architecture(topology=topology), trunk, [Site((4,)), Site((4,))], 0)


def test_the_last_of_every_three_steps() -> None:
    eye, network = Eye(), net()
    sampling = Sampling(network, TASKS, eye, 3)
    train(network, TASKS, ROWS, ROWS, OPTIONS, 2, [sampling])
    assert sampling.stacked()[:, 0, 0, 0].tolist() == [1, 2]
    expected = [0.05 * (1 + np.cos(np.pi * step / 7)) for step in (2, 5)]
    np.testing.assert_allclose(eye.rates, expected)


def test_none_before_the_first_step() -> None:
    """Heads start at zero: no gradient would reach a stage."""
    eye, network = Eye(), net()
    sampling = Sampling(network, TASKS, eye, 1)
    train(network, TASKS, ROWS, ROWS, OPTIONS, 2, [sampling])
    assert sampling.arrays()["steps"].tolist() == [1, 2, 3, 4, 5, 6]


class Early(Callback):
    """Keeps what the network says before the second step."""

    def __init__(self, network: SharedNetwork) -> None:
        self.network = network
        self.outputs: dict[str, Tensor] = {}

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        if step == 1:
            self.outputs = {name: output.detach() for name, output in self.network(batch.inputs).items()}


def test_a_look_is_at_the_batch_that_the_step_will_use_and_at_the_network_before_it() -> None:
    eye, network = Eye(), net()
    _, second = batches(ROWS, 6, 2, 2)
    early = Early(network)
    train(network, TASKS, ROWS, ROWS, OPTIONS, 2, [early, Sampling(network, TASKS, eye, 2)])
    up, odd = early.outputs["up"][:, 0], early.outputs["odd"][:, 0]
    expected = [
        F.mse_loss(up, second.labels[:, 0]).item(),  # unweighted
        F.binary_cross_entropy_with_logits(odd, second.labels[:, 1]).item(),
    ]
    torch.testing.assert_close(eye.losses[:1], [expected], rtol=1e-6, atol=0)


class Structured(ToyMeasure):
    """A measure of five tasks whose looks show two groups, under noise."""

    def __init__(self, noise: float) -> None:
        self.noise, self.rng = noise, np.random.default_rng(0)

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        groups = np.arange(5) < 2
        blocks = (groups[:, None] == groups[None, :]) * 1.0
        return np.stack([np.zeros((5, 5)), blocks + self.noise * self.rng.normal(size=(5, 5))])


def trained(measure: Measure, stop: StopRule | None, steps: int = 60, n_checks: int = 6) -> tuple[Sampling, list[int]]:
    network = net()
    sampling = Sampling(network, TASKS, measure, 2, stop)
    options = OPTIONS.model_copy(update={"steps": steps, "n_checks": n_checks})
    history = train(network, TASKS, ROWS, ROWS, options, 2, [sampling]).history
    return sampling, [check.step for check in history]


def test_settled_groupings_end_the_looks_and_the_training_at_the_next_check() -> None:
    sampling, checks = trained(Structured(0.3), StopRule(n_steps=60, min_looks=12))
    assert sampling.settled_at == 29  # the 15th look: 12 looks do not span half of the steps
    assert len(sampling.samples) == 15
    assert checks == [10, 20, 30]
    kept = sampling.arrays()
    assert kept["stopped"] == 29
    assert kept["steps"].tolist() == list(range(1, 30, 2))
    assert kept["samples"].shape == (15, 2, 5, 5)
    assert kept["regret"].max() <= 0.15


@pytest.mark.parametrize(
    ("noise", "stop"), [(100.0, StopRule(n_steps=60, min_looks=12)), (0.3, None), (0.3, StopRule(60, min_looks=40))]
)
def test_otherwise_the_training_goes_on_to_its_end(noise: float, stop: StopRule | None) -> None:
    sampling, checks = trained(Structured(noise), stop)
    kept = sampling.arrays()
    assert checks[-1] == 60
    assert len(kept["samples"]) == len(kept["steps"]) == 30
    assert kept["stopped"] == -1
    assert np.isnan(kept["regret"]).all() == (stop is None)


class Noting(ToyMeasure):
    """A measure that leaves facts with the probe, the second not at every look."""

    n_looks = 0

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        facts = {"eta": 0.5 * self.n_looks}
        if self.n_looks % 2:
            facts["lambda"] = 1.0
        probe.facts = facts
        self.n_looks += 1
        return np.zeros((3, 2, 2))


def test_facts_of_each_look_are_kept() -> None:
    sampling, _ = trained(Noting(), None, steps=6, n_checks=1)
    found = sampling.facts()
    np.testing.assert_array_equal(found["eta"], [0, 0.5, 1])
    np.testing.assert_array_equal(found["lambda"], [np.nan, 1, np.nan])
    assert {"facts_eta", "facts_lambda"} < set(sampling.arrays())


def test_a_probe_without_facts_has_none() -> None:
    sampling, _ = trained(Structured(0.0), None, steps=6, n_checks=1)
    assert sampling.facts() == {}
    assert set(sampling.arrays()) == {"samples", "steps", "stopped", "regret"}
