import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError
from small_encoders import config, images, padded
from torch import Tensor, nn

from taskgroup.errors import InputError
from taskgroup.nn.huggingface import transformer_trunk
from taskgroup.nn.trunk import TRUNKS
from taskgroup.nn.trunks.hf import HF
from taskgroup.problems.config import TableConfig
from taskgroup.problems.load import load_problem

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
IDS = padded()


def bert(**more: Any) -> Any:
    return transformers.BertModel(transformers.BertConfig(**{**config("bert"), **more})).eval()


def chained(trunk: Any, rows: Tensor) -> Tensor:
    flow: Any = rows
    for name in trunk.names:
        flow = trunk.instantiate(name, 0).eval()(flow)
    found: Tensor = flow
    return found


def test_a_local_folder_gives_its_weights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = bert()
    model.save_pretrained(tmp_path)
    capfd.readouterr()
    method = HF(path=str(tmp_path), pooling="pooler")
    trunk = method.build(IDS)
    assert capfd.readouterr() == ("", "")
    expected = model(input_ids=IDS, attention_mask=(IDS != 0).long()).pooler_output
    assert torch.equal(chained(trunk, IDS), expected)
    assert not trunk.reinitialize


def test_weights_that_a_folder_lacks_are_named_where_a_stage_needs_them(tmp_path: Path) -> None:
    model = bert()
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith("pooler.")}
    model.save_pretrained(tmp_path, state_dict=kept)
    assert HF(path=str(tmp_path)).build(IDS).names[-1] == "pool"
    with pytest.raises(InputError, match=r"trunk.path: .* found no pooler.dense.bias, pooler.dense.weight; without a"):
        HF(path=str(tmp_path), pooling="pooler").build(IDS)


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trunk.path: .*config.json and weights.* at `bert-base-uncased`; nothing is"):
        HF(path="bert-base-uncased").build(IDS)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"trunk.path: `.*` holds no model that can be read: "):
        HF(path=str(tmp_path)).build(IDS)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    with pytest.raises(InputError, match=r"trunk.path: `.*` holds no model that can be read: "):
        HF(path=str(tmp_path)).build(IDS)


@pytest.mark.parametrize(("options", "found"), [({}, "neither"), ({"model": {}, "path": "x"}, "both")])
def test_either_a_configuration_or_a_folder(options: dict[str, Any], found: str) -> None:
    with pytest.raises(ValidationError, match=f"either model .* or path .*, found {found}"):
        TRUNKS.create("hf", options)


@pytest.mark.parametrize(
    ("model", "rows", "sentence"),
    [
        ({"hidden_size": 8}, IDS, r"trunk.model: `model_type` should be one that .* found `None`"),
        ({"model_type": "brt"}, IDS, r"`model_type` should .* found `brt`, did you mean `bert`\?"),
        (
            config("bert", hidden_sise=8),
            IDS,
            r"`hidden_sise` is not a field of BertConfig, did you mean `hidden_size`\?",
        ),
        (config("bert", hidden_size="wide"), IDS, r"BertConfig does not make a model of these values: .*expected int"),
        (config("bert", num_attention_heads=3), IDS, r"not a multiple of the number of attention heads \(3\)"),
        (config("bert"), IDS.float(), r"bert model takes token ids, int64 .*, found float32 rows of shape \(6,\); set"),
        (config("bert"), IDS[:, :, None], r"or \(2, length\) for ids and mask, found int64 rows of shape \(6, 1\)"),
        (config("bert"), IDS + 5, r"vocab_size of the bert model should exceed .*, found 20 and ids from 5 to 2"),
        (config("bert"), IDS - 1, r"found 20 and ids from -1 to "),
        (config("bert", max_position_embeddings=4), IDS, r"bert model cannot run on rows of shape \(6,\): "),
        (config("vit"), IDS, r"vit model takes images, .* found int64 rows of shape \(6,\); give `shape`"),
        (config("vit"), images()[:, :1], r"vit model cannot run on rows of shape \(1, 6, 6\): .*channel"),
        (config("distilbert"), IDS, "trunk.pooling: the distilbert model has no pooler; use mean or first"),
        (
            {"model_type": "t5", "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "vocab_size": 20},
            IDS,
            "get_encoder",
        ),
    ],
)
def test_bad_input_is_said(model: dict[str, Any], rows: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        HF(model=model, pooling="pooler").build(rows)


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ("encoder.layers", r"trunk.blocks: .* one of encoder.layer, found `encoder.layers`"),
        ("encoder", "found `encoder`"),
    ],
)
def test_the_list_of_layers_can_be_named(blocks: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        HF(model=config("bert"), blocks=blocks).build(IDS)
    assert HF(model=config("bert"), blocks="encoder.layer").build(IDS).names[1] == "layer1"


def test_models_that_do_more_than_run_layers_are_refused() -> None:
    albert = {"model_type": "albert", "embedding_size": 8, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 20}
    with pytest.raises(InputError, match=r"should run once each, one after the other, found 0, 0, .* in the albert"):
        HF(model={**albert, "intermediate_size": 8}).build(IDS)
    # every layer of t5 is given what the first one made of the positions
    t5 = transformers.T5EncoderModel(
        transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=2, num_heads=2, vocab_size=20, use_cache=False)
    )
    with pytest.raises(
        InputError, match=r"`encoder.block.1` of the t5 model takes `position_bias`, a tensor that depends"
    ):
        transformer_trunk(t5, IDS, blocks="encoder.block")
    with pytest.raises(
        InputError, match=r"should give a last_hidden_state, found \w+; pass the encoder without its head"
    ):
        transformer_trunk(transformers.BertForSequenceClassification(bert().config), IDS)


class Between(nn.Module):
    """Two layers and a doubling between them, or behind the norm."""

    main_input_name = "input_ids"

    def __init__(self, between: float, behind: float) -> None:
        super().__init__()
        self.config = transformers.BertConfig(**config("bert"))
        self.embed, self.layers = nn.Embedding(20, 8), nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.norm, self.between, self.behind = nn.LayerNorm(8), between, behind

    def forward(self, input_ids: Tensor) -> Any:
        state = self.layers[1](self.between * self.layers[0](self.embed(input_ids)))
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=self.behind * self.norm(state))


def test_what_happens_outside_modules_is_found() -> None:
    assert transformer_trunk(Between(1, 1), IDS).names == ("embed", "layer1", "layer2", "pool")
    with pytest.raises(InputError, match=r"the bert model does more than run `layers.0` and then `layers.1`"):
        transformer_trunk(Between(2, 1), IDS)
    with pytest.raises(
        InputError, match=r"the bert model does more after its layers than run `norm`: its stages would"
    ):
        transformer_trunk(Between(1, 2), IDS)
    with pytest.raises(InputError, match=r"takes no mask, found rows of shape \(2, length\); give ids alone"):
        transformer_trunk(Between(1, 1), torch.stack([IDS, IDS], dim=1))


def test_other_modules_are_for_trunk_cut() -> None:
    with pytest.raises(InputError, match=r"a model of the transformers library, found Linear; Trunk.cut cuts"):
        transformer_trunk(nn.Linear(2, 2), IDS)
    with pytest.raises(InputError, match="layers_per_stage should be at least 1, found 0"):
        transformer_trunk(bert(), IDS, layers_per_stage=0)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r'needs the transformers library .*; run: pip install "taskgroup-mtl\[hf\]"'):
        HF(model=config("bert")).build(IDS)


def test_the_library_is_imported_to_build_alone() -> None:
    code = (
        "import sys, taskgroup.nn.huggingface\n"
        "from taskgroup.nn.trunk import TRUNKS\n"
        "TRUNKS.create('hf', {'model': {'model_type': 'bert'}})\n"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_table_of_tokens_is_a_problem(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 20, (40, 6))
    ids[::3, 4:] = 0
    np.savez(tmp_path / "words.npz", X=ids, odd=ids[:, 0] % 2, sum=ids.sum(1).astype(float))
    table = TableConfig.model_validate(
        {
            "path": "words.npz",
            "inputs": ["X"],
            "tokens": True,
            "tasks": {"odd": {"kind": "binary"}, "sum": {"kind": "regression"}},
        }
    )
    problem = load_problem(table, {"name": "hf", "model": config("bert"), "layers_per_stage": 2}, tmp_path)
    assert problem.trunk.names == ("embed", "layers1", "layers2", "pool")
    assert problem.trunk_spec.options["model"]["hidden_size"] == 8
    assert problem.trunk_spec.input_dtype == "int64"
    with pytest.raises(InputError, match=r"trunk: takes either model .* or path .*, found neither"):
        load_problem(table, {"name": "hf"}, tmp_path)


def test_the_config_of_the_documents_is_one() -> None:
    document = (Path(__file__).parents[2] / "docs" / "bring-your-own-model.md").read_text(encoding="utf-8")
    sections = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", document, flags=re.DOTALL)]
    found = [section for section in sections if section.get("trunk", {}).get("name") == "hf"]
    assert len(found) == 1
    assert TableConfig.model_validate(found[0]["problem"]).tokens
    assert TRUNKS.create("hf", found[0]["trunk"]).build(IDS).names == ("embed", "layers1", "layers2", "pool")
