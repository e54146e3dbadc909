"""Writing a file and its weights, once it was run and gave the network's outputs."""

import copy
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.exporters.code.file import network_code
from taskgroup.exporters.code.running import difference, run_code, tensor_at
from taskgroup.exporters.code.writer import Writer
from taskgroup.nn.flow import Flow
from taskgroup.nn.network import SharedNetwork


def write_standalone(
    spec: Spec,
    network: SharedNetwork,
    rows: Flow,
    path: Path,
    *,
    merge: bool,
    format: str,
    whole: Callable[[str], str],
    training: bool = False,
) -> tuple[Path, ...]:
    """Write ``path`` and the weights beside it, or neither.

    Args:
        spec: Of the network.
        network: In evaluation mode.
        rows: Inputs on which the file has to give what the network gives.
        path: The Python file.
        merge: Whether low-rank changes go into the weights.
        format: Its name, for errors.
        whole: From the network's code (classes, ``Network``, ``load``) to the file's text.
        training: Whether the forward passes have to hold while training, too.

    Raises:
        InputError: A part that cannot be written as code, or that gave other outputs than the network's.
    """
    with torch.no_grad():
        expected = network(rows)
        writer = Writer(copy.deepcopy(network), rows, merge=merge, format=format)
        if training and writer.classes.evaluation_only:
            raise InputError(
                f"{format}: `{writer.classes.evaluation_only[0]}` does something else while training, in more than its "
                "constants; it cannot be written as code that trains; the format python takes it as it is in evaluation"
            )
        made = run_code(network_code(spec, writer, (), rows))["Network"]()
        tensors = {name: _tensor(writer.parts, name) for name in made.state_dict()}
        ties, kept = _ties(made, tensors)
        code = network_code(spec, writer, ties, rows)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            files = [Path(folder) / path.name, Path(folder) / path.with_suffix(".safetensors").name]
            files[0].write_text(whole(code), encoding="utf-8")
            save_file({name: tensors[name].detach().clone().contiguous() for name in kept}, files[1])
            files[1].chmod(files[0].stat().st_mode)  # safetensors lets nobody else read
            _check(run_code(code, files[0])["load"]()(rows), expected, format)
            return tuple(_moved(file, path.parent / file.name) for file in files)


def _moved(file: Path, to: Path) -> Path:
    os.replace(file, to)
    return to


def _tensor(parts: Mapping[str, nn.Module], name: str) -> Tensor:
    """The tensor that the network has under ``name``."""
    part = next(part for part in parts if name.startswith(f"{part}."))
    return tensor_at(parts[part], name.removeprefix(f"{part}."))


def _ties(made: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """Statements that make one what is one parameter in the network; and the names that stay."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name in dict(made.named_parameters()):
        other = first.setdefault(id(tensors[name]), name)
        if other != name:
            tied[name] = other
    kept = [name for name in tensors if name not in tied]
    return list(_statements(made, tied)), kept


def _statements(made: nn.Module, tied: Mapping[str, str]) -> Any:
    """One for a whole part where all its parameters are those of another, else one for each parameter."""
    left = dict(tied)
    for part, module in made.named_children():
        pairs = {name: tied.get(f"{part}.{name}", "") for name, _ in module.named_parameters()}
        firsts = {other.removesuffix(f".{name}") if other.endswith(f".{name}") else "" for name, other in pairs.items()}
        if len(firsts) == 1 and "." not in (first := firsts.pop()) and first:
            yield f"share(self.{part}, self.{first})"
            left = {name: other for name, other in left.items() if not name.startswith(f"{part}.")}
    for name, other in left.items():
        owner, _, attribute = name.rpartition(".")
        yield f"self.get_submodule({owner!r}).{attribute} = self.get_parameter({other!r})"


def _check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], format: str) -> None:
    """Equal but for the rounding of other batches.

    Raises:
        InputError: They are not.
    """
    for task, output in expected.items():
        worst = difference(found[task], output)
        if worst:
            raise InputError(
                f"{format}: the written code should give the network's outputs, found a difference of {worst:.2g} for "
                f"`{task}`; a stage does what its code does not show (a hook, a random number, a value kept from an "
                "earlier batch). Nothing was written"
            )
