"""What flows from stage to stage: one tensor, or a tuple whose first tensor is the hidden state.

The others (an attention mask, positions) travel along: adapters, heads and shapes speak of the first alone.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

Flow: TypeAlias = Tensor | tuple[Tensor, ...]


def hidden(flow: Flow) -> Tensor:
    """The tensor that adapters adapt and heads read, shape ``(batch, ...)``."""
    return flow if isinstance(flow, Tensor) else flow[0]


def with_hidden(flow: Flow, changed: Tensor) -> Flow:
    """``flow`` with another hidden state."""
    return changed if isinstance(flow, Tensor) else (changed, *flow[1:])


def n_rows(flow: Flow) -> int:
    """Number of rows in the batch."""
    return hidden(flow).shape[0]


def joined(flows: Sequence[Flow]) -> Flow:
    """Batches one after the other; all are tensors, or tuples of one length."""
    if isinstance(flows[0], Tensor):
        return torch.cat([hidden(flow) for flow in flows])
    return tuple(torch.cat(parts) for parts in zip(*flows, strict=True))


def parted(flow: Flow, sizes: Sequence[int]) -> Sequence[Flow]:
    """The batches that :func:`joined` put together."""
    if isinstance(flow, Tensor):
        return torch.split(flow, list(sizes))
    return list(zip(*(torch.split(part, list(sizes)) for part in flow), strict=True))


def flow_fault(value: Any, n: int) -> str:
    """What ``value`` is that no flow of ``n`` rows may be; empty where it is one."""
    parts = value if isinstance(value, tuple) else (value,)
    for part in parts or (value,):
        if not isinstance(part, Tensor):
            return f"{type(part).__name__} in a tuple" if isinstance(value, tuple) and parts else type(value).__name__
        if part.shape[:1] != (n,):
            return f"shape {tuple(part.shape)}"
    return ""
