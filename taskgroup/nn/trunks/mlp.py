"""Multilayer perceptron for rows of numbers (images are flattened)."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from taskgroup.core.task import Frozen
from taskgroup.nn.trunk import Trunk


class MLP(Frozen):
    """``depth`` stages ``block1 …``, each linear → ReLU (→ dropout).

    Attributes:
        name: Its name in the table.
        width: Features of every stage.
        depth: Number of stages.
        dropout: Share of features dropped while training.
    """

    name: Literal["mlp"] = "mlp"
    width: int = Field(default=64, ge=1)
    depth: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for rows of shape ``(batch, ...)``, flattened."""
        widths = [rows[0].numel()] + [self.width] * self.depth
        stages: dict[str, nn.Module] = {}
        for k in range(self.depth):
            parts: list[nn.Module] = [nn.Linear(widths[k], widths[k + 1]), nn.ReLU()]
            if k == 0:
                parts.insert(0, nn.Flatten())
            if self.dropout:
                parts.append(nn.Dropout(self.dropout))
            stages[f"block{k + 1}"] = nn.Sequential(*parts)
        return Trunk(stages)
