"""Weights on disk: safetensors with the architecture that they belong to; nothing is unpickled."""

import json
import os
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from taskgroup.core.spec import Architecture
from taskgroup.errors import InputError
from taskgroup.nn.differences import difference
from taskgroup.nn.network import SharedNetwork


def save_weights(network: SharedNetwork, path: Path) -> None:
    """Write parameters and buffers (helpers' heads left out), and the architecture."""
    state = {k: v for k, v in network.state_dict().items() if not k.startswith(_helper_heads(network))}
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two processes may write the same
    copies = {k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items()}  # tied tensors are refused
    served = _served(network.architecture).model_dump_json()
    save_file(copies, partial, metadata={"architecture": served})  # one key: several would come in any order
    partial.replace(path)


def load_weights(network: SharedNetwork, path: Path | str) -> SharedNetwork:
    """Load what :func:`save_weights` wrote into ``network`` and give it back; its helpers' heads stay as they are.

    Raises:
        InputError: The file is missing or broken, or belongs to another architecture (other helpers do not matter) or
            trunk.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            found = (file.metadata() or {}).get("architecture", "")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: should be a safetensors file, found: {error}") from error
    fault = _fault(found, network.architecture) or _misfit(network, state)
    if fault:
        raise InputError(f"{path}: {fault}")
    with torch.no_grad():
        network.load_state_dict(state, strict=False)
    return network


def architecture_in(path: Path | str) -> Architecture:
    """The architecture that the weights in a file belong to, without helpers.

    Raises:
        InputError: The file is missing or broken, or of a version that kept a fingerprint only.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            found = (file.metadata() or {}).get("architecture", "")
        return Architecture.model_validate_json(found)
    except (OSError, SafetensorError, ValidationError) as error:
        raise InputError(f"{path}: should be a safetensors file with its architecture, found: {error}") from error


def _fault(found: str, architecture: Architecture) -> str:
    """Why weights of the architecture ``found`` in a file are none of ``architecture``; empty where they are.

    Files used to hold a fingerprint only, helpers included.
    """
    served = _served(architecture)
    if found in (served.fingerprint, architecture.fingerprint):
        return ""
    try:
        other = Architecture.model_validate(json.loads(found))
    except (json.JSONDecodeError, ValidationError):
        return f"should hold weights of architecture {served.fingerprint}, found those of {found or 'none'}"
    found = difference(other, served)
    return f"should hold weights of the network's architecture, found those of another: {found}" if found else ""


def _misfit(network: SharedNetwork, state: dict[str, Tensor]) -> str:
    """Which weights do not fit the trunk; empty where all do."""
    own = network.state_dict()
    wrong = [k for k in state if k not in own or own[k].shape != state[k].shape]
    wrong += [k for k in own if k not in state and not k.startswith(_helper_heads(network))]
    return f"weights should fit the trunk, found {len(wrong)} that do not, first `{wrong[0]}`" if wrong else ""


def _served(architecture: Architecture) -> Architecture:
    """What is left without helpers."""
    return architecture.model_copy(update={"helpers": ()})


def _helper_heads(network: SharedNetwork) -> tuple[str, ...]:
    """Beginnings of the names of the helpers' parameters."""
    return tuple(f"heads.{k}." for k in range(len(network.tasks), len(network.heads)))
