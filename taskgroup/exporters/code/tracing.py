"""Forward passes as graphs (torch.fx), with every part that has source of its own left as a call."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import fx, nn

from taskgroup.exporters.code.errors import InexpressibleError, first_line


def trace(
    module: nn.Module, inputs: Sequence[str], given: Mapping[str, Any], leaf: Callable[[nn.Module], bool]
) -> fx.Graph:
    """The graph of ``module.forward``.

    Args:
        module: In the mode that is traced.
        inputs: Names of the arguments that stay open, in their order.
        given: Values of the others.
        leaf: Which parts stay calls.

    Raises:
        InexpressibleError: Tracing fails, e.g. at a branch that depends on values.
    """
    if isinstance(module, fx.GraphModule):
        return module.graph
    try:
        return _Tracer(inputs, given, leaf).trace(module)
    except Exception as error:  # forward is the user's: it may raise anything when it meets a stand-in
        raise InexpressibleError(type(module).__name__, f"its forward cannot be traced: {first_line(error)}") from error


def arguments(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Argument name → what it is called with, defaults filled in.

    Raises:
        InexpressibleError: A forward with ``*args``, or one that does not take these arguments.
    """
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InexpressibleError(type(module).__name__, f"its forward cannot be called: {error}") from error
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            found[name] = value
        elif value:
            raise InexpressibleError(type(module).__name__, f"its forward takes any number of arguments, `*{name}`")
    return found


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True  # else buffers would become constants

    def __init__(self, inputs: Sequence[str], given: Mapping[str, Any], leaf: Callable[[nn.Module], bool]) -> None:
        super().__init__()
        self._inputs, self._given, self._leaf = inputs, given, leaf

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self._leaf(m)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Parameters have known shapes, which forward passes may ask for; fx knows no such stand-in for buffers."""
        self.param_shapes_constant = isinstance(attr_val, nn.Parameter)
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """Placeholders for the open arguments alone; the others have their values."""
        open_ = {name: self.create_proxy("placeholder", name, (), {}) for name in self._inputs}
        positional, named = [], {**self._given, **open_}
        for name, parameter in list(inspect.signature(root_fn).parameters.items())[1:]:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(named.pop(name))

        def run(root: Any) -> Any:
            return root_fn(root, *positional, **named)

        return run, [self.root]
