from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_networks import BUILT_IN, NAMES, ROWS, TASKS, TRUNKS_OF, awake, branched, network_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.weights import load_weights, save_weights

SHARED = branched((0,) * 4, (0,) * 4, (0,) * 4)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def on_trunk(stages: dict[str, nn.Module], seed: int = 0) -> SharedNetwork:
    trunk = Trunk(stages)
    shapes = sites_of(trunk, torch.zeros(2, 4))
    return SharedNetwork(TASKS, Architecture(topology=Topology.shared(NAMES, trunk.names)), trunk, shapes, seed)


@pytest.mark.parametrize("name", BUILT_IN)
def test_round_trip_gives_identical_outputs(name: str, tmp_path: Path) -> None:
    stages = TRUNKS_OF[name].names
    matrix = ((0, 0, 0, 0),) * (len(stages) - 1) + ((0, 0, 1, 2),)
    architecture = branched(
        *matrix,
        name=name,
        adapters=(AdapterSpec(stage=stages[0], size=2), AdapterSpec(stage=stages[-1], size=2, per="branch")),
        helpers=(Helper(task="a", along="c"),),
    )
    network = awake(network_of(architecture, name))
    path = tmp_path / "net.safetensors"
    save_weights(network, path)
    other = network_of(architecture, name, seed=5).eval()
    assert not same(other(ROWS[name]), network(ROWS[name]))
    assert load_weights(other, path) is other
    assert same(other(ROWS[name]), network(ROWS[name]))
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_heads_of_helpers_are_left_out(tmp_path: Path) -> None:
    helped = SHARED.model_copy(update={"helpers": (Helper(task="a", along="c"), Helper(task="b", along="c"))})
    network = network_of(helped)
    save_weights(network, tmp_path / "w")
    with safe_open(tmp_path / "w", framework="pt") as file:
        kept = set(file.keys())
    assert set(network.state_dict()) - kept == {f"heads.{k}.{w}" for k in (4, 5) for w in ("weight", "bias")}
    assert len(kept) == len(network.state_dict()) - 4


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    for k in range(6):
        save_weights(network_of(SHARED), tmp_path / f"{k}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.two(self.one(x))
        return out


def test_tied_weights(tmp_path: Path) -> None:
    network, rows = on_trunk({"tied": Tied()}), ROWS["mlp"]
    save_weights(network, tmp_path / "w")
    assert same(load_weights(on_trunk({"tied": Tied()}, seed=1), tmp_path / "w")(rows), network(rows))


def adapted(*entries: AdapterSpec) -> Architecture:
    return SHARED.model_copy(update={"adapters": entries})


ADAPTED = adapted(AdapterSpec(stage="block1", size=2))


@pytest.mark.parametrize(
    ("saved", "expected", "difference"),
    [
        (
            SHARED,
            branched((0,) * 4, (0,) * 4, (0, 0, 0, 1)),
            "stage `block3` has copies for a, b, c, d, not a, b, c | d",
        ),
        (ADAPTED, SHARED, "stage `block1` has the adapter bottleneck 2 for a, where the network has none"),
        (SHARED, ADAPTED, "stage `block1` has no such adapter, where the network has the adapter bottleneck 2 for a"),
        (
            adapted(AdapterSpec(stage="block2", size=2, per="branch")),
            adapted(AdapterSpec(stage="block2", kind="lora", size=1, per="branch")),
            "stage `block2` has the adapter bottleneck 2 for a, b, c, d, "
            "where the network has the adapter lora 1 for a, b, c, d",
        ),
        (SHARED, SHARED.model_copy(update={"head_size": 3}), "its heads have size 0, not 3"),
    ],
)
def test_another_architecture_is_refused(
    saved: Architecture, expected: Architecture, difference: str, tmp_path: Path
) -> None:
    save_weights(network_of(saved), tmp_path / "w")
    with pytest.raises(InputError) as error:
        load_weights(network_of(expected), tmp_path / "w")
    assert str(error.value) == (
        f"{tmp_path / 'w'}: should hold weights of the network's architecture, found those of another: {difference}"
    )


def test_other_tasks_and_stages_are_refused(tmp_path: Path) -> None:
    tasks = TaskSet(tasks=tuple(TASKS)[:3])
    topology = Topology.shared(tasks.names, TRUNKS_OF["mlp"].names)
    trunk = TRUNKS_OF["mlp"]
    fewer = SharedNetwork(tasks, Architecture(topology=topology), trunk, sites_of(trunk, ROWS["mlp"]), 0)
    save_weights(fewer, tmp_path / "w")
    with pytest.raises(InputError, match="another: its tasks are a, b, c, not a, b, c, d"):
        load_weights(network_of(SHARED), tmp_path / "w")
    save_weights(on_trunk({"s": nn.Linear(4, 4)}), tmp_path / "w")
    with pytest.raises(InputError, match="another: its stages are s, not block1, block2, block3"):
        load_weights(network_of(SHARED), tmp_path / "w")


def test_an_entry_written_otherwise_is_no_other_architecture(tmp_path: Path) -> None:
    same_modules = adapted(AdapterSpec(stage="block1", size=2, tasks=NAMES, everywhere=True))
    assert same_modules.fingerprint != ADAPTED.fingerprint
    save_weights(network_of(ADAPTED, seed=1), tmp_path / "w")
    loaded = load_weights(network_of(same_modules), tmp_path / "w")
    assert same(loaded(ROWS["mlp"]), network_of(ADAPTED, seed=1)(ROWS["mlp"]))


HELPED = SHARED.model_copy(update={"helpers": (Helper(task="a", along="c"),)})


@pytest.mark.parametrize(
    "saved", [SHARED, HELPED, HELPED.model_copy(update={"helpers": (Helper(task="d", along="a"),)})]
)
def test_other_helpers_do_not_matter(saved: Architecture, tmp_path: Path) -> None:
    network = network_of(saved, seed=1)
    save_weights(network, tmp_path / "w")
    for architecture in (SHARED, HELPED):
        found = load_weights(network_of(architecture), tmp_path / "w")(ROWS["mlp"])
        assert same(found, network(ROWS["mlp"]))


@pytest.mark.parametrize("saved", [SHARED, HELPED])
def test_files_with_a_fingerprint_only_still_load(saved: Architecture, tmp_path: Path) -> None:
    """As earlier versions wrote them: helpers counted."""
    network = network_of(saved, seed=1)
    save_weights(network, tmp_path / "new")
    with safe_open(tmp_path / "new", framework="pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    save_file(state, tmp_path / "old", metadata={"architecture": saved.fingerprint})
    assert same(load_weights(network_of(saved), tmp_path / "old")(ROWS["mlp"]), network(ROWS["mlp"]))
    with pytest.raises(InputError, match=r"should hold weights of architecture .{16}, found those of .{16}"):
        load_weights(network_of(ADAPTED), tmp_path / "old")
    save_file(state, tmp_path / "foreign")
    with pytest.raises(InputError, match=r"should hold weights of architecture .{16}, found those of none"):
        load_weights(network_of(saved), tmp_path / "foreign")


@pytest.mark.parametrize(
    ("saved", "loaded", "first"),
    [
        (nn.Linear(4, 4), nn.Linear(4, 5), "heads.0.weight"),
        (nn.Linear(4, 4), nn.Linear(4, 4, bias=False), "stages.0.0.bias"),
        (nn.Linear(4, 4, bias=False), nn.Linear(4, 4), "stages.0.0.bias"),
        (nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4)), "stages.0.0.bias"),
    ],
    ids=["wider", "more than fits", "less than needed", "other names"],
)
def test_another_trunk_is_refused_and_nothing_loaded(
    saved: nn.Module, loaded: nn.Module, first: str, tmp_path: Path
) -> None:
    save_weights(on_trunk({"s": saved}), tmp_path / "w")
    other = on_trunk({"s": loaded}, seed=1)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(InputError, match=f"weights should fit the trunk, found . that do not, first `{first}`"):
        load_weights(other, tmp_path / "w")
    assert same(other.state_dict(), before)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("digit,odd\n3,1\n" * 20)
    (tmp_path / "empty").write_bytes(b"")
    torch.save(network_of(SHARED).state_dict(), tmp_path / "pickle")
    save_weights(network_of(SHARED), tmp_path / "whole")
    (tmp_path / "half").write_bytes((tmp_path / "whole").read_bytes()[:-100])
    for name in ("text", "empty", "pickle", "half", "missing", "."):
        with pytest.raises(InputError, match="should be a safetensors file, found: "):
            load_weights(network_of(SHARED), tmp_path / name)


def test_a_stopped_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(network_of(SHARED), tmp_path / "w")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("taskgroup.nn.weights.save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        save_weights(network_of(SHARED, seed=1), tmp_path / "w")
    rows = ROWS["mlp"]
    assert same(load_weights(network_of(SHARED, seed=2), tmp_path / "w")(rows), network_of(SHARED)(rows))
