import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from taskgroup.core.spec import AdapterSpec, Architecture, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.exporters.peft import Peft
from taskgroup.nn.build import build
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import TRUNKS

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
peft = pytest.importorskip("peft", reason="the extra peft is not installed")
# peft asks models in a way that transformers has replaced
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
TASKS = TaskSet(
    tasks=(
        Task(name="spam?", kind="binary"),
        Task(name="../topic", kind="multiclass", n_classes=3),
        Task(name="length", kind="regression", mean=4.0, scale=2.0),
        Task(name="tone", kind="binary"),
    )
)
A, B, C, D = TASKS.names
BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 4,
    "vocab_size": 20,
    "max_position_embeddings": 12,
}
VIT = {**BERT, "model_type": "vit", "image_size": 6, "patch_size": 3, "num_channels": 2}
VIT = {k: v for k, v in VIT.items() if k not in ("vocab_size", "max_position_embeddings")}
IDS = torch.randint(1, 20, (4, 6), generator=torch.Generator().manual_seed(0))
IDS[1, 3:] = 0
IMAGES = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def made(
    model: dict[str, Any],
    rows: Tensor,
    adapters: tuple[AdapterSpec, ...],
    last: tuple[int, ...] = (0, 0, 0, 0),
    **more: Any,
) -> tuple[Spec, SharedNetwork]:
    """A spec and its network, with every weight drawn at random."""
    options = {
        "model": model,
        "layers_per_stage": more.pop("layers_per_stage", 1),
        "pooling": more.pop("pooling", "mean"),
    }
    trunk = TRUNKS.create("hf", options).build(rows)
    described = TrunkSpec(
        name="hf",
        stages=trunk.names,
        options=options,
        input_shape=tuple(rows.shape[1:]),
        input_dtype="float32" if rows.is_floating_point() else "int64",
    )
    matrix = (*[(0, 0, 0, 0)] * (len(trunk.names) - 1), last)
    topology = Topology(tasks=TASKS.names, stages=trunk.names, matrix=matrix)
    spec = Spec(tasks=TASKS, trunk=described, architecture=Architecture(topology=topology, adapters=adapters, **more))
    network = build(spec, trunk, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return spec, network


def lora(stage: str, size: int, **more: Any) -> AdapterSpec:
    return AdapterSpec(stage=stage, kind="lora", size=size, **more)


def read(folder: Path, network: SharedNetwork, rows: Tensor) -> dict[str, Tensor]:
    """Outputs by what lies in the folder, written as a reader would who knows tasks.json only."""
    about = json.loads((folder / "tasks.json").read_text())
    heads = load_file(folder / "heads.safetensors")
    outputs: dict[str, Tensor] = {}
    for group in about["groups"]:
        model: Any = transformers.AutoModel.from_pretrained(folder / about["base"], local_files_only=True)
        if group["adapter"]:
            model = peft.PeftModel.from_pretrained(model, folder / group["adapter"])
        given = {about["input"]["name"]: rows}
        if about["input"]["attention_mask"]:
            given["attention_mask"] = mask = (rows != about["input"]["pad_token_id"]).long()
        found = model.eval()(**given)
        features = found.last_hidden_state.mean(1)
        if about["input"]["attention_mask"]:
            features = (found.last_hidden_state * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        if about["pooling"] == "pooler":
            features = found.pooler_output
        for k, head in enumerate(about["heads"]):
            if head["task"] in group["tasks"]:
                outputs[head["task"]] = features @ heads[f"{k}.weight"].T + heads[f"{k}.bias"]
    return {task: outputs[task] for task in network.tasks.names}


@torch.no_grad()
def agree(spec: Spec, network: SharedNetwork, rows: Tensor, folder: Path) -> dict[str, Any]:
    written = Peft().write(spec, network, rows, folder)
    assert written[0] == folder / "tasks.json"
    assert set(written) == {file for file in folder.rglob("*") if file.is_file()}
    other = rows.flip(0) if rows.is_floating_point() else rows.flip(0).clamp(0, 18) + (rows.flip(0) > 0)
    for batch in (rows, other):
        expected, found = network(batch), read(folder, network, batch)
        for task in TASKS.names:
            torch.testing.assert_close(found[task], expected[task], atol=1e-5, rtol=1e-5)
    about: dict[str, Any] = json.loads((folder / "tasks.json").read_text())
    return about


def test_adapters_of_branches_and_tasks(tmp_path: Path) -> None:
    adapters = (
        lora("layer1", 2, tasks=(A, B)),
        lora("layer11", 3, tasks=(A,)),
        lora("layer12", 6, tasks=(A,)),
        lora("layer2", 1, per="branch", tasks=(A, B, C)),
    )
    # more than ten layers: `layer.1` is not `layer.11`
    spec, network = made({**BERT, "num_hidden_layers": 12}, IDS, adapters)
    about = agree(spec, network, IDS, tmp_path / "out")
    assert about["groups"] == [
        {"adapter": "group1", "tasks": [A]},
        {"adapter": "group2", "tasks": [B]},
        {"adapter": "group3", "tasks": [C]},
        {"adapter": None, "tasks": [D]},
    ]
    config = json.loads((tmp_path / "out" / "group1" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert "encoder.layer.10.attention.self.query" in config["target_modules"]
    assert config["rank_pattern"][r"encoder\.layer\.11\.attention\.self\.query"] == 6
    assert config["rank_pattern"][r"encoder\.layer\.11\.output\.dense"] == 4  # no more than its four inputs
    state = load_file(tmp_path / "out" / "group1" / "adapter_model.safetensors")
    assert state["base_model.model.encoder.layer.11.intermediate.dense.lora_A.weight"].shape == (4, 8)
    assert {key.split(".")[4] for key in state} == {"0", "1", "10", "11"}


def test_the_same_adapters_are_one_group(tmp_path: Path) -> None:
    spec, network = made(BERT, IDS, (lora("layer3", 2, per="branch"),), layers_per_stage=1)
    about = agree(spec, network, IDS, tmp_path)
    assert about["groups"] == [{"adapter": "group1", "tasks": [A, B, C, D]}]
    assert about["heads"][2] == {"task": C, "kind": "regression", "n_outputs": 1, "mean": 4.0, "scale": 2.0}


def test_groups_of_layers_and_the_models_pooler(tmp_path: Path) -> None:
    adapters = (lora("layers2", 2), lora("pool", 1, tasks=(B,)))
    spec, network = made(BERT, IDS, adapters, layers_per_stage=2, pooling="pooler")
    agree(spec, network, IDS, tmp_path)
    config = json.loads((tmp_path / "group2" / "adapter_config.json").read_text())
    assert "pooler.dense" in config["target_modules"]


def test_images_with_an_adapter_in_the_patches(tmp_path: Path) -> None:
    spec, network = made(VIT, IMAGES, (lora("embed", 3, tasks=(A, C)), lora("layer2", 2)))
    agree(spec, network, IMAGES, tmp_path)
    state = load_file(tmp_path / "group1" / "adapter_model.safetensors")
    patches = "base_model.model.embeddings.patch_embeddings.projection"
    assert state[f"{patches}.lora_A.weight"].shape == (3, 2, 3, 3)
    assert state[f"{patches}.lora_B.weight"].shape == (8, 3, 1, 1)


def test_heads_with_a_hidden_layer(tmp_path: Path) -> None:
    spec, network = made(VIT, IMAGES, (lora("layer1", 2),), head_size=3)
    Peft().write(spec, network, IMAGES, tmp_path)
    heads = load_file(tmp_path / "heads.safetensors")
    assert heads["1.0.weight"].shape == (3, 8)
    assert heads["1.2.weight"].shape == (3, 3)
    assert json.loads((tmp_path / "tasks.json").read_text())["hidden_layer"] == "relu"


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    spec, network = made(VIT, IMAGES, (lora("layer1", 2), lora("layer2", 1)))
    for name in ("one", "two"):
        Peft().write(spec, network, IMAGES, tmp_path / name)
    for file in (tmp_path / "one").rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for adapters in ((lora("layer1", 1),), ()):
        spec, network = made(VIT, IMAGES, adapters)
        Peft().write(spec, network, IMAGES, folder)
    assert sorted(entry.name for entry in folder.iterdir()) == ["base", "heads.safetensors", "tasks.json"]


def test_what_peft_cannot_express_is_named_all_at_once(tmp_path: Path) -> None:
    adapters = (lora("layer1", 2), AdapterSpec(stage="layer2", kind="bottleneck", size=2))
    spec, network = made(VIT, IMAGES, adapters, last=(0, 0, 1, 2))
    (tmp_path / "kept").write_text("")
    with pytest.raises(InputError) as caught:
        Peft().write(spec, network, IMAGES, tmp_path)
    several, kind, folder = caught.value.problems
    assert "every stage should have one copy, found several of `pool` (3); the formats python" in several
    assert kind == "export: peft expresses adapters of kind lora, found kind `bottleneck` at stage `layer2`"
    assert folder.startswith("export: peft writes a folder of its own, found something else at")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_other_trunks_are_refused(tmp_path: Path) -> None:
    topology = Topology(tasks=TASKS.names, stages=("block1",), matrix=((0, 0, 0, 0),))
    trunk = TrunkSpec(name="mlp", stages=("block1",), options={"depth": 1}, input_shape=(3,))
    spec = Spec(tasks=TASKS, trunk=trunk, architecture=Architecture(topology=topology))
    with pytest.raises(InputError, match=r"peft takes models of the transformers library .* found the trunk `mlp`"):
        Peft().write(spec, build(spec), torch.zeros(2, 3), tmp_path)


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, network = made(VIT, IMAGES, ())
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r'needs the peft library .*; run: pip install "taskgroup-mtl\[peft\]"'):
        Peft().write(spec, network, IMAGES, tmp_path)


def test_another_output_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, network = made(VIT, IMAGES, (lora("layer1", 2),))
    config = peft.LoraConfig
    monkeypatch.setattr(peft, "LoraConfig", lambda **options: config(**{**options, "lora_alpha": 7}))
    with pytest.raises(
        InputError, match=r"peft should give the network's outputs for task `spam\?`, found a difference"
    ):
        Peft().write(spec, network, IMAGES, tmp_path)
