"""Measured cost of built networks: latency, and the most memory that activations take at once."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from taskgroup.errors import InputError
from taskgroup.nn.cost import measured_cost
from taskgroup.nn.flow import Flow, hidden
from taskgroup.nn.live import LiveBytes
from taskgroup.nn.network import SharedNetwork

N_WARM = 3
"""Runs before the clock counts."""


@dataclass(frozen=True)
class Measured:
    """What one network took.

    Attributes:
        params: Parameters.
        macs: Multiply-accumulates of the forward pass for one example.
        latency_s: Median time of one batch.
        latency_iqr_s: Interquartile range of the times.
        peak_bytes: The most bytes of tensors that lived at once, beyond parameters, buffers and inputs; the same in
            every run, and for every machine that runs the same operations. What an operation needs inside itself only
            is not seen.
    """

    params: int
    macs: int
    latency_s: float
    latency_iqr_s: float
    peak_bytes: int


def measured(network: nn.Module, rows: Flow, *, repeats: int = 20, training: bool = False) -> Measured:
    """Run ``network`` on ``rows`` and say what it took.

    Cost:
        ``repeats + 5`` runs, of a copy: the network and the random state are left as they are.

    Args:
        network: A network, or any module.
        rows: One batch, on the network's device.
        repeats: Timed runs.
        training: Time the forward pass in training mode (with helpers) and the backward pass of the summed outputs,
            whose gradients count as memory too; else the forward pass in evaluation mode, without gradients.

    Raises:
        InputError: ``repeats`` below 1.
    """
    return measured_together({"": network}, rows, repeats=repeats, training=training)[""]


def measured_together(
    networks: Mapping[str, nn.Module], rows: Flow, *, repeats: int = 20, training: bool = False
) -> dict[str, Measured]:
    """As :func:`measured` for several networks, whose timed runs take turns: what slows the machine slows them all."""
    if repeats < 1:
        raise InputError(f"measured: `repeats` should be at least 1, found {repeats}")
    copies = {name: copy.deepcopy(network).train(training) for name, network in networks.items()}
    devices = [hidden(rows).device] if hidden(rows).is_cuda else []
    with torch.random.fork_rng(devices=devices):
        peaks = {name: _peak_bytes(network, rows, training) for name, network in copies.items()}
        seconds = _seconds(copies, rows, repeats, training)
    return {
        name: Measured(
            *measured_cost(networks[name], rows),
            latency_s=float(np.median(found)),
            latency_iqr_s=float(np.subtract(*np.percentile(found, [75, 25]))),
            peak_bytes=peaks[name],
        )
        for name, found in seconds.items()
    }


def _peak_bytes(network: nn.Module, rows: Flow, training: bool) -> int:
    live = LiveBytes([*network.parameters(), *network.buffers(), *_tensors(rows)])
    with live:
        _run(network, rows, training)
    return live.peak


def _seconds(networks: Mapping[str, nn.Module], rows: Flow, repeats: int, training: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in networks}
    for k in range(N_WARM + repeats):
        for name, network in networks.items():
            begun = time.perf_counter()
            _run(network, rows, training)
            if k >= N_WARM:
                found[name].append(time.perf_counter() - begun)
    return found


def _run(network: nn.Module, rows: Flow, training: bool) -> None:
    if training:
        network.zero_grad(set_to_none=True)
        outputs = network(rows, helpers=True) if isinstance(network, SharedNetwork) else network(rows)
        loss = torch.stack([tensor.sum() for tensor in _tensors(outputs)]).sum()
        del outputs
        loss.backward()  # type: ignore[no-untyped-call]
    else:
        with torch.no_grad():
            network(rows)
    device = hidden(rows).device
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
