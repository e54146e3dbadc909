"""Constructor expressions of torch.nn modules, each checked by building it."""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn


def constructor(module: nn.Module) -> str | None:
    """An expression such as ``nn.Linear(4, 6)`` that makes a module like this one; None where none is found.

    Weights are not part of it. What it makes has the same attributes, and tensors of the same names, shapes and types;
    candidates that do not are left aside.
    """
    if getattr(nn, type(module).__name__, None) is not type(module):
        return None
    for make in (_encoder_layer, _from_attributes_short, _from_attributes, _from_repr):
        candidate = make(module)
        if candidate is not None and _makes(candidate, module):
            return candidate
    return None


def literal(value: Any) -> str | None:
    """Source of a plain value; None for any other."""
    if isinstance(value, bool | int | str | type(None) | torch.dtype):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, tuple | list):
        parts = [literal(part) for part in value]
        if None in parts:
            return None
        inner = ", ".join(str(part) for part in parts) + ("," if len(parts) == 1 and isinstance(value, tuple) else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    return None


def _from_attributes_short(module: nn.Module) -> str | None:
    """As :func:`_from_attributes`, with ``3`` for ``(3, 3)``."""
    return _from_attributes(module, lambda v: v[0] if isinstance(v, tuple) and len(set(v)) == 1 else v)


def _from_attributes(module: nn.Module, shortened: Callable[[Any], Any] = lambda v: v) -> str | None:
    """Arguments read off the attributes of the same names, defaults left out."""
    words: list[str] = []
    for name, parameter in list(inspect.signature(type(module)).parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
        needed = parameter.default is parameter.empty
        if not needed and not hasattr(module, name):
            continue
        value = shortened(getattr(module, name, None))
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        text = literal(value)
        if text is None:
            return None
        if needed:
            words.append(text)
        elif value != parameter.default:
            words.append(f"{name}={text}")
    return _call(module, words)


def _from_repr(module: nn.Module) -> str | None:
    return None if next(module.children(), None) else _call(module, [module.extra_repr()])


def _encoder_layer(module: nn.Module) -> str | None:
    """The one module of torch.nn with parts inside whose arguments are not its attributes."""
    if type(module) is not nn.TransformerEncoderLayer:
        return None
    activation = getattr(module.activation, "__name__", "")
    return _call(
        module,
        [
            f"{module.self_attn.embed_dim}, {module.self_attn.num_heads}",
            f"dim_feedforward={module.linear1.out_features}, dropout={module.dropout.p!r}, activation={activation!r}",
            f"layer_norm_eps={module.norm1.eps!r}, batch_first={module.self_attn.batch_first}",
            f"norm_first={module.norm_first}, bias={module.linear1.bias is not None}",
        ],
    )


def _call(module: nn.Module, words: list[str]) -> str:
    tensor = next((t for t in module.parameters() if t.is_floating_point()), None)
    dtype = [] if tensor is None or tensor.dtype == torch.float32 else [f"dtype={tensor.dtype}"]
    return f"nn.{type(module).__name__}({', '.join(word for word in (*words, *dtype) if word)})"


def _makes(expression: str, module: nn.Module) -> bool:
    try:
        with torch.device("meta"):  # no memory, and no random numbers drawn
            made = eval(expression, {"nn": nn, "torch": torch})
    except (TypeError, ValueError, RuntimeError, SyntaxError, NameError, AssertionError, KeyError):
        return False
    return list(_described(made)) == list(_described(module))


def _described(module: nn.Module) -> Iterator[Any]:
    """Everything that decides what a module computes, but for its weights."""
    for path, part in module.named_modules():
        plain = {k: v for k, v in vars(part).items() if k[0] != "_" and k != "training"}
        shown = {k: v if literal(v) is not None else getattr(v, "__name__", repr(v)) for k, v in plain.items()}
        hooks = len(part._forward_hooks) + len(part._forward_pre_hooks)
        yield path, type(part), sorted(shown.items(), key=lambda item: item[0]), hooks
    yield [(k, v.shape, v.dtype) for k, v in module.state_dict().items()]
