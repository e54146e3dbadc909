"""Running a module on the example, so that two ways to run it can be compared to the bit."""

import contextlib
import copy
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from taskgroup.errors import InputError
from taskgroup.nn.flow import Flow, hidden, joined


def arguments(module: nn.Module, rows: Flow) -> tuple[Any, ...]:
    """What ``module`` is called with: a tuple in its parts where its forward takes that many arguments, else whole."""
    if isinstance(rows, Tensor):
        return (rows,)
    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    places = sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
    if places >= len(rows) or inspect.Parameter.VAR_POSITIONAL in kinds:
        return rows
    return (rows,)


@contextlib.contextmanager
def seeded(rows: Flow) -> Iterator[None]:
    """Random numbers from seed 0, and no gradients; the random state outside stays as it is."""
    device = hidden(rows).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.default_generator.manual_seed(0)
        yield


def in_mode(module: nn.Module, *, training: bool) -> nn.Module:
    """A copy of ``module`` in that mode: running it changes no statistics of the original."""
    return copy.deepcopy(module).train(training)


def rows_for(example: Flow, *, training: bool) -> Flow:
    """The example; twice over for training, where batch normalization needs two rows."""
    twice: Flow = joined([example, example])
    return copy.deepcopy(twice if training else example)  # a module may change its input in place


def output_of(module: nn.Module, rows: Flow, *, training: bool) -> Any:
    """Output of ``module``, already in its mode, under seed 0.

    Raises:
        InputError: It cannot run on the example.
    """
    with seeded(rows):
        try:
            return module(*arguments(module, rows))
        except Exception as error:  # whatever the user's code raises
            mode = "training" if training else "evaluation"
            raise InputError(
                f"trunk: the module should run on `example` in {mode} mode, found {type(error).__name__}: {error}"
            ) from error


def same(one: Any, other: Any) -> bool:
    """Whether all tensors in two outputs agree to the bit."""
    pairs = pytree.tree_flatten(one)[0], pytree.tree_flatten(other)[0]
    if len(pairs[0]) != len(pairs[1]):
        return False
    return all(_equal(a, b) for a, b in zip(*pairs, strict=True) if isinstance(a, Tensor) or isinstance(b, Tensor))


def _equal(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def kept(output: Any) -> Any:
    """``output`` with its tensors copied, since later steps may change them in place."""
    return pytree.tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, output)
