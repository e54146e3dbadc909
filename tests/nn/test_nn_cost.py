"""What the cost model says is what the built network has and does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import BUILT_IN, NAMES, ROWS, TASKS, TRUNKS_OF, architectures, branched, network_of
from torch import nn

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.cost import CostModel, measured_cost
from taskgroup.nn.trunk import Trunk

MODELS = {name: CostModel.of(TRUNKS_OF[name], TASKS, ROWS[name]) for name in BUILT_IN}
quick = settings(max_examples=20, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", BUILT_IN)
@quick
@given(st.data())
def test_cost_is_that_of_the_built_network(name: str, data: st.DataObject) -> None:
    architecture = data.draw(architectures(TRUNKS_OF[name].names))
    cost = MODELS[name].cost(architecture)
    assert (cost.params, cost.macs) == measured_cost(network_of(architecture, name), ROWS[name])


@quick
@given(architectures(TRUNKS_OF["mlp"].names, helpers=True))
def test_helpers_cost_nothing_at_inference(architecture: Architecture) -> None:
    without = architecture.model_copy(update={"helpers": ()})
    cost = MODELS["mlp"].cost(architecture)
    assert cost == MODELS["mlp"].cost(without)
    params, macs = measured_cost(network_of(architecture), ROWS["mlp"])
    assert macs == cost.macs
    assert params - cost.params == sum((6 + 1) * TASKS[h.task].n_outputs for h in architecture.helpers)


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
