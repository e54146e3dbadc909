"""Where a module can be cut, and which of those places are chosen."""

import itertools
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_modules import check_same, module_of, numbers
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.errors import InputError
from taskgroup.nn.cutting import CutPoint, cut_points
from taskgroup.nn.cutting.balancing import balanced
from taskgroup.nn.trunk import Trunk


def test_points_of_a_perceptron() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Linear(2, 1))
    shares = [12 / 20, 12 / 20, 18 / 20]  # 4·3, 3·2 and 2·1 multiply-accumulates
    assert cut_points(module, numbers(5, 4)) == [
        CutPoint("0", (3,), shares[0]),
        CutPoint("1", (3,), shares[1]),
        CutPoint("2", (2,), shares[2]),
    ]


def names(module: nn.Module, rows: Tensor) -> list[str]:
    return [point.name for point in cut_points(module, rows)]


def test_points_lie_between_residual_blocks_and_behind_what_works_in_place() -> None:
    module, rows = module_of("residual")
    assert isinstance(rows, Tensor)
    blocks = ["layer1.0", "layer1", "layer2", "layer3"]
    # not behind bn1, whose output the activation overwrites
    assert names(module, rows) == ["conv1", "relu", "maxpool", *blocks, "avgpool", "flatten"]


def test_graph_nodes_name_what_no_submodule_gives() -> None:
    module, rows = module_of("plain")
    assert isinstance(rows, Tensor)
    first = ["conv1", "relu", "pool", "conv2", "relu_1", "pool_1"]
    assert names(module, rows) == [*first, "view", "fc1", "relu_2", "drop"]


class Tied(nn.Module):
    """One layer at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.outer, self.inner, self.last = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.outer(self.inner(self.outer(x))))  # type: ignore[no-any-return]


class TiedByHand(Tied):
    """One weight at both ends, once read by a function."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.linear(self.inner(self.outer(x)), self.outer.weight))  # type: ignore[no-any-return]


def test_no_point_where_a_parameter_is_used_on_both_sides() -> None:
    assert names(Tied(), numbers(2, 3)) == ["outer_1"]
    assert names(TiedByHand(), numbers(2, 3)) == ["linear"]


def test_parameters_used_twice_within_a_stage_stay_one() -> None:
    module, rows = Tied(), numbers(2, 3)
    trunk = Trunk.auto(module, rows, 2, reinitialize=False)
    check_same(module, trunk, rows)
    assert [name for part in trunk.stages.values() for name in part.state_dict()] == [
        f"{layer}.{name}" for layer in ("outer", "inner", "last") for name in ("weight", "bias")
    ]


class TimeFirst(nn.Module):
    """Turns batch and time round and back."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        turned = self.b(self.a(x).transpose(0, 1))
        return self.c(turned.transpose(0, 1))  # type: ignore[no-any-return]


def test_the_batch_should_come_first_even_where_another_length_equals_it() -> None:
    assert names(TimeFirst(), numbers(2, 2, 3)) == ["a", "transpose_1"]


class Later(nn.Module):
    """Overwrites a value long after it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        seen = x.view(-1, 3)
        y = torch.tanh(seen)
        seen.mul_(2)
        return self.b(y)  # type: ignore[no-any-return]


def test_no_point_before_a_change_in_place_through_a_view() -> None:
    assert names(Later(), numbers(2, 3)) == []
    with pytest.raises(InputError, match=r"`n_stages` should be from 1 to 1 for this module, which can be cut nowhere"):
        Trunk.auto(Later(), numbers(2, 3), 2)


def test_fewer_points_than_asked_names_them() -> None:
    module, rows = module_of("mlp")
    sentence = r"`n_stages` should be from 1 to 4 for this module, which can be cut after 0, 1, 2, 3, 4, 5 .*, found 5"
    with pytest.raises(InputError, match=sentence):
        Trunk.auto(module, rows, 5)
    with pytest.raises(InputError, match=r"from 1 to 4 .* found 0"):
        Trunk.auto(module, rows, 0)


def test_activations_stay_with_their_layer_and_stages_are_plain_sequentials() -> None:
    module = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.1), nn.Linear(4, 4)
    )
    trunk = Trunk.auto(module, numbers(2, 4), 3)
    assert trunk.names == ("2", "5", "6")
    assert [list(dict(part.named_children())) for part in trunk.stages.values()] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]
    assert all(type(part) is nn.Sequential for part in trunk.stages.values())


class Named(nn.Module):
    """Parts in containers, whose names do not come one after the other in the second half."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.ModuleDict({"lower": nn.Sequential(nn.Linear(3, 3), nn.ReLU()), "upper": nn.Linear(3, 3)})
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk["upper"](self.trunk["lower"](x))
        for layer in self.layers:
            x = self.act(layer(x))
        return x


def test_stages_are_named_by_their_last_submodule_and_parameters_keep_their_names() -> None:
    trunk = Trunk.auto(Named(), numbers(2, 3), 4)
    assert trunk.names == ("trunk_lower", "trunk_upper", "act", "act_2")
    assert list(trunk.stages["trunk_lower"].state_dict()) == ["trunk.lower.0.weight", "trunk.lower.0.bias"]
    two = Trunk.auto(Named(), numbers(2, 3), 2).stages["act"]  # no chain of Sequentials has these names in this order
    assert type(two) is not nn.Sequential
    assert [name for name in two.state_dict() if name.endswith("weight")] == ["layers.0.weight", "layers.1.weight"]


class OneActivation(nn.Module):
    """One activation module behind every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.b(self.act(self.a(x))))  # type: ignore[no-any-return]


def test_a_part_without_parameters_may_come_twice_in_a_sequential() -> None:
    module, rows = OneActivation(), numbers(2, 3)
    trunk = Trunk.auto(module, rows, 1, reinitialize=False)
    assert type(trunk.stages["act"]) is nn.Sequential
    assert list(dict(trunk.stages["act"].named_children())) == ["a", "act", "b", "act_1"]  # each its own
    check_same(module, trunk, rows)


def test_the_name_of_all_stages_is_not_given_to_one() -> None:
    module = nn.Sequential()
    module.add_module("trunk", nn.Linear(3, 3))
    module.add_module("rest", nn.Linear(3, 3))
    assert Trunk.auto(module, numbers(2, 3), 2).names == ("trunk_2", "rest")
    assert Trunk.sequential(module).names == ("trunk_2", "rest")


def test_stages_with_other_functions_can_be_told_apart() -> None:
    class Rectified(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.a(x))

    class Squashed(Rectified):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.a(x))

    said = [repr(Trunk.auto(kind(), numbers(2, 3), 1).stages["a"]) for kind in (Rectified, Rectified, Squashed)]
    assert said[0] == said[1] != said[2]


stages = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(costs=stages, n=st.integers(1, 5))
def test_balancing_finds_what_trying_all_finds(costs: list[tuple[int, int]], n: int) -> None:
    macs = list(itertools.accumulate(macs for macs, _ in costs))
    weights = list(itertools.accumulate(weights for _, weights in costs))
    last = len(costs) - 1

    def shares(ends: tuple[int, ...]) -> list[int]:
        return [macs[end] - (macs[start] if start >= 0 else 0) for start, end in itertools.pairwise([-1, *ends])]

    def holds(ends: tuple[int, ...]) -> bool:
        counts = [0, *(weights[end] for end in ends)]
        return n == 1 or all(a < b for a, b in itertools.pairwise(counts))

    every = [(*inner, last) for inner in itertools.combinations(range(last), n - 1)]
    possible = [ends for ends in every if holds(ends)]
    if not possible:
        with pytest.raises(InputError, match="`n_stages` should be from 1 to"):
            balanced(macs, weights, n, [])
        return
    best = min(possible, key=lambda ends: (max(shares(ends)), sum(s * s for s in shares(ends)), -sum(ends)))
    found = balanced(macs, weights, n, [])
    assert (shares(tuple(found)), sum(found)) == (shares(best), sum(best))


class Two(nn.Module):
    """Gives what lies in the middle too."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(3, 3) for _ in range(4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.b(self.a(x))
        return x, self.d(self.c(x))


def test_no_point_behind_what_the_module_itself_gives() -> None:
    assert names(Two(), numbers(2, 3)) == ["a", "b"]
    assert Trunk.auto(Two(), numbers(2, 3), 4, until="d").names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"example": "rows"}, "`example` should be a tensor, or a tuple of tensors, found str"),
        ({"n_stages": "3"}, "`n_stages` should be a whole number, found '3'"),
        ({"n_stages": 2.5}, "`n_stages` should be a whole number, found 2.5"),
        ({"module": torch.relu}, "what is cut should be a torch.nn.Module, found builtin_function_or_method"),
    ],
)
def test_other_things_than_modules_rows_and_numbers_are_refused(change: dict[str, Any], words: str) -> None:
    given = {"module": nn.Sequential(nn.Linear(2, 2)), "example": torch.zeros(2, 2), "n_stages": 1, **change}
    with pytest.raises(InputError, match=re.escape(words)):
        Trunk.auto(given["module"], given["example"], given["n_stages"])


def test_a_stage_that_is_no_module_is_refused() -> None:
    with pytest.raises(InputError, match=r"stages should be torch\.nn\.Modules, found a \(builtin_function"):
        Trunk({"a": torch.relu})  # type: ignore[dict-item]
