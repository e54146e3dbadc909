"""Staged training of real networks: adapters inside and behind shared copies, statistics of every body."""

import pytest
import torch
from torch import Tensor

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunks.conv import Conv
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback, train

TASKS = TaskSet(tasks=(Task(name="a", kind="binary"), Task(name="b", kind="binary"), Task(name="c", kind="binary")))
STAGES = ("stem", "layer1", "layer2")


class States(Callback):
    """Parameters and buffers before each step."""

    def __init__(self, network: SharedNetwork) -> None:
        self.network, self.states = network, list[dict[str, Tensor]]()

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        self.states.append({k: v.clone() for k, v in self.network.state_dict().items()})


def network_with(kind: str, size: int) -> SharedNetwork:
    trunk = Conv(width=4, depth=2).build(torch.randn(2, 1, 8, 8))
    topology = Topology(tasks=TASKS.names, stages=STAGES, matrix=((0, 0, 0), (0, 0, 0), (0, 0, 1)))
    adapters = tuple(AdapterSpec(stage=stage, kind=kind, size=size) for stage in STAGES)
    sites = sites_of(trunk, torch.randn(2, 1, 8, 8))
    return SharedNetwork(TASKS, Architecture(topology=topology, adapters=adapters), trunk, sites, 0)


@pytest.mark.parametrize(("kind", "size"), [("lora", 2), ("film", 1), ("bottleneck", 2)])
def test_in_the_second_phase_only_adapters_and_heads_move(kind: str, size: int) -> None:
    network, generator = network_with(kind, size), torch.Generator().manual_seed(0)
    inputs = torch.randn(48, 1, 8, 8, generator=generator)
    labels = torch.stack([inputs[:, 0, 0, k] > 0 for k in range(3)], dim=1).double()
    rows = Rows.of(inputs.numpy(), labels.numpy())
    watch = States(network)
    train(network, TASKS, rows, rows, TrainOptions(steps=6, batch_size=16, adapters="staged"), 1, [watch])
    start, turn, end = watch.states[0], watch.states[3], network.state_dict()
    moved = [{k for k in a if not torch.equal(a[k], b[k])} for a, b in ((start, turn), (turn, end))]
    assert not any(k.startswith("adapters") for k in moved[0])
    assert any(k.startswith("stages") for k in moved[0])
    assert {k.split(".")[0] for k in moved[1]} == {"adapters", "heads"}
    assert {k for k in start if k.startswith("adapters")} <= moved[1]
    assert all(p.requires_grad for p in network.parameters())
