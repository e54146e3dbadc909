"""Modules as classes: constructor and forward pass, the same source only once."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from taskgroup.exporters.code.aten import exported
from taskgroup.exporters.code.errors import InexpressibleError
from taskgroup.exporters.code.leaves import constructor
from taskgroup.exporters.code.parts import CONSTANT, Parts
from taskgroup.exporters.code.statements import Statements, both_modes, differing
from taskgroup.exporters.code.tracing import arguments, trace
from taskgroup.nn.flow import Flow

_TAKEN = ("DataLoader", "F", "LitNetwork", "Network", "OrderedDict", "Path", "TASKS")


@dataclass
class Classes:
    """Classes of one file.

    Attributes:
        sources: Class name → source, in an order in which each uses only those before it.
        evaluation_only: Classes whose forward pass does something else while training, which the source does not say.
        names: Source, without its name → class name.
        stage: Name for the class of the stage at hand, where its module has none of its own (a traced graph).
    """

    sources: dict[str, str] = field(default_factory=dict)
    evaluation_only: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    stage: str = ""

    def saved(self) -> "Classes":
        """As they are now."""
        return copy.deepcopy(self)

    def restore(self, saved: "Classes") -> None:
        """Forget what was added since."""
        self.sources, self.evaluation_only, self.names = saved.sources, saved.evaluation_only, saved.names

    def read(self, module: nn.Module, wanted: str | None = None) -> str:
        """Source that makes ``module``, which is called with one argument; adds the classes that it needs.

        Args:
            module: Any module.
            wanted: Class name where a class is made of a torch.nn module or a sequence; None writes them in place.

        Raises:
            InexpressibleError: It has a part that cannot be written as code.
        """
        text = self.plain(module)
        if text is None:
            name, given = _one_argument(module)
            return self.custom(module, [name], given) + "()"
        if wanted is None:
            return text
        base, _, inner = text.partition("(")
        words = [inner.removesuffix(")")]
        if base == "nn.Sequential" and "OrderedDict" not in inner:
            words = ["", *(f"    {self.read(part)}," for part in module.children()), ""]
        return self._named(wanted, _subclass(base, words)) + "()"

    def run(self, module: nn.Module, rows: Flow) -> str:
        """As :meth:`read`, of the operations that ``module`` runs on ``rows`` in its present mode.

        Raises:
            InexpressibleError: It cannot be run that way either.
        """
        parts = Parts(module)
        statements = Statements(exported(module, rows), _no_call, parts.tensor, type(module).__name__)
        return self._added(module, parts, statements.inputs, statements.lines, trains=False) + "()"

    def plain(self, module: nn.Module) -> str | None:
        """Source of modules of torch.nn, and of sequences of modules; None for others."""
        if module._forward_hooks or module._forward_pre_hooks:
            raise InexpressibleError(type(module).__name__, "it has forward hooks; remove them")
        if type(module).forward is not nn.Sequential.forward:
            return constructor(module)
        parts = {name: self.read(part) for name, part in module.named_children()}
        if list(parts) == [str(k) for k in range(len(parts))]:
            return f"nn.Sequential({', '.join(parts.values())})"
        inner = ", ".join(f"({name!r}, {part})" for name, part in parts.items())
        return f"nn.Sequential(OrderedDict([{inner}]))"

    def custom(self, module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any]) -> str:
        """Name of the class of a module with a forward pass of its own.

        Its parts become classes too; where that fails, e.g. since one gives a tuple that is unpacked, they are
        written into its own forward pass.

        Args:
            module: The module.
            inputs: Arguments of its forward that stay arguments.
            given: Values of the others.

        Raises:
            InexpressibleError: Neither works.
        """
        before = self.saved()
        try:
            return self._traced(module, inputs, given, lambda _: True)
        except InexpressibleError as error:
            self.restore(before)
            if all(constructor(part) is not None for part in module.children()):
                raise
            try:
                return self._traced(module, inputs, given, lambda part: constructor(part) is not None)
            except InexpressibleError:
                raise error from None

    def _traced(
        self, module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any], leaf: Callable[[nn.Module], bool]
    ) -> str:
        parts = Parts(module)

        def call(node: fx.Node, source: Callable[[Any], str]) -> str:
            return self._call(module, parts, node, source)

        graphs = _both_graphs(module, inputs, given, leaf)
        kept = differing(graphs)
        found = [Statements(graph, call, parts.tensor, type(module).__name__, kept) for graph in graphs]
        lines = both_modes(found[0].lines, found[1].lines) if len(found) == 2 else None
        return self._added(module, parts, found[0].inputs, lines or found[0].lines, trains=lines is not None)

    def _call(self, module: nn.Module, parts: Parts, node: fx.Node, source: Callable[[Any], str]) -> str:
        """Source of the call of a part."""
        path = str(node.target)
        part = module.get_submodule(path)
        expression = self.plain(part)
        if expression is not None:
            words = [source(v) for v in node.args] + [f"{k}={source(v)}" for k, v in node.kwargs.items()]
        else:
            bound = arguments(part, node.args, node.kwargs)
            inputs = [name for name, value in bound.items() if _is_open(value)]
            words = [source(bound[name]) for name in inputs]
            given = {name: value for name, value in bound.items() if name not in inputs}
            expression = self.custom(part, inputs, given) + "()"
        return f"{parts.call(path, expression)}({', '.join(words)})"

    def _added(self, module: nn.Module, parts: Parts, inputs: Sequence[str], lines: Sequence[str], trains: bool) -> str:
        kind, traced = type(module), isinstance(module, fx.GraphModule)
        origin = "Operations of a traced model." if traced else f"After `{kind.__module__}.{kind.__qualname__}`."
        init = [f"        {line}" for line in parts.statements()]
        body = [
            "class {name}(nn.Module):",
            f'    """{origin}"""',
            "",
            *(["    def __init__(self):", "        super().__init__()", *init, ""] if init else []),
            f"    def forward(self, {', '.join(inputs)}):",
            *(f"        {line}" for line in lines),
        ]
        wanted = self.stage if traced else re.sub(r"\W", "", kind.__name__)
        name = self._named(wanted or "Part", "\n".join(body))
        if not trains and name not in self.evaluation_only:
            self.evaluation_only.append(name)
        return name

    def _named(self, wanted: str, body: str) -> str:
        """The name under which ``body`` stands, a new one where it is new."""
        if body not in self.names:
            name, k = wanted, 2
            while name in self.sources or name in _TAKEN:
                name, k = f"{wanted}{k}", k + 1
            self.names[body] = name
            self.sources[name] = body.replace("{name}", name, 1)
        return self.names[body]


def _both_graphs(
    module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any], leaf: Callable[[nn.Module], bool]
) -> list[fx.Graph]:
    """Traces in evaluation and in training mode; only the first where training cannot be traced."""
    modes = {part: part.training for part in module.modules()}
    graphs: list[fx.Graph] = []
    try:
        for training in (False, True):
            for name in [name for name in vars(module) if name.startswith(CONSTANT)]:
                delattr(module, name)  # of the trace before: names count from 0 again
            graphs.append(trace(module.train(training), inputs, given, leaf))
    except InexpressibleError:
        if not graphs:
            raise
    finally:
        for part, mode in modes.items():
            part.training = mode
    return graphs


def _no_call(node: fx.Node, _: Callable[[Any], str]) -> str:
    raise InexpressibleError(str(node.target), "its forward holds a part that torch.export does not open")


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
