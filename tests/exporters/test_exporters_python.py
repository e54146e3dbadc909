"""The standalone PyTorch file: it runs without taskgroup and computes what the network computes."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_samples import (
    METHODS,
    NAMES,
    ROWS,
    TASKS,
    Branching,
    Stateful,
    architectures,
    branched,
    network_of,
    network_on,
    numbers,
    random_architecture,
    spec_of,
    trunk_of,
)
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.spec import AdapterSpec, Spec, TrunkSpec
from taskgroup.errors import InputError
from taskgroup.exporters.python import Python
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import Trunk


def loaded(path: Path, weights: Path | None = None) -> nn.Module:
    made: nn.Module = runpy.run_path(str(path))["load"](weights)
    return made


def written(network: SharedNetwork, rows: Any, folder: Path, name: str = "net") -> tuple[str, nn.Module]:
    """Source and network of the file, which is compared on rows it was not written with."""
    trunk = TrunkSpec(name="mine", stages=network.trunk.names)
    spec = Spec(tasks=TASKS, trunk=trunk, architecture=network.architecture)
    files = Python().write(spec, network, rows, folder / f"{name}.py")
    assert [file.name for file in files] == [f"{name}.py", f"{name}.safetensors"]
    made = loaded(files[0])
    fresh = rows.flip(0)[:3] if isinstance(rows, Tensor) else tuple(part.flip(0)[:3] for part in rows)
    same(made, network, fresh)
    return files[0].read_text(encoding="utf-8"), made


@torch.no_grad()
def same(made: nn.Module, network: SharedNetwork, rows: Any) -> None:
    expected, found = network(rows), made(rows)
    assert list(found) == list(expected)
    for task, output in expected.items():
        torch.testing.assert_close(found[task], output, rtol=1e-5, atol=1e-6)


def custom(*stages: nn.Module, rows: Tensor | None = None) -> SharedNetwork:
    """A network whose stages are the given modules."""
    trunk = Trunk({f"part{k}": stage for k, stage in enumerate(stages)}, reinitialize=False)
    return network_on(trunk, numbers(5, 4) if rows is None else rows, branched(trunk.names))


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_any_topology_and_adapters_on_any_trunk(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    network = network_of(name, data.draw(architectures(trunk_of(name).names)))
    written(network, ROWS[name], tmp_path_factory.mktemp("net"))


def test_it_runs_without_taskgroup(tmp_path: Path) -> None:
    network = network_of("conv")
    Python().write(spec_of(network, "conv"), network, ROWS["conv"], tmp_path / "net.py")
    code = "import sys; sys.modules['taskgroup'] = None; import runpy; runpy.run_path('net.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, check=True)
    printed = done.stdout.decode()
    assert printed == "".join(f"{task}: (2, {3 if task == 'rows' else 1})\n" for task in NAMES)


def test_it_is_for_reading(tmp_path: Path) -> None:
    architecture = branched(trunk_of("mlp").names, adapters=(AdapterSpec(stage="block2", size=2),))
    source, _ = written(network_of("mlp", architecture), ROWS["mlp"], tmp_path)
    assert "class Block1(nn.Sequential):" in source
    assert "            nn.Linear(4, 6),\n            nn.ReLU(),\n            nn.Dropout(p=0.1),\n" in source
    assert '        block1 = self.block1(rows)  # say "hi"\\n, rows, linear, 日本\n' in source
    assert "        block2_adapter_0 = self.block2_adapter_0(block2_0)  # say" in source
    assert "torch.cat([block2_adapter_0, block2_adapter_1])).chunk(2)" in source
    assert "            'say \"hi\"\\n': self.heads[0](block3_0),  # logit\n" in source
    assert '            "linear": self.heads[2](block3_1),  # standardized: times 4, plus 1.5\n' in source
    assert source.count("class ") == 4  # two kinds of block, the adapter, the network


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    network = network_of("transformer", random_architecture(3, trunk_of("transformer").names))
    files = [
        Python().write(spec_of(network, "transformer"), network, ROWS["transformer"], tmp_path / f"{k}.py")
        for k in range(2)
    ]
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_low_rank_changes_are_merged_and_statistics_are_each_tasks_own(tmp_path: Path) -> None:
    stages = trunk_of("conv").names
    architecture = branched(stages, adapters=(AdapterSpec(stage="layer1", kind="lora", size=2),))
    network = network_of("conv", architecture, norm="per_task")
    source, made = written(network, ROWS["conv"], tmp_path)
    assert "LowRank" not in source
    weights = load_file(tmp_path / "net.safetensors")
    assert "stem_for_0.0.weight" in weights
    assert "stem_for_1.0.weight" not in weights  # one parameter, four statistics
    assert {f"stem_for_{k}.1.running_mean" for k in range(4)} <= set(weights)
    parameters = dict(made.named_parameters(remove_duplicate=False))
    assert parameters["stem_for_1.0.weight"] is parameters["stem_for_0.0.weight"]


class Scaled(nn.Module):
    """Parameters and buffers of its own, a part called twice, a list of parts, functions, methods and slices."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("shift", torch.ones(4), persistent=False)
        self.plain = torch.full((4,), 0.5)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh())])
        self.sides = nn.ModuleDict({"left": nn.Linear(2, 4), "type2": nn.Linear(2, 4)})
        self.inner = Inner()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        x = x * self.scale + self.get_buffer("shift") - self.plain
        if mask is not None:
            x = x * mask
        left, right = x[:, :2], x[..., 2:]
        y = self.sides["left"](left) + self.sides["type2"](right)
        a, b = self.inner(y, factor=2.0)
        n, width = x.shape
        z = F.gelu(a, approximate="tanh").reshape(n, width) / (1 - -2.0) ** 2 + torch.tensor([1.0, 2, 3, 4])
        return torch.cat([z, b.clamp(min=0)], dim=-1)[:, [0, 2, 4, 6]] + (x.float() > float("-inf")).to(x.dtype)


class Inner(nn.Module):
    """Gives a tuple, which a trace of the module around it cannot unpack."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Tensor, *, factor: float = 1.0) -> tuple[Tensor, Tensor]:
        return self.norm(x) * factor, -x


def test_a_module_of_ones_own_is_written_with_all_it_uses(tmp_path: Path) -> None:
    source, _ = written(custom(Scaled(), Scaled()), numbers(5, 4), tmp_path)
    assert "class Scaled(nn.Module):" in source
    assert "self.scale = nn.Parameter(torch.zeros(4))" in source
    assert "self.register_buffer('shift', torch.zeros(4))" in source
    assert "if mask" not in source


class Network(nn.Module):
    """A name that the file needs for itself, and dropout that depends on the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.layer(x), 0.5 if self.training else 0.0, self.training)


def test_what_depends_on_the_mode_does_in_the_file(tmp_path: Path) -> None:
    source, made = written(custom(Network()), numbers(5, 4), tmp_path)
    assert "class Network2(nn.Module):" in source
    assert "F.dropout(layer, p=(0.5 if self.training else 0.0), training=self.training)" in source
    rows = numbers(3, 4)
    assert not torch.equal(made.train()(rows)["rows"], made(rows)["rows"])


class Masked(nn.Module):
    """Takes and gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, flow: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, mask = flow
        return self.layer(x) * mask, mask


class Last(nn.Module):
    """Takes a tuple, gives a tensor."""

    def forward(self, flow: tuple[Tensor, Tensor]) -> Tensor:
        return flow[0]


def test_tuples_travel(tmp_path: Path) -> None:
    trunk = Trunk({"a": Masked(), "b": Masked(), "c": Masked(), "d": Last()}, reinitialize=False)
    rows = numbers(5, 4), (numbers(5, 4, seed=1) > 0).float()
    adapters = (AdapterSpec(stage="a", size=2), AdapterSpec(stage="b", kind="film", size=1))
    source, _ = written(network_on(trunk, rows, branched(trunk.names, adapters=adapters)), rows, tmp_path)
    assert "joined(a_adapter_0, a_adapter_1" in source
    assert "(self.a_adapter_0(a[0]), *a[1:])" in source


class Asking(nn.Module):
    """Asks for the shape, as torch.fx cannot follow but torch.export can."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != 4:
            raise ValueError("rows of four numbers")
        for layer in self.layers:
            x = layer(x)
        return x


def test_what_cannot_be_read_is_written_as_it_runs(tmp_path: Path) -> None:
    source, _ = written(custom(nn.Sequential(Asking()), nn.ReLU()), numbers(5, 4), tmp_path)
    assert "torch.ops.aten.linear.default(flow, getattr(self, '0').layers[0].weight" in source


def test_hooks_count(tmp_path: Path) -> None:
    """A copy with a hook of the user's is written as it runs, the others as before."""
    network = custom(nn.Linear(4, 4), nn.Linear(4, 4))
    network.copies(1)[0].register_forward_hook(lambda module, given, output: output + 1)
    source, _ = written(network, numbers(5, 4), tmp_path)
    assert "self.part1_1 = Part0()" in source  # made like the copies of the stage before
    assert "torch.ops.aten.add.Tensor(linear, 1)" in source


def test_tied_parameters_stay_tied(tmp_path: Path) -> None:
    stage = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    stage[2].weight = stage[0].weight
    _, made = written(custom(stage, nn.ReLU()), numbers(5, 4), tmp_path)
    parameters = dict(made.named_parameters(remove_duplicate=False))
    assert parameters["part0.2.weight"] is parameters["part0.0.weight"]
    assert "part0.2.weight" not in load_file(tmp_path / "net.safetensors")


TORCH = {
    "transformer layer": nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True, activation="gelu"),
    "ordered": nn.Sequential(
        nn.Linear(4, 4), nn.Hardtanh(-2.0, 2.0), nn.GroupNorm(2, 4), nn.PReLU(), nn.Softmax(dim=-1)
    ),
    "named": nn.Sequential(),
    "unbiased": nn.Sequential(nn.Linear(4, 4, bias=False), nn.LayerNorm(4, elementwise_affine=False), nn.GELU("tanh")),
}
TORCH["named"].add_module("first", nn.Linear(4, 4))
TORCH["named"].add_module("second-half", nn.ELU(alpha=0.5))


@pytest.mark.parametrize("name", TORCH)
def test_modules_of_torch_are_constructor_calls(tmp_path: Path, name: str) -> None:
    rows = numbers(5, 3, 4) if name == "transformer layer" else numbers(5, 4)
    last = nn.Flatten() if name == "transformer layer" else nn.Identity()
    source, _ = written(custom(TORCH[name], last, rows=rows), rows, tmp_path)
    assert "torch.ops" not in source
    assert "def forward" in source
    assert source.count("def forward") == 1  # that of the network


def test_frozen_parameters_stay_frozen(tmp_path: Path) -> None:
    network = custom(nn.Linear(4, 4), nn.Linear(4, 4))
    for parameter in network.copies(0).parameters():
        parameter.requires_grad_(False)
    _, made = written(network, numbers(5, 4), tmp_path)
    assert [name for name, p in made.named_parameters() if not p.requires_grad] == ["part0.weight", "part0.bias"]


def test_one_task(tmp_path: Path) -> None:
    stages = trunk_of("mlp").names
    source, _ = written(network_of("mlp", branched(stages)), ROWS["mlp"], tmp_path)
    assert "parted" not in source


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (
            Branching(),
            r"python: stage `part0` cannot be written as Python code: `Branching`: its forward cannot be traced",
        ),
        (Stateful(), r"python: the written code should give the network's outputs, found a difference of"),
    ],
)
def test_what_cannot_be_expressed_is_named_and_nothing_is_written(tmp_path: Path, stage: nn.Module, words: str) -> None:
    network = custom(nn.Sequential(stage), nn.Linear(4, 4))
    with pytest.raises(InputError, match=words):
        written(network, numbers(5, 4), tmp_path)
    assert not list(tmp_path.iterdir())
