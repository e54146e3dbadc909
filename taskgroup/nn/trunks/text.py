"""Sum of word vectors and a perceptron, for documents of token ids: fast on a CPU, whatever the vocabulary."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.nn.trunk import Trunk


class SumEmbedding(nn.Module):
    """``Σ v / √n`` over the vectors v of the n tokens that are no padding; zeros for a document without any.

    With the root in place of n, documents of any length have features of one size, large enough to train quickly.
    """

    def __init__(self, n_tokens: int, width: int, pad: int) -> None:
        super().__init__()
        self.pad = pad
        self.weight = nn.Parameter(torch.empty(n_tokens, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw small vectors: rare words, whose vectors hardly train, then add little noise to the sum."""
        nn.init.normal_(self.weight, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids ``(batch, length)`` to ``(batch, width)``."""
        counted = (ids != self.pad).to(self.weight.dtype)
        shares = counted / counted.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        # a product of matrices: torch's operation counter sees it, and nothing of the vectors' size is stored besides
        mixed: Tensor = torch.bmm(shares[:, None], F.embedding(ids, self.weight))
        return mixed.squeeze(1)


class Text(Frozen):
    """``embed``, a sum of the tokens' vectors, then ``block1 …``, each linear → ReLU (→ dropout).

    Word order is lost, but sentiment and topic hardly need it, and a training step costs a fraction of a recurrent or
    convolutional one. Padding does not count.

    Attributes:
        name: Its name in the table.
        n_tokens: Size of the vocabulary; 0: as many as the problem's data have.
        width: Features of every token and every stage.
        depth: Number of stages after ``embed``.
        dropout: Share of features dropped while training.
        pad: Token id that fills up short documents.

    Source:
        Deep averaging networks, Iyyer et al. 2015, doi 10.3115/v1/P15-1162; they take the mean, and drop whole words.
    """

    name: Literal["text"] = "text"
    n_tokens: int = Field(default=0, ge=0)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    pad: int = Field(default=0, ge=0)

    def for_rows(self, rows: Tensor) -> "Text":
        """With the vocabulary of ``rows``, all there are, where none is given."""
        if self.n_tokens or not _are_ids(rows):
            return self
        return self.model_copy(update={"n_tokens": int(rows.max()) + 1})

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for token ids ``(batch, length)``.

        Raises:
            InputError: Rows of another shape, or a token id outside the vocabulary.
        """
        if not _are_ids(rows):
            raise InputError(
                f"trunk: text takes token ids of shape (length,), found rows of shape {tuple(rows.shape[1:])} of "
                f"{str(rows.dtype).removeprefix('torch.')}; give `tokens: true` in the problem, or use another trunk"
            )
        if not 0 <= int(rows.min()) <= int(rows.max()) < self.n_tokens:
            raise InputError(
                f"trunk.n_tokens should exceed every token id, found {self.n_tokens} and ids from {int(rows.min())} "
                f"to {int(rows.max())}"
            )
        stages: dict[str, nn.Module] = {"embed": SumEmbedding(self.n_tokens, self.width, self.pad)}
        for k in range(self.depth):
            parts: list[nn.Module] = [nn.Linear(self.width, self.width), nn.ReLU()]
            stages[f"block{k + 1}"] = nn.Sequential(*parts, *([nn.Dropout(self.dropout)] if self.dropout else []))
        return Trunk(stages)


def _are_ids(rows: Tensor) -> bool:
    return rows.ndim == 2 and not rows.is_floating_point()
