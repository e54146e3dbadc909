"""The shortcuts of a tower give what the black box gives, for every built-in trunk and every kind of label."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.measures.training.lookahead import Lookahead
from taskgroup.measures.training.sampling import Sampling, adam_scale
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.training.data import Rows
from taskgroup.training.losses import task_losses
from taskgroup.training.probe import Batch, Crossing, Probe, Tower
from taskgroup.training.probe import passes as passes_module
from taskgroup.training.probe import stepped as stepped_module

TASKS = TaskSet(
    tasks=(
        Task(name="yes", kind="binary"),
        Task(name="which", kind="multiclass", n_classes=3),
        Task(name="much", kind="regression"),
        Task(name="far", kind="regression", loss="mae"),
        Task(name="bent", kind="regression", loss="huber"),
        Task(name="never", kind="binary"),
    )
)
T = len(TASKS)
SHAPES: dict[str, tuple[int, ...]] = {"mlp": (7,), "wide": (90,), "conv": (1, 6, 6), "transformer": (4, 3)}
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {"width": 6, "depth": 3}),
    "wide": ("mlp", {"width": 40, "depth": 2}),
    "conv": ("conv", {"width": 4, "depth": 2}),
    "transformer": ("transformer", {"width": 8, "depth": 2}),
}
NAMES = [*OPTIONS, "dropout", "normed", "masked"]


def batch(name: str, n_rows: int = 15, *, own_rows: bool = False, seed: int = 0) -> Rows:
    """Rows with holes in the labels; no label at all for the last task; with ``own_rows`` one label a row."""
    rng = np.random.default_rng(seed)
    shape = SHAPES.get(name, (7,))
    labels = [
        rng.integers(0, 3 if t.n_outputs > 1 else 2, n_rows) if t.kind != "regression" else rng.normal(size=n_rows)
        for t in TASKS
    ]
    matrix = np.stack(labels, axis=1).astype(float)
    matrix[:, -1] = np.nan
    if own_rows:
        matrix[np.arange(T) != rng.integers(0, T - 1, n_rows)[:, None]] = np.nan
    else:
        matrix[rng.random(matrix.shape) < 0.2] = np.nan
    return Rows.of(rng.normal(size=(n_rows, *shape)).astype(np.float32), matrix)


class Opening(nn.Module):
    """Numbers, and which of them count."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(self.linear(x)), (x[:, :5] > 0).float()


class Closing(nn.Module):
    """Uses what counts."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 4)

    def forward(self, flow: tuple[Tensor, Tensor]) -> Tensor:
        out: Tensor = self.linear(flow[0] * flow[1])
        return out


def trunk(name: str) -> Trunk:
    if name == "masked":  # a tuple passes from stage to stage
        return Trunk({"opening": Opening(), "closing": Closing()})
    if name == "normed":  # rows are mixed, so nothing has a closed form
        return Trunk({"a": nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.ReLU()), "b": nn.Linear(5, 4)})
    if name == "dropout":
        return TRUNKS.create("mlp", {"width": 6, "depth": 2, "dropout": 0.4}).build(batch(name).inputs)  # type: ignore[no-any-return]
    kind, options = OPTIONS[name]
    return TRUNKS.create(kind, options).build(batch(name).inputs)  # type: ignore[no-any-return]


def network_of(name: str) -> SharedNetwork:
    stages = trunk(name)
    shapes = sites_of(stages, batch(name).inputs[:2])
    network = SharedNetwork(TASKS, Architecture(topology=Topology.shared(TASKS.names, stages.names)), stages, shapes, 1)
    with torch.no_grad():
        for parameter in network.parameters():  # biases too
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return network


def opened(name: str, rows: Rows, **options: Any) -> tuple[Probe, Probe]:
    """The same network with its tower and as a black box."""
    network = network_of(name)

    def losses() -> Tensor:
        return task_losses(TASKS, network(rows.inputs), rows)

    shared = network.shared_parameters()
    torch.manual_seed(5)
    box = Probe(TASKS.names, shared, losses, network, 0.1)
    return Probe(TASKS.names, shared, losses, network, 0.1, tower=network.tower(), rows=rows, **options), box


def one(probe: Probe) -> Crossing:
    (crossing,) = probe.crossings()
    return crossing


CASES = [(name, own) for name in NAMES for own in (False, True) if name != "dropout"]


@pytest.mark.parametrize(("name", "own_rows"), CASES)
def test_losses_products_and_steps_are_those_of_the_black_box(name: str, own_rows: bool) -> None:
    probe, box = opened(name, batch(name, own_rows=own_rows))
    found, expected = one(probe), one(box)
    torch.testing.assert_close(found.losses, expected.losses, equal_nan=True, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found.gram(), expected.gram(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.squares(), expected.squares(), rtol=1e-4, atol=1e-6)
    assert float(found.gram()[:, -1].abs().max()) == 0
    for stages in (probe.stages, probe.stages[:1], probe.stages[1:]):
        ours, theirs = found.stepped(0.1, stages, range(T)), expected.stepped(0.1, stages, range(T))
        torch.testing.assert_close(ours, theirs, equal_nan=True, rtol=1e-4, atol=1e-6)
    some = found.stepped(0.1, probe.stages, [3, 1])
    torch.testing.assert_close(some, expected.stepped(0.1, probe.stages, [3, 1]), equal_nan=True, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "own_rows"), CASES)
def test_combined_directions_are_those_of_the_black_box(name: str, own_rows: bool) -> None:
    probe, box = opened(name, batch(name, own_rows=own_rows))
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0, 0.0])
    found, expected = one(probe), one(box)
    ours, theirs = found.direction(weights), expected.direction(weights)
    for stage in probe.stages:
        for a, b in zip(ours[stage], theirs[stage], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        found.along(ours, -0.05), expected.along(theirs, -0.05), equal_nan=True, rtol=1e-4, atol=1e-6
    )


def test_which_trunks_have_a_closed_form() -> None:
    def plain(name: str) -> bool:
        tower = network_of(name).tower()
        assert tower is not None
        return tower.plain

    assert {name: plain(name) for name in NAMES} == {
        "mlp": True,
        "wide": True,
        "conv": False,
        "transformer": False,
        "dropout": True,
        "normed": False,
        "masked": False,
    }


def test_no_tower_where_something_stands_between_trunk_and_heads() -> None:
    network = network_of("mlp")
    stages = trunk("mlp")
    shapes = sites_of(stages, batch("mlp").inputs[:2])
    apart = Architecture(topology=Topology.separate(TASKS.names, stages.names))
    assert network.tower() is not None
    assert SharedNetwork(TASKS, apart, stages, shapes, 0).tower() is None


def test_dropout_is_replayed_through_steps_and_batches() -> None:
    """A step of size zero changes nothing, though every look draws at random."""
    probe, _ = opened("dropout", batch("dropout"))
    crossing = one(probe)
    still = crossing.stepped(0.0, probe.stages, range(T))
    torch.testing.assert_close(still, crossing.losses.expand(T, -1), equal_nan=True, rtol=1e-6, atol=0)
    move = {stage: [torch.zeros_like(p) for p in group] for stage, group in _parameters(probe).items()}
    torch.testing.assert_close(crossing.along(move, 1.0), crossing.losses, equal_nan=True, rtol=1e-6, atol=0)
    moved = crossing.stepped(1e-3, probe.stages, range(T))
    first = crossing.losses - 1e-3 * crossing.gram().sum(dim=0)
    torch.testing.assert_close(moved[:-1], first[:-1], equal_nan=True, rtol=1e-4, atol=1e-5)


def _parameters(probe: Probe) -> dict[str, list[nn.Parameter]]:
    return probe._parameters


@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_sources_and_targets_on_different_rows(name: str) -> None:
    here, there = batch(name), batch(name, 9, seed=3)
    probe, box = opened(name, here, others={"next": lambda: there})
    _, other = opened(name, there)
    (crossing,) = probe.crossings("next")
    torch.testing.assert_close(crossing.losses, one(other).losses, equal_nan=True, rtol=1e-5, atol=1e-6)
    (mine, others) = box.gradients()[1], other.gradients()[1]
    expected = torch.stack([mine[s].double() @ others[s].double().T for s in probe.stages])
    torch.testing.assert_close(crossing.gram(), expected, rtol=1e-4, atol=1e-6)
    after = crossing.stepped(0.1, probe.stages, [0])[0]
    theirs = other.losses_after({s: -0.1 * mine[s][0] for s in probe.stages})
    torch.testing.assert_close(after, theirs, equal_nan=True, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "conv"])
@pytest.mark.parametrize("on", ["same", "halves", "next"])
@pytest.mark.parametrize("optimizer_step", [True, False])
def test_a_black_box_of_any_rows_shows_what_its_tower_shows(name: str, on: Batch, optimizer_step: bool) -> None:
    here, network = batch(name, 16), network_of(name)
    generator = torch.Generator().manual_seed(2)
    scales: dict[Tensor, Tensor] = {p: torch.rand(p.shape, generator=generator) + 0.1 for p in network.parameters()}

    def losses_on(rows: Rows) -> Tensor:
        return task_losses(TASKS, network(rows.inputs), rows)

    def crossings(tower: Tower | None) -> list[Crossing]:
        probe = Probe(
            TASKS.names,
            network.shared_parameters(),
            lambda: losses_on(here),
            network,
            0.1,
            losses_on=losses_on,
            tower=tower,
            rows=here,
            others={"next": lambda: batch(name, 9, seed=3)},
            scales=lambda: scales,
        )
        return probe.crossings(on, optimizer_step=optimizer_step)

    stages = network.architecture.topology.stages
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0, 0.0])
    looks: list[Callable[[Crossing], Tensor]] = [
        lambda c: c.losses,
        lambda c: c.squares(),
        lambda c: c.gram(),
        lambda c: c.stepped(0.05, stages[1:], [2, 0]),
        lambda c: c.along(c.direction(weights), 0.02),
    ]
    for found, expected in zip(crossings(None), crossings(network.tower()), strict=True):
        for look in looks:
            torch.testing.assert_close(look(found), look(expected), equal_nan=True, rtol=1e-3, atol=1e-5)


def test_halves_go_both_ways() -> None:
    rows = batch("mlp", 16)
    probe, _ = opened("mlp", rows)
    one_way, back = probe.crossings("halves")
    torch.testing.assert_close(one_way.gram(), back.gram().transpose(1, 2), rtol=1e-5, atol=1e-7)
    first, second = (opened("mlp", rows.pick(torch.arange(k, 16, 2)))[1] for k in (0, 1))
    mine, others = first.gradients()[1], second.gradients()[1]
    expected = torch.stack([mine[s].double() @ others[s].double().T for s in probe.stages])
    torch.testing.assert_close(one_way.gram(), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["mlp", "wide", "transformer"])
def test_the_optimizers_scaling(name: str) -> None:
    rows = batch(name)
    network = network_of(name)
    generator = torch.Generator().manual_seed(2)
    scales: dict[Tensor, Tensor] = {p: torch.rand(p.shape, generator=generator) + 0.1 for p in network.parameters()}

    def losses() -> Tensor:
        return task_losses(TASKS, network(rows.inputs), rows)

    shared = network.shared_parameters()
    probe = Probe(TASKS.names, shared, losses, network, 0.1, tower=network.tower(), rows=rows, scales=lambda: scales)
    (crossing,) = probe.crossings(optimizer_step=True)
    _, plain = probe.gradients()
    flat = {s: torch.cat([scales[p].flatten() for p in group]) for s, group in shared.items()}
    expected = torch.stack([(plain[s] * flat[s]).double() @ plain[s].double().T for s in probe.stages])
    torch.testing.assert_close(crossing.gram(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(crossing.squares(), expected.diagonal(dim1=1, dim2=2), rtol=1e-4, atol=1e-6)
    after = crossing.stepped(0.05, probe.stages, [2])[0]
    theirs = probe.losses_after({s: -0.05 * flat[s] * plain[s][2] for s in probe.stages})
    torch.testing.assert_close(after, theirs, equal_nan=True, rtol=1e-4, atol=1e-6)


def test_adams_scale_by_hand() -> None:
    """After one step the corrected mean square is the squared gradient itself."""
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, eps=1e-3)
    parameter.grad = torch.tensor([0.5, -4.0])
    optimizer.step()
    found = adam_scale(optimizer.state[parameter], optimizer.param_groups[0])
    torch.testing.assert_close(found, 1 / (torch.tensor([0.5, 4.0]) + 1e-3))


@pytest.mark.parametrize("name", ["mlp", "conv", "transformer"])
def test_many_tasks_are_projected_without_bias(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = batch(name)
    exact = one(opened(name, rows)[0]).gram()
    monkeypatch.setattr(passes_module, "HELD_NUMBERS", 0)
    monkeypatch.setattr(passes_module, "PROJECTED", 64)
    monkeypatch.setattr(passes_module, "SKETCHED_TASKS", 1)
    monkeypatch.setattr(passes_module, "SKETCH", 4)
    found = torch.stack([one(opened(name, rows, number=k)[0]).gram() for k in range(60)])
    assert float((found[0] - exact).abs().max()) > 1e-4  # projected indeed
    gap, error = (found.mean(dim=0) - exact).abs(), found.std(dim=0) / 60**0.5
    assert bool((gap <= 4.5 * error + 1e-6).all())


@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_exact_steps_do_not_use_projections(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = batch(name)
    expected = one(opened(name, rows)[1]).stepped(0.1, network_of(name).architecture.topology.stages, range(T))
    for module, limit in (
        (passes_module, "HELD_NUMBERS"),
        (passes_module, "SKETCHED_TASKS"),
        (stepped_module, "CHUNK_ROWS"),
    ):
        monkeypatch.setattr(module, limit, 1)
    monkeypatch.setattr("taskgroup.training.probe.crossing.HELD_NUMBERS", 1)
    crossing = one(opened(name, rows)[0])
    crossing.gram()
    found = crossing.stepped(0.1, network_of(name).architecture.topology.stages, range(T))
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "normed", "conv"])
@pytest.mark.parametrize("mode", ["exact", "first_order", "sampled", "auto"])
def test_no_trace_is_left(name: str, mode: Any) -> None:
    network, rows = network_of(name), batch(name)
    sampling = Sampling(network, TASKS, Lookahead(), 1, others={"val": rows})
    before = {k: v.clone() for k, v in network.state_dict().items()}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    for on in ("same", "halves", "val"):
        Lookahead(mode=mode, on=on)(sampling.probe(rows, 0.1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert all(not part._forward_hooks for part in network.modules())
