"""The folder that the peft library reads: base model, adapters of each task group, heads."""

import json
import re
import shutil
import statistics
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.exporters.peft_groups import Change, Group
from taskgroup.nn.flow import Flow
from taskgroup.nn.huggingface import assembled
from taskgroup.nn.huggingface.source import library, quiet
from taskgroup.nn.huggingface.stages import Embed, Pool
from taskgroup.nn.network import SharedNetwork

TOLERANCE = 1e-4
"""Largest difference of outputs, of their largest size: peft adds its terms in another order."""

OWN = re.compile(r"base|group\d+|heads\.safetensors|tasks\.json")
"""What an export consists of."""


def write_folder(
    spec: Spec, network: SharedNetwork, groups: Sequence[Group], rows: Flow, path: Path
) -> tuple[Path, ...]:
    """Write ``path`` and compare what peft makes of it with the network.

    Raises:
        InputError: peft is missing, or gives other outputs.
    """
    peft, transformers = _peft(), library()
    _clear(path)
    with quiet(transformers):
        assembled([network.copies(s)[0] for s in range(len(network.stages))]).save_pretrained(path / "base")
    folders = {group.tasks: f"group{k + 1}" for k, group in enumerate(g for g in groups if g.changes)}
    for group in groups:
        if group.changes:
            _write_adapter(peft, group.changes, path / folders[group.tasks])
    heads = [network.heads[k] for k in range(len(network.tasks))]
    state = {f"{k}.{name}": v.detach().contiguous() for k, h in enumerate(heads) for name, v in h.state_dict().items()}
    save_file(state, path / "heads.safetensors")
    about = _about(spec, network, groups, folders)
    (path / "tasks.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for group in groups:
        _check(peft, transformers, network, group, rows, path, folders.get(group.tasks))
    written = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "tasks.json")
    return (path / "tasks.json", *written)


def is_free(path: Path) -> bool:
    """Whether nothing stands at ``path`` but an earlier export."""
    if not path.exists():
        return True
    return path.is_dir() and all(OWN.fullmatch(entry.name) for entry in path.iterdir())


def _clear(path: Path) -> None:
    """An empty folder: a group that is no more would stay otherwise."""
    path.mkdir(parents=True, exist_ok=True)
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _peft() -> Any:
    try:
        return import_module("peft")
    except ImportError as error:
        raise InputError(
            f'export: peft needs the peft library ({error}); run: pip install "taskgroup-mtl[peft]"'
        ) from error


def _about(
    spec: Spec, network: SharedNetwork, groups: Sequence[Group], folders: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    """What is in the folder, and how outputs come from it."""
    embed, pool = (cast("Any", network.copies(s)[0]) for s in (0, len(network.stages) - 1))
    return {
        "architecture": spec.architecture.fingerprint,
        "base": "base",
        "input": {"name": embed.inputs.name, "pad_token_id": embed.inputs.pad, "attention_mask": embed.inputs.masked},
        "pooling": pool.pooling,
        "groups": [{"adapter": folders.get(group.tasks), "tasks": list(group.tasks)} for group in groups],
        "heads": [
            {"task": t.name, "kind": t.kind, "n_outputs": t.n_outputs, "mean": t.mean, "scale": t.scale}
            for t in network.tasks
        ],
        "hidden_layer": "relu" if network.architecture.head_size else None,
    }


def _write_adapter(peft: Any, changes: Sequence[Change], folder: Path) -> None:
    """One adapter; layers are named by their full paths, and rank and alpha where they differ from the most common."""
    rank = statistics.mode(change.rank for change in changes)
    alpha = statistics.mode(change.rank * change.scale for change in changes)
    paths = {change.path: re.escape(change.path) for change in changes}  # patterns are regular expressions
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=list(paths),
        rank_pattern={paths[c.path]: c.rank for c in changes if c.rank != rank},
        alpha_pattern={paths[c.path]: c.rank * c.scale for c in changes if c.rank * c.scale != alpha},
        inference_mode=True,
    )
    config.save_pretrained(folder)
    file = folder / "adapter_config.json"
    # the library writes a set, in any order
    written = {**json.loads(file.read_text(encoding="utf-8")), "target_modules": sorted(paths)}
    file.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    state = {}
    for change in changes:
        state[f"base_model.model.{change.path}.lora_A.weight"] = change.a.contiguous()
        state[f"base_model.model.{change.path}.lora_B.weight"] = change.b.contiguous()
    save_file(state, folder / "adapter_model.safetensors")


@torch.no_grad()
def _check(
    peft: Any, transformers: Any, network: SharedNetwork, group: Group, rows: Flow, path: Path, folder: str | None
) -> None:
    """What peft reads gives the outputs of the network."""
    with quiet(transformers):
        model = transformers.AutoModel.from_pretrained(str(path / "base"), local_files_only=True, dtype="float32")
        if folder is not None:
            model = peft.PeftModel.from_pretrained(model, str(path / folder))
    features = _features(network, model.eval(), rows)
    expected = network(rows, group.tasks)
    for task in group.tasks:
        found = network.heads[network.tasks.names.index(task)](features)
        gap = float((found - expected[task]).abs().max() / max(1.0, float(expected[task].abs().max())))
        if not gap <= TOLERANCE:
            raise InputError(
                f"export: peft should give the network's outputs for task `{task}`, found a difference of {gap:.2g}; "
                f"what it reads is in {path}"
            )


def _features(network: SharedNetwork, model: Any, rows: Flow) -> Tensor:
    """What the heads read, pooled as the network does."""
    embed, pool = (network.copies(s)[0] for s in (0, len(network.stages) - 1))
    assert isinstance(embed, Embed)
    assert isinstance(pool, Pool)
    assert isinstance(rows, Tensor)
    given = embed.inputs.arguments(rows)
    output = model(**given)
    if pool.pooling == "pooler":
        pooled: Tensor = output.pooler_output
        return pooled
    last = output.last_hidden_state
    flow = (last, given["attention_mask"]) if pool.masked else last
    features: Tensor = Pool({}, pool.pooling, {}, masked=pool.masked)(flow)
    return features
