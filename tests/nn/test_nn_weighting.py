"""Weightings on networks that branch: what no two tasks share is left alone, groups apart train as if alone."""

import pytest
import torch
from any_architectures import adapted, network_on, numbers
from hypothesis import given, settings
from small_networks import NAMES, ROWS, TASKS, awake, branched, network_of
from torch import Tensor

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.training.data import Rows
from taskgroup.training.loop import train
from taskgroup.training.weighting.aggregated import Aggregated, shared_blocks
from taskgroup.training.weighting.weigher import weigher

AGGREGATORS = ("aligned_mtl", "imtl_g", "pcgrad", "upgrad")
SEPARATE, SHARED = (0, 1, 2, 3), (0, 0, 0, 0)


def some(n: int = 24, *, own: bool = False) -> Rows:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(n, 4, generator=generator)
    labels = torch.stack(
        [inputs[:, 0] > 0, (inputs[:, 1] > 0) + 0.0 + (inputs[:, 2] > 0), inputs[:, 3], inputs[:, 0] < 0.2], dim=1
    ).double()
    if own:
        labels[torch.arange(n)[:, None] % 4 != torch.arange(4)] = torch.nan
    return Rows.of(inputs.numpy(), labels.numpy())


def pulled(network: SharedNetwork, name: str, rows: Rows, tasks: TaskSet = TASKS) -> dict[str, Tensor]:
    network.zero_grad()
    weigher(name, network, tasks, 0)(rows, 0.1)[1]()
    return {path: p.grad.clone() for path, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", AGGREGATORS)
def test_all_separate_trains_as_ever_to_the_bit(name: str, own: bool) -> None:
    networks = []
    for weighting in (name, "equal"):
        network = network_of(branched(SEPARATE, SEPARATE, SEPARATE))
        train(network, TASKS, some(own=own), some(), TrainOptions(steps=4, batch_size=8, weighting=weighting), 0)
        networks.append(network.state_dict())
    assert all(torch.equal(networks[0][path], networks[1][path]) for path in networks[1])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", AGGREGATORS)
def test_groups_that_share_nothing_train_as_if_alone(name: str, own: bool) -> None:
    rows, rows_mlp = some(own=own), ROWS["mlp"]
    network = awake(network_of(branched((0, 0, 1, 1), (0, 0, 1, 1), (0, 1, 2, 2))))
    both = pulled(network, name, rows)
    half = TaskSet(tasks=tuple(TASKS[t] for t in NAMES[:2]))
    trunk = MLP(width=6, depth=3).build(rows_mlp)
    topology = Topology(tasks=half.names, stages=trunk.names, matrix=((0, 0), (0, 0), (0, 1)))
    alone = SharedNetwork(half, Architecture(topology=topology), trunk, sites_of(trunk, rows_mlp), 0).eval()
    alone.load_state_dict({path: network.state_dict()[path] for path in alone.state_dict()})
    found = pulled(alone, name, Rows.of(rows.inputs.numpy(), rows.labels[:, :2].double().numpy()), half)
    for path, gradient in found.items():
        torch.testing.assert_close(both[path], gradient, rtol=1e-3, atol=1e-5)
    assert any("stages.0.0" in path for path in found)


def test_blocks_by_the_tasks_that_they_serve() -> None:
    adapters = (AdapterSpec(stage="block1", kind="film", size=1, per="branch"),)
    network = network_of(branched(SHARED, (0, 0, 1, 2), (0, 0, 1, 2), adapters=adapters))
    blocks = shared_blocks(network, TASKS)
    names = {id(p): path for path, p in network.named_parameters()}
    found = {served: {names[id(p)].rsplit(".", 2)[0] for p in parameters} for served, parameters in blocks.items()}
    assert found[0, 1, 2, 3] == {"stages.0.0"}
    assert found[0, 1] == {"stages.1.0", "stages.2.0", "adapters.0"}
    assert set(found) == {(0, 1, 2, 3), (0, 1)}


@pytest.mark.parametrize("own", [False, True])
@settings(max_examples=15, deadline=None)
@given(numbers)
def test_weights_of_one_give_the_sum_on_any_network(own: bool, seed: int) -> None:
    network = awake(network_on("mlp", adapted("mlp", seed)))
    rows = some(own=own)
    plain = pulled(network, "equal", rows)
    network.zero_grad()
    for at_once in (False, True):
        network.zero_grad()
        weigh = Aggregated(network, TASKS, lambda gram: torch.ones(len(gram)), shared_blocks(network, TASKS))
        weigh.at_once = at_once
        weigh(rows, 0.1)[1]()
        found = {path: p.grad for path, p in network.named_parameters() if p.grad is not None}
        assert found.keys() == plain.keys()
        for path, gradient in plain.items():
            torch.testing.assert_close(found[path], gradient, rtol=1e-3, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(numbers)
def test_a_step_of_upgrad_hurts_no_task_by_what_is_shared(seed: int) -> None:
    network = awake(network_on("mlp", adapted("mlp", seed)))
    rows, blocks = some(), shared_blocks(network, TASKS)
    step = pulled(network, "upgrad", rows)
    paths = {id(p): path for path, p in network.named_parameters()}
    for served, parameters in blocks.items():
        for column in served:
            masked = rows.labels.clone()
            masked[:, [k for k in range(4) if k != column]] = torch.nan
            one = pulled(network, "equal", Rows(rows.inputs, masked, tuple(k == column for k in range(4))))
            pairs = [(step[paths[id(p)]], one[paths[id(p)]]) for p in parameters if paths[id(p)] in step]
            inner = sum(float((x * y).sum()) for x, y in pairs)
            sizes = [sum(float((z**2).sum()) for z in part) ** 0.5 for part in zip(*pairs, strict=True)]
            assert inner > -0.05 * (sizes[0] * sizes[1] if sizes else 0) - 1e-6


@pytest.mark.parametrize("name", AGGREGATORS)
def test_staged_training_with_a_frozen_trunk(name: str) -> None:
    adapters = (AdapterSpec(stage="block1", kind="bottleneck", size=2, per="task"),)
    network = network_of(branched(SHARED, SHARED, SHARED, adapters=adapters))
    options = TrainOptions(steps=6, batch_size=8, weighting=name, adapters="staged")
    assert not train(network, TASKS, some(), some(), options, 0).stopped
    assert all(p.abs().sum() > 0 for path, p in network.named_parameters() if path.endswith("up.weight"))
