"""Filled: features of sibling copies with different numbers of rows, made equally long to run together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from taskgroup.nn.running import Lane, Stream, flow_of, lying_together
from taskgroup.nn.siblings import Wide, together

MOST_FILL = 16
"""Rows that each copy may be given on average; beyond that running them together costs more than it saves."""


class Filled(Wide):
    """Features of copies, each filled up to the greatest number of rows by its last one.

    Args:
        tensor: Shape ``(k, F, greatest)``.
        sizes: Rows of each copy that count.
    """

    def __init__(self, tensor: Tensor, sizes: Sequence[int]) -> None:
        super().__init__(tensor, "stacked", len(sizes))
        self.sizes = list(sizes)

    def _apart(self) -> Sequence[Tensor]:
        longest = self.tensor.shape[2]
        counted = [longest * k + row for k, size in enumerate(self.sizes) for row in range(size)]
        flat = self.tensor.mT.flatten(0, 1)
        return torch.split(flat.index_select(0, torch.tensor(counted, device=flat.device)), self.sizes)


def filled(parts: Sequence[Tensor]) -> Filled | None:
    """Features of copies together; None where that would be mostly filling."""
    sizes = [len(part) for part in parts]
    longest, start, index = max(sizes), 0, list[int]()
    if min(sizes) == 0 or longest * len(sizes) - sum(sizes) > MOST_FILL * len(sizes):
        return None
    for size in sizes:
        index += [start + min(row, size - 1) for row in range(longest)]
        start += size
    rows = torch.cat(tuple(parts))
    rows = rows.index_select(0, torch.tensor(index, device=rows.device))
    return Filled(rows.view(len(sizes), longest, -1).mT, sizes)


def gathered(streams: Sequence[Stream]) -> Wide | None:
    """Streams together; None where their shapes do not allow it."""
    wide = lying_together(streams, len(streams))
    if wide is not None:
        return wide
    parts = [flow for stream in streams if isinstance(flow := flow_of(stream), Tensor)]
    if len(parts) < len(streams):
        return None
    if len({part.shape for part in parts}) == 1 and parts[0].ndim in (2, 4):
        return together(parts)
    return filled(parts) if parts[0].ndim == 2 else None


def sample(stream: Stream) -> Tensor | None:
    """One copy's activations, for their shape; None where they are no tensor."""
    if isinstance(stream, Lane):
        wide = stream.wide
        return wide.tensor[0].T if wide.layout == "stacked" else wide.parts[0]
    return stream if isinstance(stream, Tensor) else None


def like(made: Wide, wide: Wide) -> Wide:
    """``made`` from ``wide``, and filled up where that was."""
    if isinstance(wide, Filled) and made.layout == "stacked":
        return Filled(made.tensor, wide.sizes)
    return made
