import copy
from typing import Any

import pytest
import torch
from small_encoders import config, copies, padded, rows_of, trunk_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.build import build
from taskgroup.nn.cost import CostModel, measured_cost
from taskgroup.nn.huggingface import TransformerTrunk, transformer_trunk
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunks.hf import HF

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
KINDS = ["bert", "roberta", "distilbert", "vit"]
TASKS = TaskSet(tasks=tuple(Task(name=name, kind="binary") for name in "abc"))


def flat(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()] or [torch.zeros(0)])


@pytest.mark.parametrize("kind", KINDS)
def test_copies_follow_the_seed_alone(kind: str) -> None:
    trunk, again = trunk_of(kind), trunk_of(kind)
    assert not torch.equal(flat(trunk.stages["layer1"]), flat(again.stages["layer1"]))
    state = torch.get_rng_state()
    for stage in trunk.names[:-1]:
        one, same, other = (flat(t.instantiate(stage, s)) for t, s in ((trunk, 1), (again, 1), (trunk, 2)))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_are_drawn_by_the_models_rules() -> None:
    wide = config("vit", hidden_size=64, intermediate_size=256, image_size=24, initializer_range=0.5)
    trunk = HF(model=wide).build(torch.zeros(2, 2, 24, 24))
    layer = trunk.instantiate("layer1", 0)
    linear = layer.get_submodule("layers.0.mlp.fc1")
    assert isinstance(linear, nn.Linear)
    assert abs(float(linear.weight.detach().std()) - 0.5) < 0.02  # torch's own rule would give 0.07
    assert not linear.bias.any()
    embed = trunk.instantiate("embed", 0).get_submodule("shell.embeddings")
    assert abs(float(embed.get_parameter("position_embeddings").detach().std()) - 0.5) < 0.05
    bert = trunk_of("bert").instantiate("embed", 0).get_submodule("shell.embeddings.word_embeddings")
    assert not bert.get_parameter("weight")[0].any()  # the padding token's


def test_given_weights_stay_in_every_copy() -> None:
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**config("bert"))).eval()
    trunk = transformer_trunk(model, padded())
    assert not trunk.reinitialize
    for seed in (1, 2):
        copied = trunk.instantiate("layer2", seed)
        assert torch.equal(flat(copied), flat(model.encoder.layer[1]))
    fresh = transformer_trunk(model, padded(), reinitialize=True)
    assert not torch.equal(flat(fresh.instantiate("layer2", 1)), flat(model.encoder.layer[1]))


class Odd(nn.Linear):
    """A layer with a parameter that the library's rules do not know."""

    def __init__(self) -> None:
        super().__init__(8, 12)
        self.extra = nn.Parameter(torch.ones(1))


def test_parameters_that_no_rule_draws_are_refused() -> None:
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**config("bert"))).eval()
    model.encoder.layer[1].intermediate.dense = Odd()
    with pytest.raises(InputError, match=r"`layer2.layers.0.intermediate.dense.extra` is not drawn by the model's own"):
        transformer_trunk(model, padded(), reinitialize=True)
    assert transformer_trunk(model, padded()).names[0] == "embed"


def architecture(trunk: TransformerTrunk, *rows: tuple[int, ...], **more: Any) -> Architecture:
    return Architecture(topology=Topology(tasks=TASKS.names, stages=trunk.names, matrix=rows), **more)


@pytest.mark.parametrize("kind", [*KINDS, "llama"])
def test_a_branching_network_trains(kind: str) -> None:
    rows, trunk = rows_of(kind), trunk_of(kind)
    shared, apart = (0, 0, 0), (0, 1, 2)
    adapters = (AdapterSpec(stage="layer2", size=2, tasks=("a",)),)
    design = architecture(trunk, shared, shared, (0, 0, 1), (0, 0, 1), apart, adapters=adapters)
    network = SharedNetwork(TASKS, design, trunk, sites_of(trunk, rows), 3)
    labels = {"a": rows.flatten(1).sum(1) % 2, "b": torch.arange(5) % 2, "c": torch.arange(5) // 3}
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    losses = []
    for _ in range(12):
        outputs = network(rows)
        loss = sum(
            (nn.functional.binary_cross_entropy_with_logits(outputs[t].squeeze(1), labels[t].float()) for t in outputs),
            start=torch.zeros(()),
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_all_shared_is_the_chain_and_costs_what_it_costs(kind: str, attention: str) -> None:
    rows, trunk = rows_of(kind), trunk_of(kind, attention=attention)
    sites = sites_of(trunk, rows)
    design = architecture(trunk, *[(0, 0, 0)] * len(trunk.names))
    network = SharedNetwork(TASKS, design, trunk, sites, 3).eval()
    costs = CostModel.of(trunk, TASKS, rows).cost(design)
    assert (costs.params, costs.macs) == measured_cost(network, rows)
    length = 5 if kind == "vit" else 6
    # four projections, the two products of attention, and the perceptron, for three layers; then three heads
    layers = 3 * length * (4 * 8 * 8 + 2 * length * 8 + 2 * 8 * 12)
    patches = 4 * 8 * 2 * 3 * 3 if kind == "vit" else 0
    assert costs.macs == layers + patches + 3 * 8


def test_copies_of_one_stage_share_nothing() -> None:
    trunk = trunk_of("bert")
    one, two = trunk.instantiate("embed", 0), trunk.instantiate("embed", 0)
    ids = padded()
    before = two(ids)[0].clone()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.zero_()
    one(ids)
    assert torch.equal(two.eval()(ids)[0], before)
    again = copy.deepcopy(two)
    assert all(torch.equal(x, y) for x, y in zip(again(ids), two(ids), strict=True))


def test_configurations_are_told_apart_by_their_words() -> None:
    kinds = [config("bert"), config("bert", num_attention_heads=4), config("bert", layer_norm_eps=1e-6)]
    words = {repr(HF(model=kind).build(padded()).stages["layer1"]) for kind in kinds}
    assert len(words) == 3
    assert repr(trunk_of("bert").stages["layer1"]) == repr(trunk_of("bert").stages["layer1"])
    assert repr(trunk_of("bert").stages["pool"]) != repr(trunk_of("bert", pooling="first").stages["pool"])
    assert "hidden_size" in repr(HF(model=config("bert")))


@pytest.mark.parametrize("kind", ["bert", "vit"])
def test_the_chain_can_be_exported(kind: str) -> None:
    rows, trunk = rows_of(kind), trunk_of(kind)
    network = copies(trunk).eval()
    program = torch.export.export(network, (rows,))
    torch.testing.assert_close(program.module()(rows), network(rows))


def test_the_chain_can_be_compiled_whole() -> None:
    rows, trunk = rows_of("bert"), trunk_of("bert")
    network = copies(trunk).eval()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(rows), network(rows))


def test_half_precision_where_it_is_asked_for() -> None:
    rows, trunk = rows_of("bert"), trunk_of("bert")
    network = copies(trunk)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(rows)
    assert torch.isfinite(found).all()


def test_a_spec_builds_its_trunk() -> None:
    method, rows = HF(model=config("bert"), layers_per_stage=2), padded()
    trunk = method.build(rows)
    described = TrunkSpec(
        name="hf",
        stages=trunk.names,
        options=method.model_dump(mode="json", exclude={"name"}),
        input_shape=(6,),
        input_dtype="int64",
    )
    assert isinstance(trunk, TransformerTrunk)
    design = architecture(trunk, *[(0, 0, 0)] * 4)
    spec = Spec(tasks=TASKS, trunk=described, architecture=design)
    one, two = build(spec, seed=5).eval(), build(spec, trunk, seed=5).eval()
    assert all(torch.equal(one(rows)[t], two(rows)[t]) for t in TASKS.names)
