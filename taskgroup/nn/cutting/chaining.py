"""Chaining: stages that are named submodules one after the other, checked against the module they come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.errors import InputError
from taskgroup.nn.cutting.running import in_mode, kept, output_of, rows_for, same, seeded
from taskgroup.nn.flow import Flow

Paths = Sequence[str] | Mapping[str, Sequence[str]]


def named_paths(paths: Paths) -> dict[str, list[str]]:
    """Stage name → paths.

    Raises:
        InputError: Two paths that would give one stage name, or a stage without any.
    """
    if isinstance(paths, Mapping):
        named = {name: list(group) for name, group in paths.items()}
    else:
        named = {path.replace(".", "_"): [path] for path in paths}
    if len(named) < len(paths):
        raise InputError(
            f"trunk: every path names a stage and should come once, found {', '.join(paths)}; "
            "give stage name → paths instead"
        )
    empty = [name for name, group in named.items() if not group]
    if empty:
        raise InputError(f"trunk: stage `{name}` should have at least one path, found none" for name in empty)
    return named


def missing(module: nn.Module, named: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each path that is no submodule."""
    known = [name for name, _ in module.named_modules() if name]
    some = ", ".join(known[:12])
    return [
        f"trunk: stage `{path}` does not exist in the module, whose parts are {some}"
        for group in named.values()
        for path in group
        if path not in known
    ]


def chain(module: nn.Module, named: Mapping[str, Sequence[str]]) -> dict[str, nn.Module]:
    """The submodules as stages; several of one stage as a Sequential."""
    parts = {name: [module.get_submodule(path) for path in group] for name, group in named.items()}
    return {name: group[0] if len(group) == 1 else nn.Sequential(*group) for name, group in parts.items()}


def chain_fault(module: nn.Module, named: Mapping[str, Sequence[str]], example: Flow) -> str:
    """The first place at which the chain computes something else than ``module``; empty where there is none.

    Both run on copies, in evaluation and in training mode under the same seed.

    Raises:
        InputError: The module cannot run on the example.
    """
    paths = [path for group in named.values() for path in group]
    for training in (False, True):
        rows = rows_for(example, training=training)
        fault = _fault_of(
            in_mode(module, training=training), paths, _observed(module, paths, example, training=training), rows
        )
        if fault:
            return f"in {'training' if training else 'evaluation'} mode {fault}"
    return ""


def _observed(module: nn.Module, paths: Sequence[str], example: Flow, *, training: bool) -> dict[str, list[Any]]:
    """What the named submodules give, call by call, while the module itself runs."""
    twin, outputs = in_mode(module, training=training), {path: list[Any]() for path in paths}
    for path, found in outputs.items():
        twin.get_submodule(path).register_forward_hook(
            lambda _module, _args, output, found=found: found.append((kept(output), torch.get_rng_state()))
        )
    output_of(twin, rows_for(example, training=training), training=training)
    return outputs


def _fault_of(twin: nn.Module, paths: Sequence[str], expected: Mapping[str, list[Any]], rows: Flow) -> str:
    left = {path: list(outputs) for path, outputs in expected.items()}
    with seeded(rows):
        for path in paths:
            if not left[path]:
                return f"`{path}` should run in the module as often as in `paths`, found {len(expected[path])} runs"
            try:
                rows = twin.get_submodule(path)(rows)
            except Exception as error:  # whatever the user's code raises
                shape = f" on rows of shape {tuple(rows.shape[1:])}" if isinstance(rows, Tensor) else ""
                return f"`{path}` should run behind the path before it{shape}, found: {error}"
            output, random_state = left[path].pop(0)
            if not same(rows, output):
                return f"`{path}` should give the same behind the path before it as in the module, found other numbers"
            if not torch.equal(torch.get_rng_state(), random_state):
                return f"`{path}` should be reached with the random numbers drawn that the module draws, found others"
    return ""
