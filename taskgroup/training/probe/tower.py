"""Tower: the stages and heads that all tasks share, opened up so that a probe need not treat them as a black box."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.core.task import TaskSet

ROWWISE = (
    nn.Flatten,
    nn.Identity,
    nn.Linear,
    nn.Dropout,
    nn.ReLU,
    nn.LeakyReLU,
    nn.GELU,
    nn.SiLU,
    nn.ELU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
)
"""Layers that treat every row by itself and train nothing but linear maps."""


@dataclass(frozen=True)
class Tower:
    """The network that all tasks share.

    Attributes:
        tasks: The tasks, in the order of the labels' columns.
        stages: Stage name → module; each takes the output of the one before.
        heads: One linear head per task on the last stage's features.
    """

    tasks: TaskSet
    stages: Mapping[str, nn.Module]
    heads: Sequence[nn.Linear]

    @cached_property
    def parameters(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters by stage."""
        return {name: [p for p in stage.parameters() if p.requires_grad] for name, stage in self.stages.items()}

    @cached_property
    def plain(self) -> bool:
        """Whether the trunk is a chain of linear layers and functions of single rows: then much has a closed form."""
        leaves = [part for stage in self.stages.values() for part in _leaves(stage)]
        linear = [part for part in leaves if isinstance(part, nn.Linear)]
        once = len({id(part) for part in linear}) == len(linear)
        whole = all(p.requires_grad for part in linear for p in part.parameters())
        return once and whole and all(type(part) in ROWWISE for part in leaves)

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Restore what running the tower changes, buffers and random state, on exit, however it comes."""
        kept = [(b, b.detach().clone()) for stage in self.stages.values() for b in stage.buffers()]
        with torch.random.fork_rng(devices=[]):
            try:
                yield
            finally:
                with torch.no_grad():
                    for buffer, value in kept:
                        buffer.copy_(value)

    def after(self, stage: str) -> list[str]:
        """``stage`` and those behind it."""
        names = list(self.stages)
        return names[names.index(stage) :]

    def dropouts(self) -> list[nn.Dropout]:
        """Layers that drop features at present."""
        parts = [part for stage in self.stages.values() for part in stage.modules()]
        return [part for part in parts if isinstance(part, nn.Dropout) and part.training and part.p > 0]


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Parts of nested ``Sequential``; anything else is taken as one part."""
    if type(module) is nn.Sequential:
        for part in module:
            yield from _leaves(part)
    else:
        yield module


Masks = dict[nn.Module, Tensor]


@contextmanager
def masked(tower: Tower, masks: Masks) -> Iterator[None]:
    """Dropout by ``masks``, which are drawn where they lack; a longer batch repeats them row by row."""

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = args[0]
        if module not in masks:
            masks[module] = torch.nn.functional.dropout(torch.ones_like(x), float(module.p))  # type: ignore[arg-type]
        mask = masks[module]
        return (x.view(-1, *mask.shape) * mask).view_as(x)

    with ExitStack() as stack:
        for part in tower.dropouts():
            stack.callback(part.register_forward_hook(hook).remove)
        yield


@contextmanager
def hooked(hooks: Sequence[tuple[nn.Module, Any]]) -> Iterator[None]:
    """Forward hooks that are gone afterwards."""
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.callback(module.register_forward_hook(hook).remove)
        yield
