"""Copies that run together compute what they compute one after the other."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from small_networks import NAMES, TASKS, awake, close, numbers
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.siblings import Siblings, Wide, steps_of
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.conv import Conv
from taskgroup.nn.trunks.conv1d import Conv1d
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.nn.trunks.transformer import Transformer

Matrix = Sequence[tuple[int, ...]]
SEPARATE = [(0, 1, 2, 3)] * 4
FANNED = [(0, 0, 0, 0), (0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3)]
MIXED = [(0, 0, 1, 1), (0, 0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3)]
"""From one stream to several copies while another has its own."""


class Sum(nn.Module):
    """A shortcut around a normalized convolution."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


def maps_trunk() -> Trunk:
    return Trunk(
        {
            "stem": nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.LeakyReLU(0.2)),
            "sum": Sum(3),
            "pool": nn.Sequential(nn.MaxPool2d(2), nn.Flatten()),
            "top": nn.Sequential(nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 4, bias=False)),
        }
    )


TRUNKS: dict[str, tuple[Trunk, Tensor]] = {
    "mlp": (MLP(width=6, depth=4).build(numbers(7, 2, 3)), numbers(7, 2, 3)),
    "conv": (Conv(width=2, depth=3).build(numbers(7, 2, 6, 6)), numbers(7, 2, 6, 6)),
    "conv1d": (Conv1d(width=2, depth=3).build(numbers(7, 9, 3)), numbers(7, 9, 3)),
    "maps": (maps_trunk(), numbers(7, 2, 6, 6)),
}


def network(name: str, matrix: Matrix) -> SharedNetwork:
    trunk, rows = TRUNKS[name]
    topology = Topology(tasks=NAMES, stages=trunk.names, matrix=tuple(matrix[: len(trunk.names)]))
    return SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, rows), 0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many copies ran together, call after call."""
    made: list[int] = []
    call = Siblings.__call__

    def counted(self: Siblings, x: Wide) -> Wide:
        made.append(self.k)
        return call(self, x)

    monkeypatch.setattr(Siblings, "__call__", counted)
    monkeypatch.setattr(Siblings, "may_pay", True)
    monkeypatch.setattr(Siblings, "pays", lambda *_, **__: True)
    return made


def gradients(net: SharedNetwork, rows: Tensor) -> dict[str, Tensor]:
    net.zero_grad()
    torch.stack([output.sin().sum() for output in net(rows).values()]).sum().backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("matrix", [SEPARATE, FANNED, MIXED], ids=["separate", "fanned", "mixed"])
@pytest.mark.parametrize("name", TRUNKS)
def test_together_is_one_after_the_other(name: str, matrix: Matrix, training: bool, calls: list[int]) -> None:
    rows = TRUNKS[name][1].double()
    one, two = (awake(network(name, matrix)).double().train(training) for _ in range(2))
    outputs, slopes = one(rows), gradients(one, rows)
    assert calls
    two.together = False
    n_calls = len(calls)
    close(outputs, two(rows))
    expected = gradients(two, rows)
    assert len(calls) == n_calls
    assert slopes.keys() == expected.keys() == dict(one.named_parameters()).keys()
    close(slopes, expected)
    close(dict(one.named_buffers()), dict(two.named_buffers()))  # running statistics moved alike


def test_all_separate_copies_run_together_at_every_stage(calls: list[int]) -> None:
    network("mlp", SEPARATE)(TRUNKS["mlp"][1])
    assert calls == [4, 4, 4, 4]


def test_one_stream_that_fans_out_beside_one_that_does_not(calls: list[int]) -> None:
    network("mlp", MIXED)(TRUNKS["mlp"][1])
    # two copies on the rows; c and d on one stream, a with b being alone; a and b, c beside d; all four
    assert calls == [2, 2, 2, 2, 4]


def test_copies_drop_features_of_their_own(calls: list[int]) -> None:
    trunk = MLP(width=6, depth=1, dropout=0.5).build(numbers(40, 3))
    topology = Topology.separate(NAMES, trunk.names)
    net = SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, numbers(2, 3)), 0)
    with torch.no_grad():
        for head in net.heads:
            next(head.parameters()).fill_(1.0)
    found = net(numbers(40, 3))
    assert calls == [4]
    assert not torch.equal(found["a"] - found["a"].mean(), found["d"] - found["d"].mean())


def test_what_pays() -> None:
    """Small layers and several copies; ``results/bench/build.md`` shows what the rule brings."""

    def siblings(stage: nn.Module, k: int) -> Siblings:
        steps = steps_of(stage)
        assert steps
        return Siblings([stage] * k, steps)

    small, large = nn.Sequential(nn.Linear(64, 64)), nn.Sequential(nn.Linear(64, 65))
    rows = torch.zeros(8, 64)
    assert siblings(small, 4).pays([rows], common=True)
    assert siblings(small, 4).pays([rows] * 4, common=False)
    assert not siblings(small, 3).pays([rows], common=True)
    assert not siblings(large, 4).pays([rows], common=True)
    maps = nn.Sequential(nn.Conv2d(4, 4, 3))
    few, many = torch.zeros(10, 4, 16, 16), torch.zeros(100, 4, 16, 16)
    assert siblings(maps, 2).pays([few] * 2, common=False)
    assert not siblings(maps, 2).pays([many] * 2, common=False)
    assert siblings(maps, 2).pays([many], common=True)
    assert not siblings(nn.Sequential(nn.Conv2d(4, 16, 3)), 2).pays([many], common=True)  # which become four times more
    assert siblings(nn.Sequential(nn.Conv2d(4, 16, 3, stride=2)), 2).pays([many], common=True)


class Noisy(nn.Module):
    """Other operations in training."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return F.relu(x) if self.training else x


class Twice(nn.Module):
    """One layer, two calls."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.linear(x))
        return out


class Own(nn.Module):
    """A parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) * self.scale
        return out


class Mean(nn.Module):
    """Mixes channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x).mean(dim=1, keepdim=True)
        return out


@pytest.mark.parametrize(
    "stage",
    [
        Noisy(),
        Twice(),
        Own(),
        Mean(),
        nn.Conv2d(4, 4, 1, groups=2),
        nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")),
        nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)),
        nn.Sequential(nn.Linear(3, 3), nn.Softmax(dim=1)),
        nn.Sequential(nn.Flatten(0)),
        Transformer(width=4, depth=1).build(numbers(2, 5, 3)).stages["layer1"],
    ],
    ids=lambda stage: type(stage).__name__,
)
def test_stages_that_are_run_one_after_the_other(stage: nn.Module) -> None:
    mode = stage.training
    assert steps_of(stage) is None
    assert stage.training == mode


def test_a_layer_with_a_hook_is_called() -> None:
    net = network("mlp", SEPARATE)
    net(TRUNKS["mlp"][1])
    seen: list[Any] = []
    for copy in net.copies(1):
        copy.get_submodule("0").register_forward_hook(lambda *_: seen.append(1))
    net(TRUNKS["mlp"][1])
    assert len(seen) == 4
