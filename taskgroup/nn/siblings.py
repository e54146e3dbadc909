"""Siblings: copies of one stage run together, their weights stacked, where that is faster than one after the other.

What is together is a :class:`Wide`: ``stacked`` for features, ``(k, F, batch)``, so that products of weights and
features and all their gradients need no transposing; or ``channels`` for maps, ``(batch, k C, H, W)``. Only stages
made of the layers in ``LAYERS`` can be run so.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

Layout = Literal["common", "stacked", "channels"]


class Wide:
    """Activations of ``k`` copies together; ``common`` while they are still the same for all."""

    def __init__(self, tensor: Tensor, layout: Layout, k: int) -> None:
        self.tensor, self.layout, self.k = tensor, layout, k
        self._parts: Sequence[Tensor] = ()  # no cached_property: torch.compile cannot trace its lock

    @property
    def parts(self) -> Sequence[Tensor]:
        """One tensor a copy."""
        if not self._parts:
            self._parts = self._apart()
        return self._parts

    def _apart(self) -> Sequence[Tensor]:
        if self.layout == "common":
            return [self.tensor] * self.k
        return self.tensor.mT.unbind(0) if self.layout == "stacked" else self.tensor.chunk(self.k, 1)

    def apart(self) -> "Wide":
        """The same, no longer common."""
        if self.layout != "common":
            return self
        if self.tensor.ndim == 2:
            return Wide(self.tensor.T.expand(self.k, *self.tensor.T.shape), "stacked", self.k)
        return Wide(self.tensor.repeat(1, self.k, 1, 1), "channels", self.k)


def together(parts: Sequence[Tensor]) -> Wide:
    """Inputs of copies that differ, all of one shape: features or maps."""
    if parts[0].ndim == 2:
        return Wide(torch.stack([part.T for part in parts]), "stacked", len(parts))
    return Wide(torch.cat(tuple(parts), 1), "channels", len(parts))


def _linear(layers: Sequence[Any], x: Wide) -> Wide:
    biased = layers[0].bias is not None
    if x.layout == "common":
        weight = torch.cat([layer.weight for layer in layers])
        out = weight @ x.tensor.T
        if biased:
            out = out + torch.cat([layer.bias for layer in layers])[:, None]
        return Wide(out.view(x.k, -1, len(x.tensor)), "stacked", x.k)
    weight = torch.stack([layer.weight for layer in layers])
    if not biased:
        return Wide(torch.bmm(weight, x.tensor), "stacked", x.k)
    bias = torch.stack([layer.bias for layer in layers])[:, :, None]
    return Wide(torch.baddbmm(bias, weight, x.tensor), "stacked", x.k)


def _conv(layers: Sequence[Any], x: Wide) -> Wide:
    first, groups = layers[0], 1 if x.layout == "common" else x.k
    weight = torch.cat([layer.weight for layer in layers])
    bias = None if first.bias is None else torch.cat([layer.bias for layer in layers])
    out = F.conv2d(x.tensor, weight, bias, first.stride, first.padding, first.dilation, groups)
    return Wide(out, "channels", x.k)


def _batch_norm(layers: Sequence[Any], x: Wide) -> Wide:
    first, x = layers[0], x.apart()
    mean, var = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("running_mean", "running_var"))
    weight, bias = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
    out = F.batch_norm(x.tensor, mean, var, weight, bias, first.training, first.momentum, first.eps)
    if first.training:
        with torch.no_grad():
            torch._foreach_copy_([layer.running_mean for layer in layers], list(mean.chunk(x.k)))
            torch._foreach_copy_([layer.running_var for layer in layers], list(var.chunk(x.k)))
            torch._foreach_add_([layer.num_batches_tracked for layer in layers], 1)
    return Wide(out, "channels", x.k)


def _flatten(layers: Sequence[Any], x: Wide) -> Wide:
    if x.layout == "common":
        return Wide(x.tensor.flatten(1), "common", x.k)
    if x.layout == "stacked":
        return x
    return Wide(x.tensor.reshape(len(x.tensor), x.k, -1).permute(1, 2, 0), "stacked", x.k)


def _alike(layers: Sequence[Any], x: Wide) -> Wide:
    """Layers without weights that treat every feature, or every channel, by itself."""
    return Wide(layers[0](x.tensor), x.layout, x.k)


def _dropout(layers: Sequence[Any], x: Wide) -> Wide:
    return _alike(layers, x.apart() if layers[0].training else x)  # every copy drops features of its own


Layered = Callable[[Sequence[Any], Wide], Wide]

LAYERS: dict[type[nn.Module], Layered] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.BatchNorm2d: _batch_norm,
    nn.Flatten: _flatten,
    nn.Dropout: _dropout,
    **dict.fromkeys(
        (nn.Identity, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Sigmoid, nn.Softplus), _alike
    ),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d), _alike),
}
MAPS = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
ALIKE = {F.relu, torch.relu, F.gelu, F.silu, torch.tanh, torch.sigmoid, "relu", "tanh", "sigmoid"}
SUMS = {operator.add, torch.add, "add"}


class Siblings:
    """Copies of one stage as one callable on :class:`Wide`.

    Args:
        copies: Of one stage, at least two.
        steps: From :func:`steps_of` the first of them.
    """

    def __init__(self, copies: Sequence[nn.Module], steps: "Sequence[fx.Node]") -> None:
        self.k = len(copies)
        self._first, self._last = steps[0].name, steps[-1].name
        self._program: list[tuple[str, tuple[str, ...], Layered | None, Sequence[nn.Module], Any]] = []
        for node in steps[1:]:
            inputs = tuple(arg.name for arg in node.args if isinstance(arg, fx.Node))
            layers = [copy.get_submodule(str(node.target)) for copy in copies] if node.op == "call_module" else []
            layered = LAYERS[type(layers[0])] if layers else None
            self._program.append((node.name, inputs, layered, layers, node.target))
        self._modules = [part for copy in copies for part in copy.modules()]
        linear = [m for m in copies[0].modules() if isinstance(m, nn.Linear)]
        self.widest = max((m.in_features * m.out_features for m in linear), default=0)
        convolutions = [m for m in copies[0].modules() if isinstance(m, nn.Conv2d)]
        self.maps = bool(convolutions)
        self._growth = growth(convolutions[0]) if convolutions else 1.0

    def __call__(self, x: Wide, chosen: Sequence[int] | None = None) -> Wide:
        """Run them all, or those ``chosen`` by position."""
        values = {self._first: x}
        for name, inputs, layered, layers, target in self._program:
            given = [values[i] for i in inputs]
            own = layers if chosen is None else [layers[k] for k in chosen if layers]
            values[name] = layered(own, given[0]) if layered else _function(target, given)
        return values[self._last]

    @property
    def may_pay(self) -> bool:
        """Whether there are inputs for which running together is faster."""
        return self.maps or (self.k >= FEWEST_COPIES and self.widest <= MOST_WEIGHTS)

    def pays(self, parts: Sequence[Tensor], *, common: bool) -> bool:
        """Whether running together is faster than in turn, by trials on one CPU thread.

        ``taskgroup bench build`` shows what the rule brings.

        Never where somebody hooked a module: hooks see only modules that are called.
        """
        first = parts[0]
        if any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in self._modules):
            return False
        if self.maps:
            pixels = first.numel() * self._growth / 4 if common else first.numel()
            return first.ndim == 4 and pixels <= MOST_PIXELS
        return self.may_pay and (common or first.ndim == 2)

    @staticmethod
    def heads(x: Wide, heads: Sequence[nn.Module]) -> Sequence[Tensor] | None:
        """Outputs of linear heads of one width, one on each copy's features; None for others."""
        alike = all(isinstance(head, nn.Linear) and head.out_features == heads[0].out_features for head in heads)
        return _linear(heads, x).parts if alike and x.layout == "stacked" else None


MOST_PIXELS = 50_000
"""Maps of one copy above this size are convolved one copy after the other; where all read the same, maps that the first
convolution makes four times as large."""
MOST_WEIGHTS, FEWEST_COPIES = 64 * 64, 4
"""Copies with a linear layer above this size, and fewer copies, run one after the other."""


def growth(layer: nn.Conv2d) -> float:
    """Numbers in the layer's output for each in its input, borders left aside."""
    (down, across) = layer.stride
    return layer.out_channels / (layer.in_channels * down * across)


def _function(target: Any, given: Sequence[Wide]) -> Wide:
    if target in SUMS:
        one, two = given if given[0].layout == given[1].layout else [x.apart() for x in given]
        return Wide(one.tensor + two.tensor, one.layout, one.k)
    (x,) = given
    made = getattr(x.tensor, target)() if isinstance(target, str) else target(x.tensor)
    return Wide(made, x.layout, x.k)


def steps_of(stage: nn.Module) -> "list[fx.Node] | None":
    """The operations of ``stage`` in order, None where it is not made of what copies can do together."""
    if not all(type(leaf) in LAYERS and _simple(leaf) for leaf in stage.modules() if not list(leaf.children())):
        return None
    own = [part for part in stage.modules() if type(part) not in LAYERS]
    if any(True for part in own for _ in (*part.parameters(recurse=False), *part.buffers(recurse=False))):
        return None
    nodes, others = _traced(stage, training=True), _traced(stage, training=False)
    if nodes is None or others is None or list(map(_shown, nodes)) != list(map(_shown, others)):
        return None
    first, *inner, out = nodes
    if first.op != "placeholder" or not inner or out.args[0] is not inner[-1] or not all(map(_known, inner)):
        return None
    called = [node.target for node in inner if node.op == "call_module"]
    return [first, *inner] if len(set(called)) == len(called) else None


def _traced(stage: nn.Module, *, training: bool) -> "list[fx.Node] | None":
    mode = stage.training
    try:
        return list(fx.Tracer().trace(stage.train(training)).nodes)
    except Exception:  # whatever a user's forward does to a proxy
        return None
    finally:
        stage.train(mode)


def _shown(node: fx.Node) -> str:
    return f"{node.op} {node.name} {node.target} {node.args} {node.kwargs}"


def _known(node: fx.Node) -> bool:
    arguments = [arg for arg in node.args if isinstance(arg, fx.Node)]
    if node.op == "call_module":
        return len(node.args) == 1 and not node.kwargs
    if node.op not in ("call_function", "call_method"):
        return False
    target = cast("Any", node.target)
    plain = len(arguments) == len(node.args) and not {k: v for k, v in node.kwargs.items() if v not in (False, "none")}
    return plain and (len(arguments) == 2 if target in SUMS else target in ALIKE and len(arguments) == 1)


def _simple(leaf: nn.Module) -> bool:
    """Whether its options are those that the functions above know."""
    if isinstance(leaf, nn.Conv2d):
        return leaf.groups == 1 and leaf.padding_mode == "zeros"
    if isinstance(leaf, nn.BatchNorm2d):
        return leaf.affine and leaf.track_running_stats and leaf.momentum is not None
    if isinstance(leaf, nn.Flatten):
        return leaf.start_dim == 1 and leaf.end_dim == -1
    return True
