from typing import Any

import pytest
import torch
from torch import Tensor, nn

from taskgroup.errors import InputError
from taskgroup.nn.trunk import TRUNKS, Trunk


class Body(nn.Module):
    """A module with parts at dotted paths."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 5)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)])})
        self.act = nn.ReLU()


def run(trunk: Trunk, rows: Tensor) -> Tensor:
    for name in trunk.names:
        rows = trunk.stages[name].eval()(rows)
    return rows


def test_cut_a_sequential_by_its_numbers() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    trunk, rows = Trunk.cut(module, ["0", "1", "2"]), torch.randn(2, 4)
    assert trunk.names == ("0", "1", "2")
    assert torch.equal(run(trunk, rows), module(rows))
    grouped = Trunk.cut(module, {"low": ["0", "1"], "high": ["2"]})
    assert grouped.names == ("low", "high")
    assert torch.equal(run(grouped, rows), module(rows))
    assert grouped.shapes(rows) == [(5,), (3,)]


def test_cut_at_dotted_paths() -> None:
    body, rows = Body().eval(), torch.randn(2, 4)
    trunk = Trunk.cut(body, ["stem", "encoder.layers.0", "encoder.layers.1", "encoder.layers.2"])
    assert trunk.names == ("stem", "encoder_layers_0", "encoder_layers_1", "encoder_layers_2")
    layers = [body.get_submodule(f"encoder.layers.{k}") for k in range(3)]
    assert torch.equal(run(trunk, rows), layers[2](layers[1](layers[0](body.stem(rows)))))
    with_act = Trunk.cut(body, {"low": ["stem", "act"], "high": ["encoder.layers.2", "act"]}, reinitialize=False)
    assert torch.equal(run(with_act, rows), torch.relu(layers[2](torch.relu(body.stem(rows)))))
    assert not with_act.reinitialize


def test_every_missing_path_is_named() -> None:
    with pytest.raises(InputError) as caught:
        Trunk.cut(Body(), ["stem", "layer9", "encoder.layers.7"])
    assert [problem.split(" in the module")[0] for problem in caught.value.problems] == [
        "trunk: stage `layer9` does not exist",
        "trunk: stage `encoder.layers.7` does not exist",
    ]
    assert "whose parts are stem, encoder, encoder.layers, encoder.layers.0" in caught.value.problems[0]


@pytest.mark.parametrize("paths", [["stem", "act", "encoder.layers.0", "act"], ["stem", "stem"]])
def test_a_path_that_comes_twice_is_not_lost_silently(paths: list[str]) -> None:
    with pytest.raises(InputError, match=r"every path names a stage and should come once, found stem, .* → paths"):
        Trunk.cut(Body(), paths)


class Stuck(nn.Module):
    """A parameter that nobody can draw afresh."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Loose(Stuck):
    """The same, with a way to."""

    def reset_parameters(self) -> None:
        nn.init.normal_(self.scale)


def test_parameters_without_reset_are_refused_with_the_remedy() -> None:
    with pytest.raises(InputError) as caught:
        Trunk({"one": Stuck(), "two": nn.Sequential(nn.Linear(4, 4), Stuck())})
    sentence = "holds parameters but has no reset_parameters(), so seeds could not differ; add the method or pass"
    assert [p.split(f" {sentence}")[0] for p in caught.value.problems] == [
        "trunk: `one` (Stuck)",
        "trunk: `two.1` (Stuck)",
    ]
    assert Trunk({"one": Stuck()}, reinitialize=False).names == ("one",)
    assert Trunk({"one": Loose()}).names == ("one",)


def test_no_stages_and_the_one_name_that_is_taken() -> None:
    with pytest.raises(InputError, match="needs at least one stage, found none"):
        Trunk({})
    with pytest.raises(InputError, match="no stage may be named `trunk`, which stands for all of them"):
        Trunk({"stem": nn.Linear(2, 2), "trunk": nn.Linear(2, 2)})


def parts() -> dict[str, nn.Module]:
    return {
        "loose": Loose(),
        "linear": nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)),
        "attention": nn.MultiheadAttention(4, 2),  # `_reset_parameters`
    }


def flat(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()])


@pytest.mark.parametrize("stage", list(parts()))
def test_copies_follow_the_seed_alone(stage: str) -> None:
    trunk = Trunk(parts())
    before = flat(trunk.stages[stage])
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, again, other = (trunk.instantiate(stage, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(flat(one), flat(again))
    assert not torch.equal(flat(one), flat(other))
    assert torch.equal(flat(trunk.stages[stage]), before)  # the prototype is left alone
    torch.manual_seed(7)
    assert torch.equal(flat(Trunk(parts()).instantiate(stage, 1)), flat(one))  # whatever the prototype held


def test_reinitialize_false_keeps_the_weights_in_every_copy() -> None:
    trunk = Trunk({**parts(), "stuck": Stuck()}, reinitialize=False)
    for stage in trunk.names:
        for seed in (1, 2):
            copy = trunk.instantiate(stage, seed)
            assert torch.equal(flat(copy), flat(trunk.stages[stage]))
            assert copy is not trunk.stages[stage]


def test_statistics_start_afresh_too() -> None:
    norm = nn.BatchNorm1d(4)
    norm(torch.randn(8, 4) + 3)
    copy = Trunk({"norm": norm}).instantiate("norm", 0)
    assert torch.equal(copy.get_buffer("running_mean"), torch.zeros(4))
    kept = Trunk({"norm": norm}, reinitialize=False).instantiate("norm", 0)
    assert torch.equal(kept.get_buffer("running_mean"), norm.get_buffer("running_mean"))


def test_shapes_change_nothing_in_the_prototypes() -> None:
    trunk = Trunk({"a": nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)), "b": nn.Linear(5, 2)})
    before = {k: v.clone() for k, v in trunk.stages["a"].state_dict().items()}
    assert trunk.shapes(torch.randn(1, 4)) == [(5,), (2,)]
    assert trunk.stages["a"].training
    assert all(torch.equal(v, before[k]) for k, v in trunk.stages["a"].state_dict().items())


def test_the_last_stage_should_give_vectors() -> None:
    trunk = Trunk({"conv": nn.Conv2d(1, 2, 3), "pool": nn.AdaptiveAvgPool2d(2)})
    with pytest.raises(InputError, match=r"last stage `pool` should give one vector .* found shape \(2, 2, 2\); end"):
        trunk.shapes(torch.zeros(2, 1, 5, 5))
    with pytest.raises(InputError, match=r"one vector of features a row, found shape \(\)"):
        Trunk({"pick": Pick(0)}).shapes(torch.zeros(2, 3))
    with pytest.raises(
        InputError, match=r"stage `s` should give a tensor, or a flat tuple .* as many rows .*, found shape \(10, 4\)"
    ):
        Trunk({"s": nn.Flatten(0, 1)}).shapes(torch.zeros(2, 5, 4))


class Pick(nn.Module):
    """One number a row."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.k]


def test_a_stage_that_cannot_run_is_named() -> None:
    trunk = Trunk({"low": nn.Linear(4, 5), "high": nn.Linear(6, 2)})
    with pytest.raises(InputError, match=r"stage `high` should take rows of shape \(5,\), found: "):
        trunk.shapes(torch.zeros(2, 4))
    with pytest.raises(InputError, match=r"stage `low` should take rows of shape \(4,\), found: "):
        trunk.shapes(torch.zeros(2, 4, dtype=torch.int64))
    with pytest.raises(InputError, match=r"stage `pick` should take rows of shape \(3,\), found: index 7 is out"):
        Trunk({"pick": Pick(7)}).shapes(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("stage", "found"),
    [
        (nn.LSTM(4, 3, batch_first=True), "tuple in a tuple"),
        (nn.Flatten(0), r"shape \(40,\)"),
        (nn.Flatten(0, 1), r"shape \(10, 4\)"),
    ],
    ids=["tuple", "flat", "more rows"],
)
def test_a_stage_should_give_tensors_with_all_rows(stage: nn.Module, found: str) -> None:
    with pytest.raises(InputError, match=rf"stage `s` should give a tensor, .* as many rows .*\(2\), found {found}"):
        Trunk({"s": stage, "flat": nn.Flatten()}).shapes(torch.zeros(2, 5, 4))


@pytest.mark.parametrize(
    ("name", "options", "rows", "stages", "shapes"),
    [
        ("mlp", {"width": 3, "depth": 2}, torch.zeros(2, 4), ["block1", "block2"], [(3,), (3,)]),
        ("mlp", {"width": 3, "depth": 1}, torch.zeros(2, 1, 4, 4), ["block1"], [(3,)]),
        ("conv", {"width": 2, "depth": 1}, torch.zeros(2, 1, 4, 4), ["stem", "layer1"], [(2, 4, 4), (2,)]),
        (
            "conv",
            {"width": 2, "depth": 3},
            torch.zeros(2, 3, 7, 8),
            ["stem", "layer1", "layer2", "layer3"],
            [(2, 7, 8), (2, 7, 8), (4, 4, 4), (8,)],
        ),
        (
            "transformer",
            {"width": 4, "depth": 2, "n_tokens": 5},
            torch.zeros(2, 6, dtype=torch.int64),
            ["embed", "layer1", "layer2"],
            [(6, 4), (6, 4), (4,)],
        ),
        (
            "transformer",
            {"width": 6, "n_heads": 3, "depth": 1, "dropout": 0.2},
            torch.zeros(2, 6, 3),
            ["embed", "layer1"],
            [(6, 6), (6,)],
        ),
        ("conv", {"width": 2, "depth": 1, "stride": 4}, torch.zeros(2, 1, 9, 8), ["stem", "layer1"], [(2, 3, 2), (2,)]),
        (
            "conv1d",
            {"width": 2, "depth": 2, "stride": 3},
            torch.zeros(2, 12, 5),
            ["stem", "layer1", "layer2"],
            [(2, 4, 1), (2, 4, 1), (4,)],
        ),
        (
            "text",
            {"width": 4, "depth": 2, "n_tokens": 5, "dropout": 0.5},
            torch.zeros(2, 6, dtype=torch.int64),
            ["embed", "block1", "block2"],
            [(4,), (4,), (4,)],
        ),
    ],
)
def test_built_in_trunks(
    name: str, options: dict[str, Any], rows: Tensor, stages: list[str], shapes: list[tuple[int, ...]]
) -> None:
    trunk: Trunk = TRUNKS.create(name, options).build(rows)
    assert list(trunk.names) == stages
    assert trunk.shapes(rows) == shapes
    assert trunk.reinitialize


IDS = torch.tensor([[0, 4], [2, 1]])


@pytest.mark.parametrize(
    ("name", "options", "rows", "sentence"),
    [
        ("conv", {}, torch.zeros(2, 64), r"conv takes images of shape \(channels, .*, found rows of shape \(64,\)"),
        ("conv", {}, torch.zeros(2, 8, 8), r"found rows of shape \(8, 8\); give `shape` in the problem"),
        ("transformer", {}, torch.zeros(2, 5), r"takes rows of shape \(length, n_inputs\), or .* found .* \(5,\)"),
        (
            "transformer",
            {"n_tokens": 9},
            torch.zeros(2, 5, 3),
            r"of shape \(length,\) with n_tokens, found .* \(5, 3\)",
        ),
        ("transformer", {"n_tokens": 4}, IDS, "should exceed every token id, found 4 and ids from 0 to 4"),
        ("transformer", {"n_tokens": 9}, IDS - 1, "found 9 and ids from -1 to 3"),
        ("conv1d", {}, torch.zeros(2, 5), r"conv1d takes sequences of vectors of shape \(length, .* found .* \(5,\)"),
        ("text", {}, torch.zeros(2, 5), r"text takes token ids of shape \(length,\), found .* \(5,\) of float32"),
        ("text", {"n_tokens": 4}, IDS, "should exceed every token id, found 4 and ids from 0 to 4"),
    ],
)
def test_rows_of_the_wrong_shape(name: str, options: dict[str, Any], rows: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        TRUNKS.create(name, options).build(rows)


def test_heads_of_attention_share_the_width() -> None:
    with pytest.raises(ValueError, match=r"width should be a multiple of n_heads \(2\), found 5"):
        TRUNKS.create("transformer", {"width": 5})


@pytest.mark.parametrize(
    ("name", "rows", "stage"),
    [
        ("mlp", torch.randn(4, 6), "block1"),
        ("transformer", torch.randn(4, 6, 3), "layer1"),
    ],
)
def test_dropout_only_while_training(name: str, rows: Tensor, stage: str) -> None:
    trunk: Trunk = TRUNKS.create(name, {"dropout": 0.5, "depth": 1}).build(rows)
    x = rows if stage == trunk.names[0] else trunk.stages["embed"](rows)
    module = trunk.instantiate(stage, 0)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module.eval()(x), module.eval()(x))


def test_positions_tell_tokens_apart() -> None:
    trunk: Trunk = TRUNKS.create("transformer", {"n_tokens": 5}).build(IDS)
    embed = trunk.instantiate("embed", 0)
    found = embed(torch.tensor([[3, 3]]))
    assert not torch.equal(found[0, 0], found[0, 1])


def test_attention_is_torchs_own() -> None:
    trunk: Trunk = TRUNKS.create("transformer", {"width": 4, "n_heads": 2, "depth": 2}).build(torch.zeros(2, 5, 3))
    block, x = trunk.instantiate("layer1", 0).eval(), torch.randn(2, 5, 4)
    theirs = nn.TransformerEncoderLayer(4, 2, 16, 0.0, nn.functional.gelu, batch_first=True, norm_first=True).eval()
    state = {
        name: block.get_parameter(own)
        for name, own in (
            ("self_attn.in_proj_weight", "qkv.weight"),
            ("self_attn.in_proj_bias", "qkv.bias"),
            ("self_attn.out_proj.weight", "out.weight"),
            ("self_attn.out_proj.bias", "out.bias"),
            *((f"linear{k}.{w}", f"mlp.{2 * (k - 1)}.{w}") for k in (1, 2) for w in ("weight", "bias")),
            *((f"norm{k}.{w}", f"norm{k}.{w}") for k in (1, 2) for w in ("weight", "bias")),
        )
    }
    theirs.load_state_dict(state)
    torch.testing.assert_close(block(x), theirs(x))


def test_documents_are_sums_over_the_root_of_their_length() -> None:
    trunk: Trunk = TRUNKS.create("text", {"n_tokens": 5, "width": 3}).build(IDS)
    embed = trunk.instantiate("embed", 0)
    weight = embed.get_parameter("weight")
    found = embed(torch.tensor([[4, 0, 2, 2, 4, 0], [0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]]))
    torch.testing.assert_close(found, torch.stack([weight[4] + weight[2], 0 * weight[0], weight[3]]))
    longer = embed(torch.tensor([[3, 0, 0, 0, 0, 0, 0, 0]]))
    torch.testing.assert_close(longer[0], found[2])  # more padding changes nothing


def test_text_takes_its_vocabulary_from_the_data() -> None:
    text = TRUNKS.create("text", {})
    assert text.for_rows(IDS).n_tokens == 5
    assert text.for_rows(torch.zeros(2, 3)).n_tokens == 0
    assert TRUNKS.create("text", {"n_tokens": 9}).for_rows(IDS).n_tokens == 9


def test_convolution_over_time_is_torchs_own() -> None:
    x = torch.randn(2, 9, 3)
    trunk: Trunk = TRUNKS.create("conv1d", {"width": 4, "depth": 1, "stride": 2}).build(x)
    first = trunk.stages["stem"].get_submodule("1")
    expected = nn.functional.conv1d(x.mT, first.get_parameter("weight")[..., 0], stride=2, padding=2)
    torch.testing.assert_close(first(trunk.stages["stem"].get_submodule("0")(x))[..., 0], expected)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize(("name", "shape"), [("conv", (1, 21, 21)), ("conv1d", (42, 1))])
def test_a_stride_skips_nothing(name: str, shape: tuple[int, ...], stride: int) -> None:
    rows = torch.ones(1, *shape, requires_grad=True)
    trunk: Trunk = TRUNKS.create(name, {"stride": stride}).build(rows.detach())
    stem = trunk.stages["stem"].eval()
    parts = [part for part in stem.children() if not isinstance(part, nn.BatchNorm2d | nn.ReLU)]
    with torch.no_grad():
        parts[-1].get_parameter("weight").fill_(1.0)
    nn.Sequential(*parts)(rows).sum().backward()
    assert rows.grad is not None
    assert (rows.grad > 0).all()


def test_residual_blocks_keep_a_shortcut() -> None:
    trunk: Trunk = TRUNKS.create("conv", {"width": 2, "depth": 2}).build(torch.zeros(2, 2, 4, 4))
    block, x = trunk.instantiate("layer1", 0).eval(), torch.rand(2, 2, 4, 4)
    with torch.no_grad():
        for path in ("conv1", "conv2"):
            block.get_submodule(path).get_parameter("weight").zero_()
    torch.testing.assert_close(block(x), x)


def test_statistics_shared_or_per_task() -> None:
    stages = {"norm": nn.BatchNorm1d(4)}
    assert Trunk(stages).norm == "shared"
    assert Trunk(stages, norm="per_task").norm == "per_task"
    assert Trunk.sequential(nn.Sequential(nn.BatchNorm1d(4)), norm="per_task").norm == "per_task"
    with pytest.raises(InputError, match=r"trunk.norm should be `shared` or `per_task`, found `batch`"):
        Trunk(stages, norm="batch")  # type: ignore[arg-type]


def test_tied_weights_are_refused_with_both_places() -> None:
    layer, act = nn.Linear(4, 4), nn.ReLU()
    with pytest.raises(InputError) as caught:
        Trunk({"low": nn.Sequential(layer, act), "mid": act, "high": nn.Sequential(act, layer)})
    assert [problem.split(", which copies")[0] for problem in caught.value.problems] == [
        f"trunk: a parameter should be in one stage, found one that is both `low.0.{name}` and `high.1.{name}`"
        for name in ("weight", "bias")
    ]
    other = nn.Linear(4, 4)
    other.weight = layer.weight
    with pytest.raises(InputError, match=r"found one that is both `low.weight` and `high.weight`"):
        Trunk({"low": layer, "high": other}, reinitialize=False)
    low, high = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    high.running_mean = low.running_mean
    with pytest.raises(InputError, match=r"a buffer should be .* `low.running_mean` and `high.running_mean`"):
        Trunk({"low": low, "high": high})
    Trunk({"low": nn.Sequential(layer, layer)})  # within one stage the copies stay tied


class Carry(nn.Module):
    """Hidden state and mask."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, n_out)

    def forward(self, flow: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.linear(flow[0]), flow[1]


class Pool(nn.Module):
    """Mean over what the mask leaves."""

    def forward(self, flow: tuple[Tensor, Tensor]) -> Tensor:
        return (flow[0] * flow[1][..., None]).sum(1)


def test_shapes_are_those_of_the_hidden_state() -> None:
    trunk = Trunk({"low": Carry(4), "high": nn.Sequential(Carry(3), Pool())})
    assert trunk.shapes((torch.zeros(2, 5, 4), torch.ones(2, 5))) == [(5, 4), (3,)]
    with pytest.raises(InputError, match=r"last stage `low` should give one vector .*, found a tuple"):
        Trunk({"low": Carry(4)}).shapes((torch.zeros(2, 5, 4), torch.ones(2, 5)))
    with pytest.raises(
        InputError, match=r"stage `low` should give a tensor, .* with as many rows .*found shape \(1, 5\)"
    ):
        trunk.shapes((torch.zeros(2, 5, 4), torch.ones(1, 5)))
    with pytest.raises(InputError, match=r"stage `low` should take rows of shape \(5, 7\), found: "):
        trunk.shapes((torch.zeros(2, 5, 7), torch.ones(2, 5)))


def test_a_stage_leaves_its_input_as_it_is() -> None:
    with pytest.raises(
        InputError, match=r"stage `act` should leave its input as it is, .* inplace=False, or put it into"
    ):
        Trunk({"low": nn.Linear(4, 4), "act": nn.ReLU(inplace=True)}).shapes(torch.zeros(2, 4))
    Trunk({"low": nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))}).shapes(torch.zeros(2, 4))
