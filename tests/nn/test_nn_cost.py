"""What the cost model says is what the built network has and does."""

import pytest
import torch
from any_architectures import ALL, EXAMPLES, OWN_NORM, TRUNKS, adapted, network_on, numbers
from hypothesis import given, settings
from small_networks import BUILT_IN, NAMES, ROWS, TASKS, TRUNKS_OF, architectures, branched, network_of
from torch import nn

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.cost import CostModel, Part, measured_cost
from taskgroup.nn.routes import places
from taskgroup.nn.trunk import Trunk

MODELS = {name: CostModel.of(TRUNKS[name], TASKS, EXAMPLES[name]) for name in ALL}
quick = settings(max_examples=8, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", ALL)
@quick
@given(numbers)
def test_cost_is_that_of_the_built_network(name: str, seed: int) -> None:
    architecture = adapted(name, seed)
    without = architecture.model_copy(update={"helpers": ()})
    parts = MODELS[name].parts(architecture)
    total = sum(part.params for part in parts), sum(part.macs for part in parts)
    assert total == measured_cost(network_on(name, without), EXAMPLES[name])
    cost = MODELS[name].cost(architecture)
    assert (cost.params, cost.macs) == total


@quick
@given(architectures(TRUNKS_OF["mlp"].names, helpers=True))
def test_helpers_cost_nothing_at_inference(architecture: Architecture) -> None:
    without = architecture.model_copy(update={"helpers": ()})
    cost = MODELS["mlp"].cost(architecture)
    assert cost == MODELS["mlp"].cost(without)
    params, macs = measured_cost(network_of(architecture), ROWS["mlp"])
    assert macs == cost.macs
    assert params - cost.params == sum((6 + 1) * TASKS[h.task].n_outputs for h in architecture.helpers)


@pytest.mark.parametrize("name", ALL)
@quick
@given(numbers)
def test_each_part_is_that_of_its_module(name: str, seed: int) -> None:
    architecture = adapted(name, seed)
    network, stages = network_on(name, architecture), architecture.topology.stages
    for part in MODELS[name].parts(architecture):
        if part.what == "head":
            module = network.heads[part.copy]
            assert part.tasks == (network.heads_info[part.copy].name,)
        else:
            s = stages.index(part.stage)
            placed = [(p.copy, p.tasks, f"{p.entry.kind} {p.entry.size}") for p in places(architecture, s)]
            found = network.copies(s) if part.what == "copy" else network.get_submodule(f"adapters.{s}")
            k = part.copy if part.what == "copy" else placed.index((part.copy, part.tasks, part.what))
            module = list(found.children())[k]
            assert set(part.tasks) <= set(architecture.topology.groups(s)[part.copy])
        assert part.params == sum(p.numel() for p in module.parameters())
        assert part.runs >= 1


def test_by_hand() -> None:
    """Four tasks with six outputs on 4 → 6 → 6 → 6, one branch after block1 and an adapter a task behind it."""
    model = MODELS["mlp"]
    assert model.stage_params == (4 * 6 + 6, 6 * 6 + 6, 6 * 6 + 6)
    assert model.stage_macs == (24, 36, 36)
    assert model.shapes == ((6,), (6,), (6,))
    architecture = branched((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 1), adapters=(AdapterSpec(stage="block1", size=2),))
    cost = model.cost(architecture)
    heads, adapter = 6 * 6 + 6, 2 * 6 * 2 + 2 + 6
    assert cost.params == 30 + 2 * 42 + 2 * 42 + heads + 4 * adapter
    assert cost.macs == 24 + 4 * 36 + 4 * 36 + 36 + 4 * 24  # each task its own stream from the adapters on
    assert cost.params_ratio == cost.params / (30 + 42 + 42 + heads)
    assert cost.macs_ratio == cost.macs / (24 + 36 + 36 + 36)


def test_parts_by_hand() -> None:
    """Low-rank changes inside block2 run it once for each pair; every pair then has a stream of its own."""
    entries = (
        AdapterSpec(stage="block2", kind="lora", size=1, per="branch"),
        AdapterSpec(stage="block1", kind="film", size=1, tasks=("a",)),
    )
    architecture = branched((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 1, 1), adapters=entries, head_size=5)
    assert MODELS["mlp"].parts(architecture) == [
        Part("block1", 0, NAMES, "copy", 30, 24, 1),
        Part("block1", 0, ("a",), "film 1", 12, 0, 1),
        Part("block2", 0, NAMES, "copy", 42, 3 * 36, 3),  # a with its film, b, and c with d
        Part("block2", 0, ("a", "b"), "lora 1", 12, 2 * 12, 2),
        Part("block2", 0, ("c", "d"), "lora 1", 12, 12, 1),
        Part("block3", 0, ("a", "b"), "copy", 42, 2 * 36, 2),
        Part("block3", 1, ("c", "d"), "copy", 42, 36, 1),
        *(
            Part("heads", k, (t.name,), "head", 7 * 5 + 6 * t.n_outputs, 6 * 5 + 5 * t.n_outputs, 1)
            for k, t in enumerate(TASKS)
        ),
    ]


def test_own_statistics_cost_a_run_for_each_task() -> None:
    shared = Architecture(topology=Topology.shared(NAMES, TRUNKS_OF["conv"].names))
    once, each = (MODELS[name].parts(shared)[:-4] for name in ("conv", OWN_NORM))
    assert [part.macs for part in each] == [4 * part.macs for part in once]
    assert [part.params for part in each] == [part.params for part in once]
    assert [part.runs for part in each] == [4] * len(once)


@pytest.mark.parametrize("name", BUILT_IN)
def test_all_shared_is_the_unit(name: str) -> None:
    stages = TRUNKS_OF[name].names
    shared = MODELS[name].cost(Architecture(topology=Topology.shared(NAMES, stages)))
    assert (shared.params_ratio, shared.macs_ratio) == (1.0, 1.0)
    separate = MODELS[name].cost(Architecture(topology=Topology.separate(NAMES, stages)))
    assert separate.params - shared.params == 3 * sum(MODELS[name].stage_params)
    assert separate.macs - shared.macs == 3 * sum(MODELS[name].stage_macs)


@pytest.mark.parametrize("name", BUILT_IN)
def test_costs_are_for_one_example_whatever_the_batch(name: str) -> None:
    assert CostModel.of(TRUNKS_OF[name], TASKS, ROWS[name][:2]) == MODELS[name]


class Attend(nn.Module):
    """Attention by torch's own function, over (batch, length, width)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = nn.functional.scaled_dot_product_attention(x, x, x)
        return mixed.flatten(1)


def test_fused_attention_is_counted() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).requires_grad_(False)
    trunk = Trunk({"layer": layer, "attend": Attend()}, reinitialize=False)
    rows = torch.randn(2, 5, 8)
    model = CostModel.of(trunk, TASKS, rows)
    projections, feedforward, mixing = 4 * 8 * 8, 2 * 8 * 16, 2 * 5 * 8
    assert model.stage_macs == (5 * (projections + feedforward + mixing), 5 * mixing)
    assert torch.backends.mha.get_fastpath_enabled()


def test_measuring_leaves_the_mode_as_it_was() -> None:
    network = network_of(branched((0,) * 4, (0,) * 4, (0,) * 4))
    for mode in (True, False):
        measured_cost(network.train(mode), ROWS["mlp"])
        assert {module.training for module in network.modules()} == {mode}


def test_a_trunk_without_parameters_or_operations() -> None:
    trunk = Trunk({"flat": nn.Flatten()})
    cost = CostModel.of(trunk, TASKS, torch.zeros(2, 3)).cost(
        Architecture(topology=Topology.separate(NAMES, ("flat",)))
    )
    assert (cost.params, cost.macs, cost.params_ratio, cost.macs_ratio) == (6 * 4, 6 * 3, 1, 1)
