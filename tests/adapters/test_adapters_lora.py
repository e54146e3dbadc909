"""Low-rank changes: values by hand, what a clone shares with its stage, layers in every position."""

import copy

import pytest
import torch
from adapter_stages import STAGES, Attention, adapted, awake, built, convolutions, hidden, make_stage
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Layer, Site
from taskgroup.adapters.lora import LoRA
from taskgroup.adapters.lowrank import LowRankLayer, LowRankStage
from taskgroup.adapters.sites import site_of
from taskgroup.errors import InputError


def awake_on(stage: nn.Module, rows: Tensor, adapter: LoRA) -> LowRankStage:
    module = awake(adapter.build(site_of(stage, rows)))
    assert isinstance(module, LowRankStage)
    return module


def parts(module: LowRankStage, path: str) -> tuple[Tensor, Tensor]:
    change = module.change(path)
    return change.a, change.b


def test_formula_on_a_linear_layer() -> None:
    stage, rows = nn.Linear(5, 7), torch.randn(4, 5)
    module = awake_on(stage, rows, LoRA(size=2, alpha=6))
    a, b = parts(module, "")
    assert (a.shape, b.shape) == ((2, 5), (7, 2))
    expected = rows @ stage.weight.T + stage.bias + 3 * (rows @ a.T @ b.T)
    torch.testing.assert_close(module.applied(stage)(rows), expected)
    torch.testing.assert_close(module.delta(""), 3 * b @ a)


def test_formula_on_a_convolution() -> None:
    stage = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU())
    images = torch.randn(2, 3, 7, 6)
    module = awake_on(stage, images, LoRA(size=2))
    a, b = parts(module, "0")
    assert (a.shape, b.shape) == ((2, 3, 3, 3), (5, 2))
    side = F.conv2d(F.conv2d(images, a, stride=2, padding=1), b[:, :, None, None])
    torch.testing.assert_close(module.applied(stage)(images), F.relu(stage[0](images) + side))


@pytest.mark.parametrize("name", STAGES)
def test_equals_the_stage_with_the_deltas_in_its_weights(name: str) -> None:
    _, stage, rows, site = built(LoRA(size=2, alpha=1), name)
    module = awake(LoRA(size=2, alpha=1).build(site))
    assert isinstance(module, LowRankStage)
    by_hand = copy.deepcopy(stage)
    for path in module.paths:
        weight = by_hand.get_submodule(path).weight
        assert isinstance(weight, nn.Parameter)
        assert module.delta(path).shape == weight.shape
        weight.data += module.delta(path)
    expected = hidden(by_hand(rows))
    assert not torch.allclose(expected, hidden(stage(rows)))
    torch.testing.assert_close(adapted(module, stage, rows), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(hidden(module.merged(stage)(rows)), expected)


@pytest.mark.parametrize("name", STAGES)
def test_a_clone_shares_every_parameter_and_no_buffer(name: str) -> None:
    module, stage, _, _ = built(LoRA(size=2), name)
    assert isinstance(module, LowRankStage)
    clone = module.applied(stage)
    own = {id(p) for p in stage.parameters()}
    assert {id(p) for p in clone.parameters()} == own | {id(p) for p in module.parameters()}
    assert not {id(b) for b in clone.buffers()} & {id(b) for b in stage.buffers()}
    assert len(list(clone.buffers())) == len(list(stage.buffers()))
    assert not any(isinstance(m, LowRankLayer) for m in stage.modules())


def test_statistics_of_a_clone_are_its_own() -> None:
    stage, rows = make_stage("features")
    clone = LoRA(size=2).build(site_of(stage, rows)).applied(stage).train()
    before = [b.clone() for b in stage.buffers()]
    clone(rows)
    assert all(torch.equal(b, old) for b, old in zip(stage.buffers(), before, strict=True))
    assert not all(torch.equal(b, new) for b, new in zip(stage.buffers(), clone.buffers(), strict=True))


def test_a_merged_stage_is_free_of_the_one_it_came_from() -> None:
    stage, rows = make_stage("features")
    stage.requires_grad_(False)
    merged = LoRA(size=2).build(site_of(stage, rows)).merged(stage)
    assert not {id(p) for p in merged.parameters()} & {id(p) for p in stage.parameters()}
    assert not any(p.requires_grad for p in merged.parameters())


def test_modes_of_the_stage_are_kept() -> None:
    stage, rows = make_stage("maps")
    module = LoRA(size=2).build(site_of(stage, rows))
    for mode in (True, False):
        stage.train(mode)
        assert all(m.training == mode for m in module.applied(stage).modules())


def test_both_factors_learn_from_the_second_step_on() -> None:
    """At the start B is zero, so that A has no gradient yet."""
    stage, rows = Attention(), torch.randn(3, 4, 6)
    module = LoRA(size=2).build(site_of(stage, rows))
    moved = []
    for _ in range(2):
        module.zero_grad()
        module.applied(stage)(rows).square().sum().backward()
        moved.append([bool((p.grad != 0).any()) for p in module.parameters() if p.grad is not None])
        for parameter in module.parameters():
            assert parameter.grad is not None
            parameter.data -= 0.01 * parameter.grad
    assert moved == [[False, True] * 4, [True] * 8]


def test_a_layer_in_two_places_is_changed_in_both() -> None:
    shared = nn.Linear(4, 4)
    stage, rows = (
        nn.Sequential(shared, nn.Tanh(), nn.ModuleDict({"x": shared})["x"], nn.Tanh(), shared),
        torch.randn(3, 4),
    )
    module = awake_on(stage, rows, LoRA(size=1))
    assert module.paths == ("0",)
    weight = shared.weight + module.delta("0")
    x = rows
    for k in range(3):
        x = F.linear(x, weight, shared.bias)
        x = torch.tanh(x) if k < 2 else x
    torch.testing.assert_close(module.applied(stage)(rows), x)
    torch.testing.assert_close(module.merged(stage)(rows), x)


def test_counts_by_hand() -> None:
    """Linear 10 → 4 on 7 tokens, and a 3x3 convolution 2 → 6 on 5x5 pixels, whose rank stops at 6."""
    site = Site((4,), (Layer("a", 10, 4, 7), Layer("b", 18, 6, 25, (3, 3)), Layer("c", 9, 6, 25, (3, 3), 2)))
    assert LoRA(size=3).n_params(site) == 3 * 14 + 3 * 24
    assert LoRA(size=3).n_macs(site) == 3 * 14 * 7 + 3 * 24 * 25
    assert LoRA(size=50).n_params(site) == 4 * 14 + 6 * 24
    assert [tuple(p.shape) for p in LoRA(size=50).build(site).parameters()] == [(4, 10), (4, 4), (6, 2, 3, 3), (6, 6)]


def test_scale_is_that_of_the_size_asked_for() -> None:
    assert LoRA(size=8).scale == 1
    assert LoRA(size=8, alpha=2).scale == 0.25
    module = awake(LoRA(size=8, alpha=2).build(Site((3,), (Layer("", 3, 3, 1),))))
    assert isinstance(module, LowRankStage)
    a, b = parts(module, "")
    torch.testing.assert_close(module.delta(""), 0.25 * b @ a)


def test_layers_are_chosen_by_the_end_of_their_path() -> None:
    layers = tuple(Layer(path, 4, 4, 1) for path in ("0.query", "0.my_query", "query", "1.key", "1.key.query.proj"))
    chosen = LoRA(size=1, layers=("query", "1.key")).chosen(Site((4,), layers))
    assert [layer.path for layer in chosen] == ["0.query", "query", "1.key"]
    stage = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module = LoRA(size=1, layers=("1",)).build(site_of(stage, torch.randn(2, 4)))
    assert [type(part) for part in module.applied(stage).children()] == [nn.Linear, LowRankLayer]


@pytest.mark.parametrize(
    ("adapter", "layers", "sentence"),
    [
        (
            LoRA(size=1),
            (),
            "adapter: lora changes linear layers and convolutions of one group, found a stage with none; ",
        ),
        (
            LoRA(size=1),
            (Layer("dw", 9, 8, 4, (3, 3), 8),),
            "convolutions of one group, found a stage with `dw` \\(8 groups\\); leave the stage out",
        ),
        (
            LoRA(size=1, layers=("query", "value")),
            (Layer("q", 4, 4, 1), Layer("v", 4, 4, 1)),
            "of one group whose path ends in query or value, found a stage with `q`, `v`; ",
        ),
    ],
)
def test_a_stage_without_a_layer_to_change(adapter: LoRA, layers: tuple[Layer, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        adapter.build(Site((4,), layers))


def test_compiles_into_one_graph() -> None:
    for stage, rows in ((convolutions(), torch.randn(2, 3, 8, 8)), (Attention(), torch.randn(2, 4, 6))):
        clone = awake_on(stage, rows, LoRA(size=2)).applied(stage.eval())
        torch._dynamo.reset()
        compiled = torch.compile(clone, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(rows), clone(rows))


def test_the_fused_encoder_sees_the_change_too() -> None:
    """In evaluation mode torch's encoder layer takes the weights from its layers instead of calling them."""
    stage, rows = make_stage("encoder")
    assert isinstance(rows, Tensor)
    clone = awake_on(stage, rows, LoRA(size=2)).applied(stage).eval()
    slow = clone(rows)
    with torch.no_grad():
        torch.testing.assert_close(clone(rows), slow)
