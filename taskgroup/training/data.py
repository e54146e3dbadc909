"""Rows and labels as tensors, and batches that depend on the seed alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.core.seeds import derive_seed


@dataclass(frozen=True)
class Rows:
    """Rows of one split.

    Attributes:
        inputs: Shape ``(N, ...)``.
        labels: Shape ``(N, T)``, float32; NaN where missing.
        whole: For each task whether every row has its label, shape ``(T,)``.
    """

    inputs: Tensor
    labels: Tensor
    whole: tuple[bool, ...]

    @classmethod
    def of(cls, inputs: NDArray[np.generic], labels: NDArray[np.float64]) -> "Rows":
        """Rows from arrays; floats become float32, ids int64."""
        kept = torch.as_tensor(np.ascontiguousarray(inputs))
        whole = tuple(not bool(np.isnan(column).any()) for column in labels.T)
        return cls(kept if kept.dtype == torch.int64 else kept.float(), torch.as_tensor(labels).float(), whole)

    def __len__(self) -> int:
        return len(self.inputs)

    def pick(self, index: Tensor) -> "Rows":
        """The rows at ``index``."""
        return Rows(self.inputs[index], self.labels[index], self.whole)


def batches(rows: Rows, batch_size: int, n_batches: int, seed: int) -> Iterator[Rows]:
    """``n_batches`` batches, epoch after epoch in fresh random order; the same for every network under one seed.

    An epoch's remainder smaller than a batch goes to the next epoch's front; sets smaller than a batch come whole.
    """
    generator = torch.Generator().manual_seed(derive_seed("batches", seed))
    size = min(batch_size, len(rows))
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(n_batches):
        if len(left) < size:
            left = torch.cat([left, torch.randperm(len(rows), generator=generator)])
        yield rows.pick(left[:size])
        left = left[size:]
