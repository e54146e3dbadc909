"""Weights on disk: safetensors with the architecture's fingerprint; nothing is unpickled."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork


def save_weights(network: SharedNetwork, path: Path) -> None:
    """Write parameters and buffers (helpers' heads left out)."""
    state = {k: v for k, v in network.state_dict().items() if not k.startswith(_helper_heads(network))}
    partial = path.with_suffix(".partial")
    copies = {k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items()}  # tied tensors are refused
    metadata = {"architecture": network.architecture.fingerprint}  # one key: several would come in any order
    save_file(copies, partial, metadata=metadata)
    partial.replace(path)


def load_weights(network: SharedNetwork, path: Path | str) -> SharedNetwork:
    """Load what :func:`save_weights` wrote into ``network`` and give it back.

    Raises:
        InputError: The file is missing or broken, or belongs to another architecture or trunk.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            found = (file.metadata() or {}).get("architecture")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: should be a safetensors file, found: {error}") from error
    expected = network.architecture.fingerprint
    if found != expected:
        raise InputError(f"{path}: should hold weights of architecture {expected}, found those of {found}")
    own = network.state_dict()
    wrong = [k for k in state if k not in own or own[k].shape != state[k].shape]
    wrong += [k for k in own if k not in state and not k.startswith(_helper_heads(network))]
    if wrong:
        raise InputError(f"{path}: weights should fit the trunk, found {len(wrong)} that do not, first `{wrong[0]}`")
    with torch.no_grad():
        network.load_state_dict(state, strict=False)
    return network


def _helper_heads(network: SharedNetwork) -> tuple[str, ...]:
    """Beginnings of the names of the helpers' parameters."""
    return tuple(f"heads.{k}." for k in range(len(network.tasks), len(network.heads)))
