"""Modules as classes: constructor and forward pass, the same source only once."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx, nn

from taskgroup.exporters.code.aten import exported
from taskgroup.exporters.code.errors import InexpressibleError
from taskgroup.exporters.code.leaves import constructor
from taskgroup.exporters.code.statements import Statements, both_modes
from taskgroup.exporters.code.tracing import arguments, trace
from taskgroup.nn.flow import Flow

_LARGEST_CONSTANT = 64


class Classes:
    """Classes of one file.

    Attributes:
        sources: Class name → source, in an order in which each uses only those before it.
        evaluation_only: Classes whose forward pass does something else while training, which the source does not say.
    """

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.evaluation_only: list[str] = []
        self._names: dict[str, str] = {}

    def expression(self, module: nn.Module, wanted: str | None = None) -> str:
        """Source that makes ``module``, which is called with one argument; adds the classes that it needs.

        Args:
            module: Any module.
            wanted: Class name where a class is made of a torch.nn module or a sequence; None writes them in place.

        Raises:
            InexpressibleError: It has a part that cannot be written as code.
        """
        text = self._plain(module)
        if text is None:
            name, given = _one_argument(module)
            return self._custom(module, [name], given) + "()"
        if wanted is None:
            return text
        base, _, inner = text.partition("(")
        words = [inner.removesuffix(")")]
        if base == "nn.Sequential" and "OrderedDict" not in inner:
            words = ["", *(f"    {self.expression(part)}," for part in module.children()), ""]
        return self._named(wanted, _subclass(base, words)) + "()"

    def run(self, module: nn.Module, rows: Flow) -> str:
        """As :meth:`expression`, of the operations that ``module`` runs on ``rows`` in its present mode.

        Raises:
            InexpressibleError: It cannot be run that way either.
        """
        graph = exported(module, rows)
        made = _Custom(self, module, ["flow"], {}, lambda _: True)
        statements = Statements(graph, made._call, made._attribute, type(module).__name__)
        name = self._named(_class(module), made._source(statements.inputs, statements.lines))
        if name not in self.evaluation_only:
            self.evaluation_only.append(name)
        return f"{name}()"

    def _plain(self, module: nn.Module) -> str | None:
        """Modules of torch.nn, and sequences of modules; None for others."""
        _check_hooks(module)
        if type(module).forward is nn.Sequential.forward:
            parts = {name: self.expression(part) for name, part in module.named_children()}
            if list(parts) == [str(k) for k in range(len(parts))]:
                return f"nn.Sequential({', '.join(parts.values())})"
            inner = ", ".join(f"({name!r}, {part})" for name, part in parts.items())
            return f"nn.Sequential(OrderedDict([{inner}]))"
        return constructor(module)

    def _custom(self, module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any]) -> str:
        """Name of the class of a module with a forward pass of its own.

        Its parts become classes too; where that fails, e.g. since one gives a tuple that is unpacked, they are
        written into its own forward pass.
        """
        before = dict(self.sources), list(self.evaluation_only), dict(self._names)
        try:
            return _Custom(self, module, inputs, given, lambda _: True).add()
        except InexpressibleError as error:
            if not any(True for part in module.children() if constructor(part) is None):
                raise
            self.sources, self.evaluation_only, self._names = before
            try:
                return _Custom(self, module, inputs, given, self._is_leaf).add()
            except InexpressibleError:
                raise error from None

    def _is_leaf(self, module: nn.Module) -> bool:
        return constructor(module) is not None

    def _named(self, wanted: str, body: str) -> str:
        """The name under which ``body`` stands, a new one where it is new."""
        if body not in self._names:
            name, k = wanted, 2
            while name in self.sources:
                name, k = f"{wanted}{k}", k + 1
            self._names[body] = name
            self.sources[name] = body.replace("{name}", name, 1)
        return self._names[body]


class _Custom:
    """One class in the making."""

    def __init__(
        self, classes: Classes, module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any],
        leaf: Callable[[nn.Module], bool],
    ) -> None:  # fmt: skip
        self._classes, self._module, self._leaf = classes, module, leaf
        self._inputs, self._given = inputs, given
        self._called: dict[str, str] = {}
        self._tensors: list[str] = []

    def add(self) -> str:
        evaluation, training = self._statements(False), self._statements(True)
        lines = None if training is None else both_modes(evaluation.lines, training.lines)
        body = self._source(evaluation.inputs, lines or evaluation.lines)
        made = self._classes._named(_class(self._module), body)
        if lines is None and made not in self._classes.evaluation_only:
            self._classes.evaluation_only.append(made)
        return made

    def _statements(self, training: bool) -> Any:
        modes = {part: part.training for part in self._module.modules()}
        for name in [n for n in vars(self._module) if n.startswith("_tensor_constant")]:
            delattr(self._module, name)  # of an earlier trace; the new one counts from 0 again
        try:
            self._module.train(training)
            graph = trace(self._module, self._inputs, self._given, self._leaf)
            return Statements(graph, self._call, self._attribute, type(self._module).__name__)
        except InexpressibleError:
            if training:
                return None
            raise
        finally:
            for part, mode in modes.items():
                part.training = mode

    def _call(self, node: fx.Node, source: Callable[[Any], str]) -> str:
        path = str(node.target)
        part = self._module.get_submodule(path)
        plain = self._classes._plain(part)
        if plain is not None:
            words = [source(v) for v in node.args] + [f"{k}={source(v)}" for k, v in node.kwargs.items()]
        else:
            bound = arguments(part, node.args, node.kwargs)
            inputs = [name for name, value in bound.items() if _is_open(value)]
            words = [source(bound[name]) for name in inputs]
            given = {name: value for name, value in bound.items() if name not in inputs}
            plain = self._classes._custom(part, inputs, given) + "()"
        if self._called.setdefault(path, plain) != plain:
            raise InexpressibleError(type(part).__name__, "it is called in two ways")
        return f"{self._access(path)}({', '.join(words)})"

    def _attribute(self, path: str) -> str:
        if path not in self._tensors:
            self._tensors.append(path)
        return self._access(path)

    def _access(self, path: str) -> str:
        """``self.layers[0].weight``."""
        owner: Any = self._module
        text = "self"
        for word in path.split(".") if path else ():
            if _is_list(owner):
                text = f"{text}[{word}]"
            else:
                text = f"{text}.{word}" if word.isidentifier() else f"getattr({text}, {word!r})"
            owner = getattr(owner, word)
        return text

    def _source(self, inputs: Sequence[str], lines: Sequence[str]) -> str:
        kind = type(self._module)
        parts = [f"        {line}" for line in self._parts("", self._module)]
        return "\n".join(
            [
                "class {name}(nn.Module):",
                f'    """After `{kind.__module__}.{kind.__qualname__}`."""',
                "",
                *(["    def __init__(self):", "        super().__init__()", *parts, ""] if parts else []),
                f"    def forward(self, {', '.join(inputs)}):",
                *(f"        {line}" for line in lines),
            ]
        )

    def _parts(self, path: str, owner: nn.Module) -> Iterator[str]:
        """Statements that make what the forward pass uses of ``owner``."""
        inside = f"{path}." if path else ""
        for name, child in owner.named_children():
            yield from self._part(inside + name, child)
        for name in [p for p in self._tensors if p.rpartition(".")[0] == path]:
            if not any(name.startswith(f"{called}.") for called in self._called):
                yield self._tensor(name)

    def _part(self, path: str, child: nn.Module) -> Iterator[str]:
        used = [p for p in (*self._called, *self._tensors) if p == path or p.startswith(f"{path}.")]
        if not used:
            return
        if path in self._called:
            yield self._assigned(path, self._called[path])
        elif _is_list(child):
            entries = (self._called.get(f"{path}.{name}", "nn.Module()") for name, _ in child.named_children())
            yield self._assigned(path, f"nn.ModuleList([{', '.join(entries)}])")
            for name, inner in child.named_children():
                if f"{path}.{name}" not in self._called:
                    yield from self._parts(f"{path}.{name}", inner)
        else:
            yield self._assigned(path, "nn.Module()")
            yield from self._parts(path, child)

    def _assigned(self, path: str, expression: str) -> str:
        owner, _, name = path.rpartition(".")
        if name.isidentifier():
            return f"{self._access(path)} = {expression}"
        return f"{self._access(owner)}.add_module({name!r}, {expression})"

    def _tensor(self, path: str) -> str:
        owner, _, name = path.rpartition(".")
        tensor: Any = reduce(getattr, path.split("."), self._module)
        zeros = f"torch.zeros({', '.join(map(str, tensor.shape)) or '()'}{_dtype(tensor)})"
        if isinstance(tensor, nn.Parameter):
            frozen = "" if tensor.requires_grad else ", requires_grad=False"
            return f"{self._access(path)} = nn.Parameter({zeros}{frozen})"
        holder = self._access(owner)
        if not name.startswith("_tensor_constant"):
            return f"{holder}.register_buffer({name!r}, {zeros})"
        if tensor.numel() > _LARGEST_CONSTANT:
            raise InexpressibleError(type(self._module).__name__, "its forward makes a large tensor of constants")
        value = f"torch.tensor({tensor.tolist()!r}, dtype={tensor.dtype})"
        return f"{holder}.register_buffer({name!r}, {value}, persistent=False)"


def _class(module: nn.Module) -> str:
    return re.sub(r"\W", "", type(module).__name__) or "Part"


def _is_list(module: nn.Module) -> bool:
    """Whether its parts are numbered from 0."""
    names = list(module._modules)
    return isinstance(module, nn.ModuleList | nn.Sequential) and names == [str(k) for k in range(len(names))]


def _subclass(base: str, given: Sequence[str]) -> str:
    """A class of its own for a module of torch.nn with its arguments."""
    inner = "\n        ".join(given)
    return f"class {{name}}({base}):\n    def __init__(self):\n        super().__init__({inner})"


def _one_argument(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Name of the argument that a call with one gives, and the values of the others."""
    marker = object()
    bound = arguments(module, [marker], {})
    names = [name for name, value in bound.items() if value is marker]
    if not names:
        raise InexpressibleError(type(module).__name__, "its forward does not name its argument")
    return names[0], {name: value for name, value in bound.items() if value is not marker}


def _is_open(value: Any) -> bool:
    found: list[fx.Node] = []
    fx.node.map_arg(value, found.append)
    return bool(found)


def _dtype(tensor: Tensor) -> str:
    return "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"


def _check_hooks(module: nn.Module) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise InexpressibleError(type(module).__name__, "it has forward hooks; remove them")
