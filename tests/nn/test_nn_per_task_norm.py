"""``norm: per_task``: where a stage is shared, every task has normalization statistics of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_networks import NAMES, ROWS, TASKS, awake, close, numbers
from torch import Tensor, nn

from taskgroup.core.spec import Architecture, TrunkSpec, digest
from taskgroup.core.topology import Topology
from taskgroup.nn.cost import CostModel, measured_cost
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import TRUNKS
from taskgroup.nn.trunks.conv import Conv
from taskgroup.nn.weights import load_weights, save_weights
from taskgroup.training.data import Rows
from taskgroup.training.objective import total_loss

IMAGES = ROWS["conv"]
OWN = Conv(width=2, depth=2, norm="per_task")
HALF = ((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 2))
"""c and d come apart."""


def network(matrix: Any = ((0, 0, 0, 0),) * 3, method: Conv = OWN) -> SharedNetwork:
    trunk = method.build(IMAGES)
    topology = Topology(tasks=NAMES, stages=trunk.names, matrix=matrix)
    return SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, IMAGES), 0)


def own_rows() -> dict[str, Tensor]:
    """Different numbers of rows from different distributions."""
    return {t: (1 + k) * numbers(3 + k, *IMAGES.shape[1:], seed=k) + k for k, t in enumerate(NAMES)}


def body_of(net: SharedNetwork, stage: int, task: str) -> nn.Module:
    """What runs for ``task``."""
    plans = zip(net.bodies[stage].children(), net.body_plan(stage), strict=True)
    found = [body for body, plan in plans if task in plan.tasks]
    return found[0] if found else net.copies(stage)[net.architecture.topology.matrix[stage][NAMES.index(task)]]


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.mark.parametrize("matrix", [((0, 0, 0, 0),) * 3, HALF], ids=["shared", "branched"])
def test_statistics_are_those_of_the_tasks_own_rows(matrix: Any) -> None:
    net, rows = network(matrix), own_rows()
    before: dict[nn.Module, Tensor] = {}
    for part in norms(net):
        part.register_forward_pre_hook(lambda module, args: before.__setitem__(module, args[0]))
    net(rows)
    for task in NAMES:
        conv = body_of(net, 0, task).get_submodule("0")
        for stage in range(3):
            for norm in norms(body_of(net, stage, task)):
                seen = conv(rows[task]) if stage == 0 else before[norm]
                assert len(seen) == len(rows[task])
                torch.testing.assert_close(norm.running_mean, 0.1 * seen.mean(dim=(0, 2, 3)))
                torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * seen.var(dim=(0, 2, 3)))
                assert norm.num_batches_tracked == 1


def test_rows_that_tasks_share_give_them_the_same_statistics() -> None:
    net = network()
    net(IMAGES)
    first, *others = ([n.running_mean for n in norms(body_of(net, 2, t))] for t in NAMES)
    for other in others:
        assert all(map(torch.equal, first, other))  # type: ignore[arg-type]


def test_in_long_form_training_every_task_learns_from_its_own_rows() -> None:
    net, rows = network(), own_rows()
    owners = np.repeat(range(4), [len(r) for r in rows.values()])
    labels = np.full((len(owners), 4), np.nan)
    labels[np.arange(len(owners)), owners] = 1.0
    shuffled = torch.randperm(len(owners), generator=torch.Generator().manual_seed(0))
    batch = Rows.of(torch.cat(list(rows.values())).numpy(), labels).pick(shuffled)
    total_loss(net, TASKS, batch)
    for task in NAMES:
        body = body_of(net, 0, task)
        expected = 0.1 * body.get_submodule("0")(rows[task]).mean(dim=(0, 2, 3))
        torch.testing.assert_close(norms(body)[0].running_mean, expected)


def test_parameters_are_shared() -> None:
    net, plain = network(), network(method=Conv(width=2, depth=2))
    assert [p.shape for p in net.parameters()] == [p.shape for p in plain.parameters()]
    awake(net)
    before = net(IMAGES)
    net.train()(IMAGES)["a"].sin().sum().backward()
    with torch.no_grad():
        for parameter in net.stages.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
    after = net.eval()(IMAGES)
    assert all(not torch.allclose(after[t], before[t]) for t in NAMES)


def test_gradients_are_the_sum_over_the_tasks() -> None:
    """Each of them as if the stages were its own."""
    net, rows = awake(network()).train(), own_rows()
    torch.cat([o.flatten() for o in net(rows).values()]).sin().sum().backward()  # type: ignore[no-untyped-call]
    found = [p.grad.clone() for p in net.stages.parameters() if p.grad is not None]
    net.zero_grad()
    for task in NAMES:
        net({task: rows[task]})[task].sin().sum().backward()
    for one, parameter in zip(found, net.stages.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, rtol=1e-4, atol=1e-5)


def test_evaluation_uses_the_tasks_own() -> None:
    net = network()
    net(own_rows())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.heads.parameters():  # they begin at zero
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    net.eval()
    for task in NAMES:
        flow: Any = IMAGES
        for stage in range(3):
            flow = body_of(net, stage, task)(flow)
        torch.testing.assert_close(net(IMAGES)[task], net.heads[NAMES.index(task)](flow))
    stems = [body_of(net, 0, task)(IMAGES) for task in NAMES]
    assert not any(torch.allclose(stems[0], other) for other in stems[1:])
    close(net(dict.fromkeys(NAMES, IMAGES)), net(IMAGES))


def test_a_task_alone_needs_no_statistics_beside_its_copys() -> None:
    net = network(HALF)
    assert [len(list(bodies.children())) for bodies in net.bodies] == [4, 3, 2]
    assert not list(network(((0, 1, 2, 3),) * 3).bodies[0].children())
    assert not network(method=Conv(width=2, depth=2)).own_norm


@pytest.mark.parametrize("matrix", [((0, 0, 0, 0),) * 3, HALF], ids=["shared", "branched"])
def test_weights_on_disk_hold_the_statistics_of_every_task(matrix: Any, tmp_path: Path) -> None:
    net = network(matrix)
    net(own_rows())
    awake(net)
    file, copies = tmp_path / "w.safetensors", [network(matrix) for _ in range(2)]
    save_weights(net, file)
    load_weights(copies[0], file)
    copies[1].load_state_dict(net.state_dict())
    for copy in copies:
        close(copy.eval()(IMAGES), net(IMAGES))
        assert all(map(torch.equal, copy.buffers(), net.buffers()))
    shared = {id(p) for p in net.stages.parameters()}
    assert {id(p) for p in net.bodies.parameters()} <= shared
    names = [name for name in net.state_dict() if name.startswith("bodies.")]
    assert names
    assert all(".running_" in name or name.endswith("num_batches_tracked") for name in names)  # parameters once


def test_every_task_costs_a_run_of_its_own() -> None:
    net, trunk = network(HALF), OWN.build(IMAGES)
    model, plain = (CostModel.of(t, TASKS, IMAGES) for t in (trunk, Conv(width=2, depth=2).build(IMAGES)))
    runs = {(p.stage, p.copy): p.runs for p in model.parts(net.architecture) if p.what == "copy"}
    assert runs == {
        ("stem", 0): 4,
        ("layer1", 0): 3,
        ("layer1", 1): 1,
        ("layer2", 0): 2,
        ("layer2", 1): 1,
        ("layer2", 2): 1,
    }
    cost = model.cost(net.architecture)
    assert (cost.params, cost.macs) == measured_cost(net, IMAGES)
    assert cost.params == plain.cost(net.architecture).params
    shared = Architecture(topology=Topology.shared(NAMES, trunk.names))
    assert cost.macs == model.cost(shared).macs > plain.cost(shared).macs


def test_the_option_of_the_conv_trunk() -> None:
    assert OWN.build(IMAGES).norm == "per_task"
    assert Conv(width=2).build(IMAGES).norm == "shared"
    assert TRUNKS.create("conv", {"norm": "per_task"}) == Conv(norm="per_task")
    with pytest.raises(ValidationError, match="Input should be 'shared' or 'per_task'"):
        Conv.model_validate({"norm": "own"})


def test_specs_of_earlier_versions_keep_their_content_and_hashes() -> None:
    options = Conv(width=2, depth=2).model_dump(mode="json", exclude={"name"})
    assert options == {"width": 2, "depth": 2}
    spec = TrunkSpec(name="conv", stages=("stem", "layer1"), options=options)
    assert digest(spec.model_dump()) == "94a8f4eea0893130"
    assert OWN.model_dump(mode="json", exclude={"name"}) == {**options, "norm": "per_task"}
    assert Conv.model_validate({"name": "conv", **options}) == Conv(width=2, depth=2, norm="shared")
