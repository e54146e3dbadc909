from typing import Any

import pytest
import torch
from small_encoders import config, copies, padded, rows_of, trunk_of
from torch import Tensor, nn

from taskgroup.nn.huggingface import TransformerTrunk, assembled, transformer_trunk
from taskgroup.nn.huggingface.stages import Pool, in_model

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
KINDS = ["bert", "roberta", "distilbert", "vit", "llama"]
ATTENTION = ["sdpa", "eager"]


def model_of(kind: str, attention: str = "sdpa") -> Any:
    torch.manual_seed(0)
    made = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(**config(kind)), attn_implementation=attention
    )
    for parameter in made.parameters():  # biases and norms too: zeros and ones hide what is left out
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def arguments(model: Any, rows: Tensor) -> dict[str, Tensor]:
    if model.main_input_name == "pixel_values":
        return {"pixel_values": rows}
    return {"input_ids": rows, "attention_mask": (rows != model.config.pad_token_id).long()}


def ran(trunk: TransformerTrunk, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The last hidden state and the pooled features."""
    flow: Any = rows
    *before, pool = (stage.eval() for stage in trunk.stages.values())
    for stage in before:
        flow = stage(flow)
    assert isinstance(pool, Pool)
    return pool.last_hidden_state(flow), pool(flow)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", KINDS)
def test_stages_compute_what_the_model_computes(kind: str, attention: str) -> None:
    model, rows = model_of(kind, attention), rows_of(kind)
    trunk = transformer_trunk(model, rows)
    for batch in (rows, rows[:1], rows[1:2]):  # nothing masked, and everything with a gap, too
        expected = model(**arguments(model, batch)).last_hidden_state
        found, _ = ran(trunk, batch)
        assert torch.equal(found, expected)
    assert not torch.equal(found, expected.flip(1))


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", KINDS)
def test_stages_give_the_gradients_of_the_model(kind: str, attention: str) -> None:
    model, rows = model_of(kind, attention), rows_of(kind)
    trunk = transformer_trunk(model, rows)
    model(**arguments(model, rows)).last_hidden_state.square().sum().backward()
    ran(trunk, rows)[0].square().sum().backward()  # type: ignore[no-untyped-call]
    theirs = dict(model.named_parameters())
    compared = 0
    for stage in trunk.stages.values():
        for own, parameter in stage.named_parameters():
            name = in_model(stage, own)
            assert parameter.grad is not None, name
            assert torch.equal(parameter.grad, theirs[name].grad), name
            compared += 1
    assert compared == sum(p.grad is not None for p in theirs.values())


@pytest.mark.parametrize("kind", KINDS)
def test_stages_make_the_model_again(kind: str) -> None:
    model, rows = model_of(kind), rows_of(kind)
    pooling: Any = "pooler" if kind in ("bert", "roberta", "vit") else "mean"
    again = assembled(list(transformer_trunk(model, rows, layers_per_stage=2, pooling=pooling).stages.values()))
    state = again.state_dict()
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    given = arguments(model, rows)
    assert torch.equal(again(**given).last_hidden_state, model(**given).last_hidden_state)


@pytest.mark.parametrize("kind", ["bert", "roberta", "vit"])
def test_the_models_own_pooler(kind: str) -> None:
    model, rows = model_of(kind), rows_of(kind)
    trunk = transformer_trunk(model, rows, pooling="pooler")
    expected = model(**arguments(model, rows)).pooler_output
    assert torch.equal(ran(trunk, rows)[1], expected)
    assert expected.shape == (5, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_first_and_mean_of_what_counts(kind: str) -> None:
    model, rows = model_of(kind), rows_of(kind)
    states = model(**arguments(model, rows)).last_hidden_state
    assert torch.equal(ran(transformer_trunk(model, rows, pooling="first"), rows)[1], states[:, 0])
    counts = [6, 4, 1, 6, 6] if kind != "vit" else [5] * 5  # four patches and the class token
    expected = torch.stack([state[:n].mean(0) for state, n in zip(states, counts, strict=True)])
    torch.testing.assert_close(ran(transformer_trunk(model, rows), rows)[1], expected)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("attention", ATTENTION)
def test_what_is_masked_does_not_matter(pooling: str, attention: str) -> None:
    ids = padded()
    mask = (ids != 0).long()
    other = torch.where(mask == 1, ids, (ids + 7) % 20)
    one, two = torch.stack([ids, mask], dim=1), torch.stack([other, mask], dim=1)
    trunk = trunk_of("bert", one, attention, pooling=pooling)
    network = copies(trunk).eval()
    assert torch.equal(network(one), network(two))
    assert torch.equal(network(one), network_on_ids(ids, attention, pooling))
    changed = one.clone()
    changed[:, 0, 0] = 19
    assert not torch.equal(network(one), network(changed))


def network_on_ids(ids: Tensor, attention: str, pooling: str) -> Tensor:
    found: Tensor = copies(trunk_of("bert", ids, attention, pooling=pooling)).eval()(ids)
    return found


def test_rows_of_padding_alone_give_zeros() -> None:
    ids = torch.zeros(2, 6, dtype=torch.int64)
    network = copies(trunk_of("bert", ids)).eval()
    assert torch.equal(network(ids), torch.zeros(2, 8))


def test_without_a_padding_token_all_tokens_count() -> None:
    model = model_of("bert")
    model.config.pad_token_id = None
    trunk, ids = transformer_trunk(model, padded()), padded()
    assert isinstance(trunk.stages["embed"](ids), Tensor)
    assert torch.equal(ran(trunk, ids)[0], model(input_ids=ids).last_hidden_state)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_groups_of_layers(n: int) -> None:
    model, rows = model_of("bert"), rows_of("bert")
    trunk = transformer_trunk(model, rows, layers_per_stage=n)
    names = {1: ["layer1", "layer2", "layer3"], 2: ["layers1", "layers2"]}.get(n, ["layers1"])
    assert list(trunk.names) == ["embed", *names, "pool"]
    assert torch.equal(ran(trunk, rows)[0], model(**arguments(model, rows)).last_hidden_state)


def test_the_model_is_left_alone() -> None:
    model = model_of("bert").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trunk = transformer_trunk(model, rows_of("bert"))
    with torch.no_grad():
        for parameter in chain_parameters(trunk):
            parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.config.use_cache
    assert all(stage.training for stage in trunk.stages.values())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def chain_parameters(trunk: TransformerTrunk) -> list[nn.Parameter]:
    return [parameter for stage in trunk.stages.values() for parameter in stage.parameters()]


def test_only_what_the_stages_need_is_kept() -> None:
    model = model_of("bert")
    n_pooler = sum(p.numel() for p in model.pooler.parameters())
    n_all = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in chain_parameters(transformer_trunk(model, rows_of("bert")))) == n_all - n_pooler
    with_pooler = transformer_trunk(model, rows_of("bert"), pooling="pooler")
    assert sum(p.numel() for p in chain_parameters(with_pooler)) == n_all
