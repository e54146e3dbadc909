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
        owner: Where tasks have rows of their own, that is no row has labels of two of several: column of each row's
            label, T where it has none, shape ``(N,)``; else None.
    """

    inputs: Tensor
    labels: Tensor
    whole: tuple[bool, ...]
    owner: Tensor | None = None

    @classmethod
    def of(cls, inputs: NDArray[np.generic], labels: NDArray[np.float64]) -> "Rows":
        """Rows from arrays; floats become float32, ids int64."""
        kept = torch.as_tensor(np.ascontiguousarray(inputs))
        known = ~np.isnan(labels)
        whole = tuple(bool(column.all()) for column in known.T)
        owner = None
        if len(whole) > 1 and bool((known.sum(axis=1) <= 1).all()):
            owner = torch.as_tensor(np.where(known.any(axis=1), known.argmax(axis=1), len(whole)))
        return cls(kept if kept.dtype == torch.int64 else kept.float(), torch.as_tensor(labels).float(), whole, owner)

    def __len__(self) -> int:
        return len(self.inputs)

    def pick(self, index: Tensor) -> "Rows":
        """The rows at ``index``."""
        owner = None if self.owner is None else self.owner[index]
        return Rows(self.inputs[index], self.labels[index], self.whole, owner)

    def by_task(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Column → inputs and labels, shape ``(n,)``, of the rows that it owns; tasks without rows are left out."""
        assert self.owner is not None, "tasks share their rows"
        n_tasks = self.labels.shape[1]
        sizes = torch.bincount(self.owner, minlength=n_tasks + 1)[:n_tasks].tolist()
        order = self.owner.argsort(stable=True)[: sum(sizes)]
        inputs = torch.split(self.inputs[order], sizes)
        labels = torch.split(self.labels[order, self.owner[order]], sizes)
        return {k: (inputs[k], labels[k]) for k in range(n_tasks) if sizes[k]}


def batches(rows: Rows, batch_size: int, n_batches: int, seed: int) -> Iterator[Rows]:
    """``n_batches`` batches, epoch after epoch in fresh random order; the same for every network under one seed.

    An epoch's remainder smaller than a batch goes to the next epoch's front; sets smaller than a batch come whole.
    """
    for index in batch_indices(len(rows), batch_size, n_batches, seed):
        yield rows.pick(index)


def batch_indices(n_rows: int, batch_size: int, n_batches: int, seed: int) -> Iterator[Tensor]:
    """Positions of the rows of :func:`batches`."""
    generator = torch.Generator().manual_seed(derive_seed("batches", seed))
    size = min(batch_size, n_rows)
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(n_batches):
        if len(left) < size:
            left = torch.cat([left, torch.randperm(n_rows, generator=generator)])
        yield left[:size]
        left = left[size:]
