"""Small random encoders of the transformers library, made without any download."""

from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.nn.huggingface import TransformerTrunk
from taskgroup.nn.trunks.hf import HF

WIDTH: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
WORDS: dict[str, Any] = {"vocab_size": 20, "max_position_embeddings": 12}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", **WIDTH, **WORDS},
    "roberta": {"model_type": "roberta", **WIDTH, **WORDS, "pad_token_id": 1},
    "distilbert": {"model_type": "distilbert", "dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 12, **WORDS},
    "vit": {"model_type": "vit", **WIDTH, "image_size": 6, "patch_size": 3, "num_channels": 2},
    # rotary positions travel along, an axis of length one in the place of the rows
    "llama": {
        "model_type": "llama",
        **{k: v for k, v in {**WIDTH, **WORDS}.items() if "dropout" not in k},
        "pad_token_id": 0,
    },
}


def config(kind: str, **more: Any) -> dict[str, Any]:
    return {**CONFIGS[kind], **more}


def padded(pad: int = 0) -> Tensor:
    """Five rows of token ids, the second and the third filled up."""
    ids = torch.randint(2, 20, (5, 6), generator=torch.Generator().manual_seed(1))
    ids[1, 4:] = pad
    ids[2, 1:] = pad
    return ids


def images() -> Tensor:
    return torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def rows_of(kind: str) -> Tensor:
    return images() if kind == "vit" else padded(1 if kind == "roberta" else 0)


def trunk_of(kind: str, rows: Tensor | None = None, attention: str = "sdpa", **options: Any) -> TransformerTrunk:
    method = HF(model=config(kind, attn_implementation=attention), **options)
    made = method.build(rows_of(kind) if rows is None else rows)
    assert isinstance(made, TransformerTrunk)
    return made


def chain(stages: dict[str, nn.Module]) -> nn.Sequential:
    return nn.Sequential(*stages.values())


def copies(trunk: TransformerTrunk, seed: int = 0) -> nn.Sequential:
    return nn.Sequential(*(trunk.instantiate(name, seed) for name in trunk.names))
