"""Tasks with rows of their own: every row runs along its own task's path, and training comes to the same."""

from typing import Any

import numpy as np
import pytest
import torch
from any_architectures import TRUNKS, adapted, network_on, numbers
from hypothesis import given, settings
from small_networks import NAMES, ROWS, TASKS, awake, branched, close, network_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.nn.filled import filled
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.routes import Route, route
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.training.data import Rows
from taskgroup.training.loop import _spare_unlabelled, train
from taskgroup.training.metrics import errors_on
from taskgroup.training.objective import total_loss

PLAIN = ["mlp", "transformer tokens", "transformer vectors"]
"""Trunks without batch normalization."""
SEPARATE = [(0, 1, 2, 3)] * 3
LATE = [(0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 2, 3)]


def inputs_for(name: str, n_rows: int, rng: np.random.Generator) -> Any:
    shape = (n_rows, *ROWS[name].shape[1:])
    return rng.integers(0, 7, shape) if ROWS[name].dtype == torch.int64 else rng.normal(size=shape)


def long_form(name: str, seed: int, n_rows: int = 23, *, absent: bool = True) -> Rows:
    """Rows with one label each, a few without any, and where ``absent`` often some tasks without rows."""
    rng = np.random.default_rng(seed)
    kept = rng.choice(len(NAMES), rng.integers(1, 5) if absent else 4, replace=False)
    owners = rng.choice(kept, n_rows)
    labels = np.full((n_rows, len(NAMES)), np.nan)
    values = [
        rng.integers(0, 2, n_rows),
        rng.integers(0, 3, n_rows),
        rng.normal(size=n_rows),
        rng.integers(0, 2, n_rows),
    ]
    labels[np.arange(n_rows), owners] = np.stack(values, axis=1)[np.arange(n_rows), owners]
    labels[rng.random(n_rows) < 0.1] = np.nan
    return Rows.of(inputs_for(name, n_rows, rng), labels)


def masked(rows: Rows) -> Rows:
    """The same, not known to be apart: all rows run through all paths."""
    return Rows(rows.inputs, rows.labels, rows.whole)


def loss_and_gradients(network: SharedNetwork, rows: Rows, tasks: TaskSet) -> tuple[Tensor, dict[str, Tensor]]:
    network.zero_grad()
    loss = total_loss(network, tasks, rows)
    loss.backward()  # type: ignore[no-untyped-call]
    _spare_unlabelled(network, tasks, rows)
    return loss, {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


WEIGHTED = TaskSet(tasks=tuple(t.model_copy(update={"weight": 0.5 + k}) for k, t in enumerate(TASKS)))


@settings(max_examples=40, deadline=None)
@given(seed=numbers)
def test_losses_and_gradients_are_those_of_all_rows_through_all_paths(seed: int) -> None:
    name = PLAIN[seed % len(PLAIN)]
    network = awake(network_on(name, adapted(name, seed))).train()
    rows = long_form(name, seed)
    found, expected = (loss_and_gradients(network, r, WEIGHTED) for r in (rows, masked(rows)))
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for parameter, slope in found[1].items():
        torch.testing.assert_close(slope, expected[1][parameter], rtol=1e-3, atol=1e-4, msg=parameter)


@settings(max_examples=20, deadline=None)
@given(seed=numbers)
def test_errors_are_those_of_all_rows_through_all_paths(seed: int) -> None:
    name = [*PLAIN, "conv"][seed % 4]
    network = awake(network_on(name, adapted(name, seed)))
    rows = long_form(name, seed, n_rows=60, absent=False)
    found = errors_on(network, TASKS, rows, chunk=17)
    assert found == pytest.approx(errors_on(network, TASKS, masked(rows)), rel=1e-4)


@pytest.mark.parametrize("matrix", [SEPARATE, LATE], ids=["separate", "late"])
def test_a_training_comes_to_the_same(matrix: Any) -> None:
    rows, validation = long_form("mlp", 1, 80, absent=False), long_form("mlp", 2, 60, absent=False)
    options = TrainOptions(steps=10, batch_size=6, lr=0.01, n_checks=2)
    histories, weights = [], []
    for chosen in (rows, masked(rows)):
        network = network_of(branched(*matrix, helpers=(Helper(task="a", along="d"),)))
        histories.append(train(network, TASKS, chosen, validation, options, 0).history)
        weights.append({name: p.detach() for name, p in network.named_parameters()})
    for one, other in zip(*histories, strict=True):
        assert one.errors == pytest.approx(other.errors, rel=1e-3)
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-3, atol=2e-4, msg=name)


class Seen(nn.Module):
    """Passes rows on and remembers how many there were, call after call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.calls.append(len(rows))
        return rows


def seen_by(network: SharedNetwork, stage: int) -> list[list[int]]:
    return [copy[-1].calls for copy in network.copies(stage)]  # type: ignore[index]


def watching() -> Trunk:
    return Trunk({f"block{k}": nn.Sequential(nn.Linear(4 if k == 1 else 6, 6), nn.Tanh(), Seen()) for k in (1, 2, 3)})


def test_every_copy_sees_the_rows_of_its_tasks_alone_and_all_in_one_batch() -> None:
    trunk = watching()
    topology = Topology(tasks=NAMES, stages=trunk.names, matrix=tuple(LATE))
    architecture = Architecture(topology=topology, helpers=(Helper(task="a", along="d"),))
    network = SharedNetwork(TASKS, architecture, trunk, sites_of(trunk, torch.zeros(2, 4)), 0)
    for copies in network.stages:
        for copy in copies.children():
            copy[-1].calls.clear()  # type: ignore[index]
    owners = np.repeat([0, 1, 2, 4], [3, 2, 4, 2])  # two rows without a label, none for d
    labels = np.full((11, 4), np.nan)
    labels[np.arange(9), owners[:9]] = 1.0
    rows = Rows.of(np.ones((11, 4)), labels)
    total_loss(network, TASKS, rows)
    assert seen_by(network, 0) == [[3 + 2 + 4 + 3]]  # the rows of a run along d's path too
    assert seen_by(network, 1) == [[3 + 2], [4 + 3]]
    assert seen_by(network, 2) == [[3], [2], [4], [3]]


def test_one_pass_over_all_rows_where_nothing_branches() -> None:
    trunk = watching()
    architecture = Architecture(topology=Topology.shared(NAMES, trunk.names), helpers=(Helper(task="a", along="d"),))
    network = SharedNetwork(TASKS, architecture, trunk, sites_of(trunk, torch.zeros(2, 4)), 0)
    network.copies(0)[0][-1].calls.clear()  # type: ignore[index]
    rows = long_form("mlp", 3)
    found = loss_and_gradients(network, rows, TASKS)
    assert seen_by(network, 0) == [[len(rows)]]
    assert torch.equal(found[0], loss_and_gradients(network, masked(rows), TASKS)[0])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, False),
        ({"head_size": 3, "helpers": (Helper(task="a", along="b"),)}, False),
        ({"adapters": (AdapterSpec(stage="block1", size=0),)}, False),
        ({"adapters": (AdapterSpec(stage="block1", size=1),)}, True),
        ({"adapters": (AdapterSpec(stage="block1", kind="lora", size=1),)}, True),
    ],
)
def test_what_branches(more: dict[str, Any], expected: bool) -> None:
    assert network_of(branched(*[(0, 0, 0, 0)] * 3, **more)).branched is expected
    assert network_of(branched(*LATE)).branched


def test_own_statistics_branch() -> None:
    trunk = Trunk(TRUNKS["conv"].stages, norm="per_task")
    topology = Topology.shared(NAMES, trunk.names)
    network = SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, ROWS["conv"]), 0)
    assert network.branched


def test_one_plan_serves_every_choice_of_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly every batch of many tasks lacks others."""
    made: list[int] = []

    def counted(*args: Any, **more: Any) -> Route:
        made.append(1)
        return route(*args, **more)

    monkeypatch.setattr("taskgroup.nn.network.route", counted)
    network = awake(network_of(branched(*LATE)))
    for chosen in (["a"], ["b", "d"], list(NAMES), ["d", "a"]):
        rows = dict.fromkeys(chosen, ROWS["mlp"][:2])
        close(network(rows), {t: o[:2] for t, o in network(ROWS["mlp"]).items() if t in chosen})
    assert len(made) == 2  # of own rows, of all
    assert network({}) == {}


def many(n_tasks: int, depth: int = 3) -> tuple[SharedNetwork, Tensor]:
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="regression") for k in range(n_tasks)))
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    trunk = MLP(width=6, depth=depth).build(rows)
    topology = Topology.separate(tasks.names, trunk.names)
    network = SharedNetwork(tasks, Architecture(topology=topology), trunk, sites_of(trunk, rows), 0)
    return awake(network).train(), rows


@pytest.mark.parametrize("sizes", [(3, 1, 5, 2, 4), (2, 2, 2, 2, 2), (1, 1, 1, 1, 9), (20, 1, 1, 1, 1)])
@pytest.mark.parametrize("absent", [(), (1,)])
def test_copies_with_different_numbers_of_rows_run_together(sizes: tuple[int, ...], absent: tuple[int, ...]) -> None:
    network, rows = many(5)
    own = {f"t{k}": part for k, part in enumerate(torch.split(rows[: sum(sizes)], list(sizes))) if k not in absent}
    results = []
    for together in (True, False):
        network.together = together
        network.zero_grad()
        outputs = network(own)
        torch.cat(list(outputs.values())).sin().sum().backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        results.append((outputs, gradients))
    close(results[0][0], results[1][0])
    close(results[0][1], results[1][1])
    assert {name.split(".")[2] for name in results[0][1] if name.startswith("stages")}.isdisjoint(map(str, absent))


def test_they_run_together_indeed(monkeypatch: pytest.MonkeyPatch) -> None:
    network, rows = many(6)
    calls: list[int] = []
    plain = nn.Linear.forward

    def counted(self: nn.Linear, x: Tensor) -> Tensor:
        calls.append(len(x))
        return plain(self, x)

    monkeypatch.setattr(nn.Linear, "forward", counted)
    network({f"t{k}": part for k, part in enumerate(torch.split(rows[:15], [1, 2, 3, 4, 4, 1]))})
    assert not calls
    network({f"t{k}": rows[: k + 1] for k in range(3)})  # too few to pay
    assert len(calls) == 3 * (3 + 1)


def test_filling_is_not_let_grow() -> None:
    parts = [torch.randn(n, 3) for n in (2, 1, 4)]
    wide = filled(parts)
    assert wide is not None
    assert wide.tensor.shape == (3, 3, 4)
    for found, part in zip(wide.parts, parts, strict=True):
        torch.testing.assert_close(found, part)
    assert filled([torch.randn(n, 3) for n in (80, 1, 1)]) is None
    assert filled([torch.randn(n, 3) for n in (2, 0, 1)]) is None


def normed() -> Trunk:
    return Trunk({"low": nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "high": nn.Linear(3, 2)})


def normed_network(matrix: Any) -> SharedNetwork:
    trunk = normed()
    topology = Topology(tasks=NAMES, stages=trunk.names, matrix=matrix)
    return SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, torch.zeros(2, 4)), 0)


def test_a_shared_copy_takes_its_statistics_from_all_rows_that_pass_through_it() -> None:
    network = normed_network(((0, 0, 1, 1), (0, 1, 2, 3)))
    rows = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    network({"a": rows[:4], "b": rows[4:7], "c": rows[7:]})
    for copy, passing in zip(network.copies(0), (rows[:7], rows[7:]), strict=True):
        linear, norm = copy.children()
        assert isinstance(norm, nn.BatchNorm1d)
        torch.testing.assert_close(norm.running_mean, 0.1 * linear(passing).mean(dim=0))
        torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * linear(passing).var(dim=0))


def test_a_single_row_is_normalized_by_the_running_statistics() -> None:
    network = normed_network(((0, 1, 2, 2), (0, 1, 2, 3)))
    row = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    found = network({"a": row, "c": row, "d": row})
    first, _, third = (copy[1] for copy in network.copies(0))  # type: ignore[index]
    assert first.num_batches_tracked == 0
    assert third.num_batches_tracked == 1  # two rows passed
    assert all(copy[1].training for copy in network.copies(0))  # type: ignore[index]
    linear = network.copies(0)[0][0]  # type: ignore[index]
    expected = network.heads[0](network.copies(1)[0](linear(row) / (1 + first.eps) ** 0.5))
    torch.testing.assert_close(found["a"], expected)


def test_what_serves_only_tasks_without_labels_stays_where_it_was() -> None:
    """Also where copies run together, which leaves gradients of zero."""
    network = network_of(branched(*SEPARATE, helpers=(Helper(task="a", along="d"),)))
    rows = long_form("mlp", 0, absent=False)
    labels = rows.labels.clone()
    labels[:, 2:] = torch.nan
    labels[:, :2] = 1.0
    _, gradients = loss_and_gradients(
        awake(network).train(), Rows(rows.inputs, labels, (True, True, False, False)), TASKS
    )
    trained = {name.rsplit(".", 1)[0] for name in gradients}
    assert {n for n in trained if n.startswith("stages.1.")} == {"stages.1.0.0", "stages.1.1.0", "stages.1.3.0"}
    assert {n for n in trained if n.startswith("heads.")} == {"heads.0", "heads.1", "heads.4"}


def test_adapters_and_copies_of_silent_tasks_are_idle() -> None:
    lora = AdapterSpec(stage="block2", kind="lora", size=2)
    network = network_of(branched(*LATE, adapters=(lora,)))
    idle = {id(p) for p in network.idle({"c", "d"})}
    names = {name.rsplit(".", 2)[0] for name, p in network.named_parameters() if id(p) in idle}
    assert {n for n in names if n.startswith("stages")} == {"stages.1.1", "stages.2.2", "stages.2.3"}
    assert {n.split(".")[2] for n in names if n.startswith("adapters.1.")} == {"2", "3"}
    assert not list(network.idle(set()))


def test_rows_know_whose_they_are() -> None:
    nan = np.nan
    labels = np.array([[1.0, nan, nan], [nan, nan, nan], [nan, nan, 2.0], [nan, nan, 3.0]])
    rows = Rows.of(np.arange(8.0).reshape(4, 2), labels)
    assert rows.owner is not None
    assert rows.owner.tolist() == [0, 3, 2, 2]
    picked = rows.pick(torch.tensor([3, 1, 0, 2]))
    found = picked.by_task()
    assert {k: (x[:, 0].tolist(), y.tolist()) for k, (x, y) in found.items()} == {
        0: ([0.0], [1.0]),
        2: ([6.0, 4.0], [3.0, 2.0]),
    }
    labels[0, 1] = 0.0
    assert Rows.of(np.zeros((4, 2)), labels).owner is None
    assert Rows.of(np.zeros((4, 2)), labels[:, :1]).owner is None  # one task shares with nobody
