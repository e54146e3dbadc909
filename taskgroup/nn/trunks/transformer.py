"""Small transformer encoder for sequences of tokens or of vectors."""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.nn.trunk import Trunk


class Embed(nn.Module):
    """Token ids (or vectors) plus a learned position."""

    def __init__(self, n_tokens: int, n_inputs: int, length: int, width: int) -> None:
        super().__init__()
        self.content: nn.Module = nn.Embedding(n_tokens, width) if n_tokens else nn.Linear(n_inputs, width)
        self.position = nn.Parameter(torch.empty(length, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the positions afresh."""
        nn.init.normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Ids ``(batch, length)`` or vectors ``(batch, length, n_inputs)`` to ``(batch, length, width)``."""
        embedded: Tensor = self.content(x) + self.position
        return embedded


class Block(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron (Vaswani et al. 2017; Xiong et al. 2020, arXiv 2002.04745)."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, length, width)`` to the same."""
        x = x + self.dropout(self._attend(self.norm1(x)))
        changed: Tensor = self.dropout(self.mlp(self.norm2(x)))
        return x + changed

    def _attend(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        # written out, since the fused CPU kernel is not seen by torch's operation counter
        weights = F.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1)
        mixed: Tensor = self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return mixed


class MeanOverTime(nn.Module):
    """Mean over the positions."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, length, width)`` to ``(batch, width)``."""
        return x.mean(dim=1)


class Transformer(Frozen):
    """``embed``, then ``layer1 …``; the last ends in the mean over positions. All positions count, padding too.

    Attributes:
        name: Its name in the table.
        n_tokens: Size of the vocabulary; 0 for sequences of vectors.
        width: Features of each position, a multiple of ``n_heads``.
        depth: Number of layers.
        n_heads: Attention heads.
        dropout: Share of features dropped while training.
    """

    name: Literal["transformer"] = "transformer"
    n_tokens: int = Field(default=0, ge=0)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=2, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % self.n_heads:
            raise ValueError(f"width should be a multiple of n_heads ({self.n_heads}), found {self.width}")
        return self

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for token ids ``(batch, length)`` or vectors ``(batch, length, n_inputs)``.

        Raises:
            InputError: Rows of another shape, or a token id outside the vocabulary.
        """
        if rows.ndim != (2 if self.n_tokens else 3):
            rule = "(length,) with n_tokens" if self.n_tokens else "(length, n_inputs), or token ids with n_tokens"
            raise InputError(
                f"trunk: transformer takes rows of shape {rule}, found rows of shape {tuple(rows.shape[1:])}"
            )
        if self.n_tokens and not 0 <= int(rows.min()) <= int(rows.max()) < self.n_tokens:
            raise InputError(
                f"trunk.n_tokens should exceed every token id, found {self.n_tokens} and ids from {int(rows.min())} "
                f"to {int(rows.max())}"
            )
        stages: dict[str, nn.Module] = {"embed": Embed(self.n_tokens, rows.shape[-1], rows.shape[1], self.width)}
        for k in range(self.depth):
            stages[f"layer{k + 1}"] = Block(self.width, self.n_heads, self.dropout)
        last = f"layer{self.depth}"
        stages[last] = nn.Sequential(stages[last], MeanOverTime())
        return Trunk(stages)
