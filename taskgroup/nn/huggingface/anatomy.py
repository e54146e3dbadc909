"""Anatomy: what a model does before, in and after its layers, found by running it on a few rows."""

import copy
import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.errors import InputError
from taskgroup.nn.huggingface.calls import Basket, Call, Observed, Source, Tracer, UnclearError, same
from taskgroup.nn.huggingface.inputs import Inputs, config_of, kind, said
from taskgroup.nn.huggingface.stages import Pass, Tap
from taskgroup.nn.huggingface.watch import Watched, watched


@dataclass(frozen=True)
class Anatomy:
    """What was found out about a model.

    Attributes:
        model: The model, in eval mode.
        blocks: Path of its list of layers.
        inputs: How rows become its arguments.
        examples: The rows it was run on.
        seen: That run.
        shell: A copy with a tap for every layer and nothing after them.
        basket: Where the taps leave what they were called with.
        calls: How each layer is called.
        sources: Where the tensors are found that these calls need.
    """

    model: nn.Module
    blocks: str
    inputs: Inputs
    examples: Tensor
    seen: Watched
    shell: nn.Module
    basket: Basket
    calls: tuple[Call, ...]
    sources: tuple[Source, ...]


def dissected(model: nn.Module, path: str | None, rows: Tensor) -> Anatomy:
    """The anatomy of ``model`` for rows like ``rows``, its layers in the list ``path`` (by default the longest).

    Raises:
        InputError: It does not take such rows, has no list of layers, or does more between its layers than pass on
            what was there before them.
    """
    blocks, inputs = _blocks(model, path), Inputs.of(model, rows)
    examples = inputs.examples(rows, int(getattr(config_of(model), "vocab_size", 0)))
    arguments = inputs.arguments(examples)
    try:
        seen = watched(model, blocks, arguments)
    except Exception as error:  # whatever the model raises on these rows
        shape = tuple(rows.shape[1:])
        raise InputError(f"trunk: the {kind(model)} cannot run on rows of shape {shape}: {said(error)}") from error
    _check_chain(model, blocks, seen)
    basket = Basket()
    shell = _shell(model, blocks, seen, basket)
    try:
        with torch.no_grad():
            shell(**arguments)
    except Exception as error:  # whatever the model raises without its layers
        raise InputError(
            f"trunk: what the {kind(model)} computes around `{blocks}` needs the layers themselves: {said(error)}"
        ) from error
    tracer = Tracer(len(examples))
    calls = tuple(_call(model, blocks, tracer, k, call, basket) for k, call in enumerate(seen.calls))
    basket.calls.clear()
    return Anatomy(model, blocks, inputs, examples, seen, shell, basket, calls, tuple(tracer.sources))


def _blocks(model: nn.Module, path: str | None) -> str:
    lists = {name: len(part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList) and len(part)}
    if path is not None and path not in lists:
        raise InputError(
            f"trunk.blocks: should be the path of a list of layers, one of {', '.join(lists) or 'none'}, found `{path}`"
        )
    if not lists:
        raise InputError(f"trunk: the {kind(model)} holds no ModuleList of layers; Trunk.cut cuts any other module")
    return path or max(lists, key=lambda name: lists[name])


def _check_chain(model: nn.Module, blocks: str, seen: Watched) -> None:
    """Each layer runs once, in order, on what the one before it gave."""
    if seen.order != list(range(len(list(model.get_submodule(blocks).children())))):
        ran = ", ".join(map(str, seen.order)) or "none"
        raise InputError(
            f"trunk: the layers of `{blocks}` should run once each, one after the other, found {ran} in the "
            f"{kind(model)}; name another list in `blocks`"
        )
    last = getattr(seen.output, "last_hidden_state", None)
    if not isinstance(last, Tensor):
        raise InputError(
            f"trunk: the {kind(model)} should give a last_hidden_state, found {type(seen.output).__name__}; pass the "
            "encoder without its head (model.base_model)"
        )
    if last.ndim != 3:
        raise InputError(
            f"trunk: the {kind(model)} should give (batch, positions, features), found shape {tuple(last.shape)}"
        )
    for k, (before, after) in enumerate(zip(seen.calls, seen.calls[1:], strict=False)):
        given = before.output[0] if isinstance(before.output, tuple | list) else before.output
        if not same(given, after.hidden):
            raise InputError(f"trunk: the {kind(model)} does more than run `{blocks}.{k}` and then `{blocks}.{k + 1}`")


def _shell(model: nn.Module, blocks: str, seen: Watched, basket: Basket) -> nn.Module:
    """The model without its layers and without what comes after them."""
    layers = model.get_submodule(blocks)
    widths = [len(call.output) if isinstance(call.output, tuple | list) else 0 for call in seen.calls]
    in_place = nn.ModuleList(Tap(layer, k, widths[k], basket) for k, layer in enumerate(layers.children()))
    stand_ins: dict[int, Any] = {id(model.get_submodule(path)): Pass() for path in seen.after}
    # what the memo holds is not copied; the basket is the taps' and the stage's
    return copy.deepcopy(model, {**stand_ins, id(layers): in_place})


def _call(model: nn.Module, blocks: str, tracer: Tracer, k: int, real: Observed, basket: Basket) -> Call:
    names = list(inspect.signature(model.get_submodule(f"{blocks}.{k}").forward).parameters)
    try:
        return tracer.call(k, names, real, basket.calls[k])
    except UnclearError as error:
        raise InputError(f"trunk: `{blocks}.{k}` of the {kind(model)} {error}") from error
