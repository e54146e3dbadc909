"""Layers with a low-rank change of their weights, and stages that are made of them."""

import copy
from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Layer

_POINTWISE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class LowRank(nn.Module):
    """The change ``s B A`` of one layer's weight; B starts at zero.

    Args:
        layer: Linear, or a convolution of one group.
        rank: Rows of A, columns of B. A has shape ``(r, n_in)``, or ``(r, channels, *kernel)``; B ``(n_out, r)``.
        scale: s.
    """

    def __init__(self, layer: Layer, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.a = nn.Parameter(torch.empty(rank, layer.n_in // prod(layer.kernel), *layer.kernel))
        self.b = nn.Parameter(torch.zeros(layer.n_out, rank))
        nn.init.kaiming_uniform_(self.a, a=sqrt(5))

    def delta(self) -> Tensor:
        """``s B A`` in the shape of the layer's weight."""
        return self.scale * (self.b @ self.a.flatten(1)).view(len(self.b), *self.a.shape[1:])


class LowRankLayer(nn.Module):
    """``base(x) + B (s A x)``: what ``base`` would give with the changed weight, without making that weight."""

    def __init__(self, base: nn.Module, change: LowRank) -> None:
        super().__init__()
        self.base, self.change = base, change
        self.train(base.training)

    @property
    def weight(self) -> Tensor:
        """The changed weight, for modules that take it from the layer instead of calling it."""
        weight: Tensor = self.base.weight + self.change.delta()  # type: ignore[operator]
        return weight

    @property
    def bias(self) -> Tensor | None:
        """That of ``base``."""
        bias: Tensor | None = self.base.bias  # type: ignore[assignment]
        return bias

    def forward(self, x: Tensor) -> Tensor:
        """As ``base``."""
        base, a, b = self.base, self.change.a, self.change.b
        y: Tensor = base(x)
        if isinstance(base, nn.Linear):
            return y + F.linear(self.change.scale * F.linear(x, a), b)
        assert isinstance(base, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        inner = self.change.scale * base._conv_forward(x, a, None)  # its stride, padding and dilation
        n_dims = a.ndim - 2
        return y + _POINTWISE[n_dims](inner, b.view(*b.shape, *[1] * n_dims))


class LowRankStage(nn.Module):
    """Low-rank changes of layers of one stage.

    Args:
        paths: Of the layers inside the stage.
        changes: One for each.
    """

    def __init__(self, paths: Sequence[str], changes: Sequence[LowRank]) -> None:
        super().__init__()
        self.paths = tuple(paths)
        self.changes = nn.ModuleList(changes)

    def applied(self, stage: nn.Module) -> nn.Module:
        """A clone of ``stage`` with the layers changed: the parameters of both are shared, buffers are its own."""
        clone = copy.deepcopy(stage, {id(p): p for p in stage.parameters()})
        for path in self.paths:
            base = clone.get_submodule(path)
            clone = _replaced(clone, base, LowRankLayer(base, self.change(path)))
        return clone

    def merged(self, stage: nn.Module) -> nn.Module:
        """A copy of ``stage`` that has the changes in its own weights."""
        copied = copy.deepcopy(stage)
        for path in self.paths:
            layer = copied.get_submodule(path)
            weight = layer.weight
            assert isinstance(weight, nn.Parameter)
            changed = weight.detach() + self.delta(path).detach()
            layer.weight = nn.Parameter(changed, requires_grad=weight.requires_grad)
        return copied

    def change(self, path: str) -> LowRank:
        """The change of the layer at ``path``."""
        found = self.changes[self.paths.index(path)]
        assert isinstance(found, LowRank)
        return found

    def delta(self, path: str) -> Tensor:
        """What is added to the weight of the layer at ``path``, in its shape."""
        return self.change(path).delta()


def _replaced(root: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """``root`` with ``new`` wherever ``old`` stood; ``new`` itself where ``root`` is ``old``."""
    if root is old:
        return new
    places = [(m, name) for m in root.modules() for name, child in m._modules.items() if child is old]
    for parent, name in places:
        setattr(parent, name, new)
    return root
