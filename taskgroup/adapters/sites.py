"""Sites: where adapters could stand, found by running a stage once."""

import copy
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.adapters import Layer, Site

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def site_of(stage: nn.Module, rows: Any) -> Site:
    """The site at ``stage``, found by running a copy of it once in evaluation mode.

    Layers are those the stage calls as modules: the projections of ``nn.MultiheadAttention``, which uses their weights
    itself, are not among them. A layer that is called several times counts once, with the positions of all calls.

    Args:
        stage: Is called with one argument; gives a tensor, or a tuple with the hidden state first. Is left as it is.
        rows: What it is called with: a tensor of shape ``(batch, ...)`` or a tuple of such.
    """
    probe = copy.deepcopy(stage).eval()
    n_rows = len(_hidden(rows))
    seen: dict[str, Layer] = {}
    for path, part in probe.named_modules():
        if isinstance(part, (nn.Linear, *CONVOLUTIONS)):
            part.register_forward_hook(partial(_note, seen, path, n_rows))
    with torch.no_grad():
        output = probe(rows)
    return Site(tuple(_hidden(output).shape[1:]), tuple(seen.values()))


def _hidden(flow: Any) -> Tensor:
    hidden: Tensor = flow[0] if isinstance(flow, tuple) else flow
    return hidden


def _note(seen: dict[str, Layer], path: str, n_rows: int, part: nn.Module, _: Any, output: Tensor) -> None:
    """Add one call of ``part`` to what was ``seen``."""
    before = seen[path].n_positions if path in seen else 0
    if isinstance(part, nn.Linear):
        n_in, n_out = part.in_features, part.out_features
        seen[path] = Layer(path, n_in, n_out, before + output.numel() // (n_rows * n_out))
    else:
        assert isinstance(part, CONVOLUTIONS)
        n_in, n_out = part.in_channels // part.groups * prod(part.kernel_size), part.out_channels
        n_positions = before + output.numel() // (n_rows * n_out)
        seen[path] = Layer(path, n_in, n_out, n_positions, tuple(part.kernel_size), part.groups)
