"""Stages by the names of submodules, compared with the module; Sequentials between their children."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_modules import Chain, Pair, Plain, called, check_same, mlp, module_of, numbers
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.errors import InputError
from taskgroup.nn.trunk import Trunk


def test_a_chain_that_computes_the_same_is_taken_as_it_is() -> None:
    module, rows = module_of("mlp")
    trunk = Trunk.cut(module, {"low": ["0", "1", "2", "3"], "high": ["4", "5", "6"]}, rows, reinitialize=False)
    assert trunk.stages["low"][1] is module[1]  # type: ignore[index]
    assert torch.equal(called(Chain(trunk).eval(), rows), called(module.eval(), rows))


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("residual", ["maxpool", "layer1", "layer2", "layer3", "fc"]),
        ("residual", ["bn1", "layer1.0.conv1", "layer1.0", "fc"]),  # inside of a residual block
        ("plain", ["conv1", "conv2", "view", "fc1", "fc2"]),
        ("plain", {"low": ["conv1", "pool"], "high": ["conv2", "fc2"]}),
        ("around", ["first", "second", "third"]),  # what is added later travels along
        ("masked", ["embed", "layers.0", "layers.1", "truediv"]),
    ],
)
def test_what_lies_between_the_parts_belongs_to_the_stages(name: str, paths: Any) -> None:
    module, rows = module_of(name)
    in_place = name == "residual" and "bn1" in paths
    if in_place:
        for part in module.modules():
            if isinstance(part, nn.ReLU):
                part.inplace = False
    trunk = Trunk.cut(module, paths, rows, reinitialize=False)
    assert trunk.names == tuple(path.replace(".", "_") for path in paths)
    check_same(module, trunk, rows)


def test_tuples_pass_from_stage_to_stage() -> None:
    module, rows = module_of("pairs")
    trunk = Trunk.cut(module, ["0", "1", "2", "3"], rows)
    assert trunk.shapes(rows) == [(4, 4), (4, 4), (4, 2), (2,)]
    assert isinstance(trunk.stages["1"], Pair)
    with pytest.raises(
        InputError, match=r"last stage `2` should give one vector of features a row, found a tuple; end"
    ):
        Trunk.cut(module, ["0", "1", "2"], rows)


def test_without_an_example_the_chain_is_taken_at_its_word() -> None:
    trunk = Trunk.cut(Plain(), ["fc1", "fc2"])
    assert all(type(part) is nn.Linear for part in trunk.stages.values())


def test_a_stage_that_would_overwrite_what_others_read() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    with pytest.raises(
        InputError, match=r"stage `1` should leave its input as it is, .* give it inplace=False, or put"
    ):
        Trunk.cut(module, ["0", "1", "2"], numbers(2, 3))
    assert Trunk.sequential(module, example=numbers(2, 3)).shapes(numbers(2, 3)) == [(3,), (2,)]


class Decides(nn.Module):
    """Cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if y.sum() > 0:
            return y  # type: ignore[no-any-return]
        return -y  # type: ignore[no-any-return]


class Deciding(nn.Module):
    """Holds a part that cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.last = nn.Linear(3, 3), Decides(), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.block(self.first(x))))  # type: ignore[no-any-return]


def test_untraceable_says_where_and_what_to_pass_instead() -> None:
    where = (
        r"cannot be traced at .*test_nn_cut_paths.py:\d+ \(`if y.sum\(\) > 0:`\): symbolically traced variables .*; "
    )
    remedy = r'pass the paths of .* one after the other to Trunk.cut, or keep `block` whole with leaves=\["block"\]'
    with pytest.raises(InputError, match=where + remedy):
        Trunk.auto(Deciding(), numbers(2, 3), 2)
    with pytest.raises(InputError) as caught:
        Trunk.cut(Deciding(), ["first", "block", "last"], numbers(2, 3))
    assert caught.value.problems[0] == (
        "trunk: in evaluation mode `last` should give the same behind the path before it as in the module, "
        "found other numbers"
    )
    assert "cannot be traced" in caught.value.problems[1]


@pytest.mark.parametrize("leaves", [["block"], [Decides]])
def test_leaves_are_kept_whole(leaves: list[Any]) -> None:
    torch.manual_seed(0)
    module, rows = Deciding(), numbers(2, 3)
    trunk = Trunk.auto(module, rows, 3, leaves=leaves, reinitialize=False)
    assert trunk.names == ("first", "block", "last")
    check_same(module, trunk, rows)
    check_same(module, Trunk.cut(module, ["first", "block", "last"], rows, leaves=leaves, reinitialize=False), rows)
    with pytest.raises(InputError, match=r"trunk.leaves: `blok` should be a submodule, did you mean `block`\?"):
        Trunk.auto(module, rows, 2, leaves=["blok"])


class Dropping(nn.Module):
    """What it does depends on its mode, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.a, self.b = way, nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.way == "function":
            x = F.dropout(x, 0.5, training=self.training)
        elif self.way == "branch" and self.training:
            x = x + 1
        elif self.way == "draw":
            x = x * float(torch.rand(()) < 0.5)
        elif self.way == "constant":
            x = x * torch.tensor(2.0 if self.training else 1.0)
        return self.b(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        (
            "function",
            r"should take the same steps in training .*, found `dropout` \(.*test_nn_cut_paths.py:\d+\) in train",
        ),
        ("branch", r"found `add` \(.*test_nn_cut_paths.py:\d+\) in training and `b` \(.*:\d+\) in evaluation; use"),
        ("draw", "should leave random numbers to parts such as nn.Dropout"),
        ("constant", "traced module should compute what the module computes, found other numbers in training mode"),
    ],
)
def test_what_a_graph_would_freeze_is_refused(way: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Trunk.auto(Dropping(way), numbers(2, 3), 2)
    with pytest.raises(InputError, match=sentence):
        Trunk.cut(Dropping(way), ["a", "b"], numbers(2, 3))


@pytest.mark.parametrize(
    ("cut", "sentence"),
    [
        (
            lambda m, x: Trunk.cut(m, ["conv1", "fc9"], x),
            "`fc9` does not exist in the module, whose parts and graph nodes",
        ),
        (lambda m, x: Trunk.auto(m, x, 2, until="flaten"), "`flaten` does not exist in the module"),
        (lambda m, x: Trunk.cut(m, ["fc1", "conv1"], x), "found `fc1` before `conv1`, which ends before it"),
        (
            lambda m, x: Trunk.cut(m, ["conv1", "size", "fc2"], x),
            r"only tensors with one row for each .*, found `size`",
        ),
        (lambda m, x: Trunk.cut(m, {"low": [], "high": ["fc2"]}, x), "stage `low` should have at least one path"),
        (
            lambda m, x: Trunk.auto(m, x[:, :1], 2),
            "module should run on `example` in evaluation mode, found RuntimeError",
        ),
        (lambda m, x: Trunk.auto(m, x, 2, until="conv2"), r"last stage `conv2` should give one vector .* \(4, 4, 4\)"),
    ],
    ids=["path", "until", "order", "size", "empty", "example", "images"],
)
def test_what_cannot_be_cut_is_said(cut: Callable[[nn.Module, Tensor], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cut(*module_of("plain"))  # type: ignore[arg-type]


def test_a_part_that_runs_several_times_goes_by_its_graph_nodes() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.ModuleDict({"act": nn.ReLU(), "a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})

        def forward(self, x: Tensor) -> Tensor:
            return self.body["act"](self.body["b"](self.body["act"](self.body["a"](x)))) + 1  # type: ignore[no-any-return]

    rows = numbers(2, 3)
    with pytest.raises(InputError, match=r"`body.act` runs 2 times; name one of .* `body_act`, `body_act_1` instead"):
        Trunk.cut(Twice(), ["body.act", "add"], rows)
    module = Twice()
    check_same(module, Trunk.cut(module, ["body_act", "add"], rows, reinitialize=False), rows)


def test_own_parameters_need_the_prototypes_weights() -> None:
    module, rows = module_of("around")
    sentence = r"holds parameters but has no reset_parameters\(\), .* keep the module whole with `leaves`, or pass"
    with pytest.raises(InputError, match=sentence):
        Trunk.auto(module, rows, 2)


def test_a_sequential_begins_a_stage_with_every_child_that_has_parameters() -> None:
    trunk = Trunk.sequential(mlp(), example=numbers(3, 2, 3))
    assert trunk.names == ("1", "2", "4", "6")
    assert [list(dict(part.named_children())) for part in trunk.stages.values()] == [
        ["0", "1"],
        ["2", "3"],
        ["4", "5"],
        ["6"],
    ]
    assert Trunk.sequential(mlp(), reinitialize=False).reinitialize is False


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", ["mlp", "pairs"])
def test_a_balanced_sequential_computes_the_same(name: str, n: int) -> None:
    module, rows = module_of(name)
    trunk = Trunk.sequential(module, n, rows, reinitialize=False)
    assert len(trunk.names) == n
    check_same(module, trunk, rows)


def test_balance_of_a_sequential() -> None:
    module = nn.Sequential(nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 3), nn.Linear(3, 9), nn.Linear(9, 3), nn.Tanh())
    trunk = Trunk.sequential(module, 2, numbers(2, 9))  # 81 | 27 27 27
    assert [list(dict(part.named_children())) for part in trunk.stages.values()] == [["0", "1"], ["2", "3", "4", "5"]]


@pytest.mark.parametrize(
    ("cut", "sentence"),
    [
        (
            lambda: Trunk.sequential(Plain()),
            "should be an nn.Sequential with torch's own forward, found Plain; use Trunk.cut",
        ),
        (lambda: Trunk.sequential(mlp(), 2), "`n_stages` needs `example`"),
        (lambda: Trunk.sequential(mlp(), 5, numbers(3, 2, 3)), "`n_stages` should be from 1 to 4 .*, found 5"),
        (lambda: Trunk.sequential(mlp(), 2, numbers(3, 7)), "`1` should run on what comes before it, found: "),
    ],
)
def test_sequentials_that_cannot_be_cut(cut: Callable[[], Trunk], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cut()
