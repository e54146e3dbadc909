"""What is cut computes what the whole computed: to the bit, with the same gradients, for every number of stages."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_modules import EXAMPLES, Chain, called, check_same, module_of, numbers
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.nn.cutting import cut_points
from taskgroup.nn.flow import hidden
from taskgroup.nn.trunk import Trunk

quick = settings(max_examples=6, deadline=None, derandomize=True)
STAGES = {"residual": 7, "plain": 4, "around": 4, "masked": 3, "pairs": 3, "mlp": 4}


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, most in STAGES.items() for n in range(1, most + 1)])
def test_automatic_stages_compute_the_same(name: str, n: int) -> None:
    module, rows = module_of(name)
    trunk = Trunk.auto(module, rows, n, reinitialize=False)
    assert len(trunk.names) == n
    check_same(module, trunk, rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_stages_given_by_the_names_of_the_cut_points_compute_the_same(name: str) -> None:
    module, rows = module_of(name)
    points = cut_points(module, rows)
    end = {"residual": "fc", "plain": "fc2", "around": "third", "masked": "truediv", "pairs": "3", "mlp": "6"}[name]
    paths = {f"s{k}": [path] for k, path in enumerate([*(point.name for point in points), end])}
    trunk = Trunk.cut(module, paths, rows, reinitialize=False)
    assert trunk.shapes(rows)[:-1] == [point.shape for point in points]
    chain = Chain(trunk).eval()
    assert torch.equal(called(chain, rows), called(module.eval(), rows))


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_of_the_module_changes(name: str) -> None:
    module, rows = module_of(name)
    module.train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state, kept = torch.get_rng_state(), hidden(rows).clone()
    attributes = {path: set(vars(part)) for path, part in module.named_modules()}
    Trunk.auto(module, rows, 2, reinitialize=False)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert list(module.state_dict()) == list(before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(hidden(rows), kept)
    assert all(part.training for part in module.modules())
    assert {path: set(vars(part)) for path, part in module.named_modules()} == attributes


def test_parts_keep_their_modes() -> None:
    module, rows = module_of("residual")
    frozen = module.train().get_submodule("layer1.0.bn1").eval()
    trunk = Trunk.auto(module, rows, 3)
    modes = {name: part.training for stage in trunk.stages.values() for name, part in stage.named_modules()}
    assert modes["layer1.0.bn1"] is frozen.training is False
    assert modes["layer1.0.bn2"] is modes["fc"] is True


def test_until_leaves_the_classifier_out() -> None:
    module, rows = module_of("residual")
    trunk = Trunk.auto(module, rows, 3, until="flatten")
    assert trunk.shapes(rows)[-1] == (5,)
    assert not any("fc" in name for part in trunk.stages.values() for name, _ in part.named_parameters())
    kept = Trunk.auto(module, rows, 3, until="flatten", reinitialize=False)
    module.fc = nn.Identity()
    check_same(module, kept, rows)


def test_copies_draw_fresh_weights_and_seeds_decide() -> None:
    module, rows = module_of("residual")
    trunk = Trunk.auto(module, rows, 3)
    for name in trunk.names:
        one, again, other = (trunk.instantiate(name, seed) for seed in (1, 1, 2))
        key = next(iter(one.state_dict()))
        assert torch.equal(one.state_dict()[key], again.state_dict()[key])
        assert not torch.equal(one.state_dict()[key], other.state_dict()[key])


@st.composite
def sequentials(draw: st.DrawFn) -> nn.Sequential:
    torch.manual_seed(draw(st.integers(0, 99)))
    width, parts = 4, []
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["linear", "relu", "norm", "drop", "in place", "layer"]))
        after = draw(st.integers(2, 5))
        parts.append(
            {
                "linear": nn.Linear(width, after),
                "relu": nn.ReLU(),
                "norm": nn.BatchNorm1d(width),
                "drop": nn.Dropout(0.5),
                "in place": nn.ReLU(inplace=True),
                "layer": nn.Sequential(nn.LayerNorm(width), nn.Linear(width, after)),
            }[kind]
        )
        width = after if kind in ("linear", "layer") else width
    return nn.Sequential(nn.Linear(4, 4), *parts)


def most(module: nn.Module, rows: Tensor) -> int:
    """The number of stages there can be, read off the error."""
    try:
        Trunk.auto(module, rows, 99)
    except ValueError as error:
        return int(str(error).split("from 1 to ")[1].split()[0])
    raise AssertionError


@quick
@given(module=sequentials())
def test_any_sequential_any_number_of_stages(module: nn.Sequential) -> None:
    rows = numbers(3, 4)
    for n in range(1, most(module, rows) + 1):
        trunk = Trunk.auto(module, rows, n, reinitialize=False)
        assert all(type(part) is nn.Sequential for part in trunk.stages.values())
        check_same(module, trunk, rows)


class Random(nn.Module):
    """Layers with functional activations; some results are added again later."""

    def __init__(self, skips: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in skips)
        self.norms = nn.ModuleList(nn.BatchNorm1d(4) for _ in skips)
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for k, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            y = F.relu(norm(layer(values[-1])))
            values.append(y + values[-1 - self.skips[k]] if 0 < self.skips[k] < len(values) else y)
        return values[-1]


@quick
@given(skips=st.lists(st.integers(0, 3), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_any_residual_network_any_number_of_stages(skips: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    module, rows = Random(skips), numbers(3, 4)
    for n in range(1, most(module, rows) + 1):
        check_same(module, Trunk.auto(module, rows, n, reinitialize=False), rows)


@quick
@given(skips=st.lists(st.integers(0, 3), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_any_residual_network_cut_at_every_layer(skips: list[int], seed: int) -> None:
    """Where a skip crosses, it travels along in a tuple."""
    torch.manual_seed(seed)
    module, rows = Random(skips), numbers(3, 4)
    paths = [f"norms.{k}" for k in range(len(skips))]
    trunk = Trunk.cut(
        module, [*paths, "relu" if len(skips) == 1 else f"relu_{len(skips) - 1}"], rows, reinitialize=False
    )
    assert trunk.shapes(rows) == [(4,)] * (len(skips) + 1)
