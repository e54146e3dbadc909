"""Graphs as Python statements."""

import builtins
import inspect
import keyword
import math
import operator
import re
from collections.abc import Callable, Sequence, Set
from functools import cache
from typing import Any, cast

import torch
from torch import fx
from torch.nn import functional as F

from taskgroup.exporters.code.errors import InexpressibleError
from taskgroup.exporters.code.leaves import literal

_BINARY = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
    operator.mod: "%", operator.pow: "**", operator.matmul: "@", operator.and_: "&", operator.or_: "|",
    operator.xor: "^", operator.eq: "==", operator.ne: "!=", operator.lt: "<", operator.le: "<=",
    operator.gt: ">", operator.ge: ">=",
}  # fmt: skip
_UNARY = {operator.neg: "-", operator.invert: "~", operator.pos: "+"}
_TAKEN = {"torch", "nn", "F", "math", "self", "Tensor", *keyword.kwlist, *dir(builtins)}


@cache
def _functions() -> dict[Any, str]:
    """Public functions by what they are; the shortest name of each."""
    spaces = {
        "math": math, "torch.fft": torch.fft, "torch.linalg": torch.linalg, "torch.special": torch.special,
        "torch": torch, "F": F,
    }  # fmt: skip
    found: dict[Any, str] = {}
    for space, module in spaces.items():
        found.update({v: f"{space}.{k}" for k, v in vars(module).items() if k[0] != "_" and callable(v) and _hashed(v)})
    return {**found, **{f: f.__name__ for f in (len, abs, min, max, sum, round, int, float, bool, tuple, list)}}


def _hashed(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Statements:
    """One graph's statements.

    Args:
        graph: Of a forward pass.
        call: Source of the call of a part: its node and the sources of values → text.
        attribute: Source of the tensor at a path (``self.a.b``).
        holder: Class whose forward it is, for errors.
        kept: Names of nodes and of their arguments that are written even where they have their defaults.
    """

    def __init__(
        self, graph: fx.Graph, call: Callable[[fx.Node, Callable[[Any], str]], str],
        attribute: Callable[[str], str], holder: str, kept: Set[tuple[str, str]] = frozenset(),
    ) -> None:  # fmt: skip
        self._call, self._attribute, self._holder, self._kept = call, attribute, holder, kept
        self._sources: dict[fx.Node, str] = {}
        self.inputs: list[str] = []
        self.lines: list[str] = []
        for node in graph.nodes:
            self._add(node)
        self._fold_return()

    def _add(self, node: fx.Node) -> None:
        name = node.name + "_" if node.name in _TAKEN else node.name
        if node.op == "placeholder":
            self.inputs.append(name)
            self._sources[node] = name
        elif node.op == "output":
            self.lines.append(f"return {self.source(node.args[0])}")
        elif node.op == "get_attr":
            self._sources[node] = self._attribute(str(node.target)) if node.users else ""
        else:
            expression = self._expression(node)
            if node.op == "call_function" and node.target in (getattr, operator.getitem) and _is_view(node):
                self._sources[node] = expression
            else:
                self._sources[node] = name
                self.lines.append(f"{name} = {expression}" if node.users else expression)

    def _fold_return(self) -> None:
        """``return a + b`` for ``c = a + b`` and ``return c``."""
        name = self.lines[-1].removeprefix("return ")
        if len(self.lines) > 1 and self.lines[-2].startswith(f"{name} = "):
            self.lines[-2:] = ["return " + self.lines[-2].removeprefix(f"{name} = ")]

    def _expression(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return self._call(node, self.source)
        args = [self.source(arg) for arg in node.args]
        words = [*args, *(f"{key}={self.source(value)}" for key, value in _telling(node, self._kept).items())]
        if node.op == "call_method":
            return f"{_operand(words[0])}.{node.target}({', '.join(words[1:])})"
        target: Any = node.target
        if target is getattr:
            return f"{args[0]}.{node.args[1]}"
        if target is operator.getitem:
            return f"{args[0]}[{self._index(node.args[1])}]"
        if target in _BINARY:
            return f"{f'({args[0]})' if args[0][0] == '-' else args[0]} {_BINARY[target]} {args[1]}"
        if target in _UNARY:
            return f"{_UNARY[target]}{_operand(args[0])}"
        return f"{self._function(target)}({', '.join(words)})"

    def _function(self, target: Any) -> str:
        if isinstance(target, torch._ops.OpOverload):
            return f"torch.ops.{target}"  # the overload that ran, not one found by the types
        name = _functions().get(target) if _hashed(target) else None
        if name is None:
            called = f"{getattr(target, '__module__', '?')}.{getattr(target, '__name__', target)}"
            raise InexpressibleError(self._holder, f"its forward calls `{called}`, which is not torch's")
        return name

    def source(self, value: Any) -> str:
        """A node's name, or the source of a constant."""
        if isinstance(value, fx.Node):
            return self._sources[value]
        if isinstance(value, slice):
            parts = [self.source(part) for part in (value.start, value.stop, value.step)]
            return f"slice({', '.join(parts)})"
        if isinstance(value, tuple | list):
            inner = ", ".join(map(self.source, value))
            comma = "," if len(value) == 1 and isinstance(value, tuple) else ""
            return f"({inner}{comma})" if isinstance(value, tuple) else f"[{inner}]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self.source(part)}" for key, part in value.items()) + "}"
        if value is Ellipsis:
            return "..."
        if isinstance(value, torch.device):
            return f"torch.device({str(value)!r})"
        if isinstance(value, torch.memory_format | torch.layout):
            return repr(value)
        text = literal(value)
        if text is None:
            raise InexpressibleError(self._holder, f"its forward uses a {type(value).__name__} made outside of it")
        return text

    def _index(self, value: Any) -> str:
        """``:, 0`` for ``(slice(None), 0)``."""
        if isinstance(value, tuple) and value:
            return ", ".join(map(self._index, value)) + ("," if len(value) == 1 else "")
        if isinstance(value, slice):
            ends = ["" if end is None else self.source(end) for end in (value.start, value.stop, value.step)]
            return ":".join(ends if ends[2] else ends[:2])
        return self.source(value)


def _telling(node: fx.Node, kept: Set[tuple[str, str]]) -> dict[str, Any]:
    """Named arguments that differ from their defaults."""
    try:
        parameters = inspect.signature(cast("Any", node.target)).parameters if callable(node.target) else {}
    except ValueError:  # built-in functions have none
        parameters = {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return {
        key: value
        for key, value in node.kwargs.items()
        if (node.name, key) in kept or key not in defaults or not _same(value, defaults[key])
    }


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and literal(value) is not None and value == default


def _is_view(node: fx.Node) -> bool:
    """Whether it is plain enough to stand inside another expression."""
    return node.target is getattr or isinstance(node.args[1], int)


def _operand(text: str) -> str:
    return f"({text})" if text[0] in "-+~" or re.fullmatch(r"[\d.e]+", text) else text


def differing(graphs: Sequence[fx.Graph]) -> set[tuple[str, str]]:
    """Names of nodes and of those of their named arguments that differ between traces of one forward pass."""
    return {
        (nodes[0].name, key)
        for nodes in zip(*(graph.nodes for graph in graphs), strict=False)
        for key in nodes[0].kwargs
        if len({str(node.kwargs.get(key)) for node in nodes}) > 1
    }


def both_modes(evaluation: Sequence[str], training: Sequence[str]) -> list[str] | None:
    """Statements that hold in either mode: where constants differ they depend on ``self.training``.

    None where more than constants differs.
    """
    if len(evaluation) != len(training):
        return None
    found = []
    for line, other in zip(evaluation, training, strict=True):
        ours, theirs = re.split(_CONSTANT, line), re.split(_CONSTANT, other)
        if ours[::2] != theirs[::2]:
            return None
        words = [a if a == b else _chosen(a, b) for a, b in zip(ours, theirs, strict=True)]
        found.append("".join(words))
    return found


_CONSTANT = r"(?<![\w.\"'])(True|False|None|-?\d[\w.+-]*)(?![\w\"'])"


def _chosen(evaluation: str, training: str) -> str:
    if (evaluation, training) == ("False", "True"):
        return "self.training"
    return f"({training} if self.training else {evaluation})"
