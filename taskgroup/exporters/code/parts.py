"""What a forward pass uses of its module: where it finds it, and statements that make it."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.exporters.code.errors import InexpressibleError

CONSTANT = "_tensor_constant"
"""How torch.fx names tensors that a forward pass makes of plain values."""
_LARGEST_CONSTANT = 64


class Parts:
    """Parts and tensors of one module; those that are not used are not made.

    Args:
        module: The module.

    Attributes:
        called: Path of a part that is called → source that makes it.
        tensors: Paths of the parameters, buffers and constants that are read.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.called: dict[str, str] = {}
        self.tensors: list[str] = []

    def call(self, path: str, expression: str) -> str:
        """Source of the part at ``path``, which ``expression`` makes.

        Raises:
            InexpressibleError: It is called a second time in another way.
        """
        if self.called.setdefault(path, expression) != expression:
            raise InexpressibleError(type(self._module).__name__, f"its forward calls `{path}` in two ways")
        return self.access(path)

    def tensor(self, path: str) -> str:
        """Source of the tensor at ``path``."""
        if path not in self.tensors:
            self.tensors.append(path)
        return self.access(path)

    def access(self, path: str) -> str:
        """``self.layers[0].weight``."""
        owner: Any = self._module
        text = "self"
        for word in path.split(".") if path else ():
            if _is_list(owner) and owner is not self._module:  # the class itself is no list
                text = f"{text}[{word}]"
            else:
                text = f"{text}.{word}" if word.isidentifier() else f"getattr({text}, {word!r})"
            owner = getattr(owner, word)
        return text

    def statements(self, path: str = "", owner: nn.Module | None = None) -> Iterator[str]:
        """Statements that make what is used of ``owner``, which stands at ``path``."""
        for name, child in (owner or self._module).named_children():
            yield from self._part(f"{path}.{name}" if path else name, child)
        for name in [p for p in self.tensors if p.rpartition(".")[0] == path]:
            if not any(name.startswith(f"{called}.") for called in self.called):
                yield self._zeros(name)

    def _part(self, path: str, child: nn.Module) -> Iterator[str]:
        if not any(f"{p}.".startswith(f"{path}.") for p in (*self.called, *self.tensors)):
            return
        if path in self.called:
            yield self._assigned(path, self.called[path])
        elif _is_list(child):
            entries = (self.called.get(f"{path}.{name}", "nn.Module()") for name, _ in child.named_children())
            yield self._assigned(path, f"nn.ModuleList([{', '.join(entries)}])")
            for name, inner in child.named_children():
                if f"{path}.{name}" not in self.called:
                    yield from self.statements(f"{path}.{name}", inner)
        else:
            yield self._assigned(path, "nn.Module()")
            yield from self.statements(path, child)

    def _assigned(self, path: str, expression: str) -> str:
        owner, _, name = path.rpartition(".")
        if name.isidentifier():
            return f"{self.access(path)} = {expression}"
        return f"{self.access(owner)}.add_module({name!r}, {expression})"

    def _zeros(self, path: str) -> str:
        """A parameter or buffer, whose value comes with the weights; constants have theirs."""
        owner, _, name = path.rpartition(".")
        tensor: Any = reduce(getattr, path.split("."), self._module)
        zeros = f"torch.zeros({', '.join(map(str, tensor.shape)) or '()'}{_dtype(tensor)})"
        if isinstance(tensor, nn.Parameter):
            frozen = "" if tensor.requires_grad else ", requires_grad=False"
            return f"{self.access(path)} = nn.Parameter({zeros}{frozen})"
        if not name.startswith(CONSTANT) or name in self._module.get_submodule(owner)._buffers:
            return f"{self.access(owner)}.register_buffer({name!r}, {zeros})"
        if tensor.numel() > _LARGEST_CONSTANT:
            raise InexpressibleError(type(self._module).__name__, "its forward makes a large tensor of constants")
        value = f"torch.tensor({tensor.tolist()!r}, dtype={tensor.dtype})"
        return f"{self.access(owner)}.register_buffer({name!r}, {value}, persistent=False)"


def _is_list(module: nn.Module) -> bool:
    """Whether its parts are numbered from 0."""
    names = list(module._modules)
    return isinstance(module, nn.ModuleList | nn.Sequential) and names == [str(k) for k in range(len(names))]


def _dtype(tensor: Tensor) -> str:
    return "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
