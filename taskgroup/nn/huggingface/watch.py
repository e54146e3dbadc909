"""Watch: which layers a model runs with what, and which modules come after them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.nn.huggingface.calls import Observed


@dataclass
class Watched:
    """One forward pass of a model.

    Attributes:
        order: Numbers of the layers in the order in which they ran.
        calls: What each run was called with and gave.
        after: Path → output of the modules that ran after the last layer, without those inside another.
        output: Of the model.
    """

    order: list[int] = field(default_factory=list)
    calls: list[Observed] = field(default_factory=list)
    after: dict[str, Any] = field(default_factory=dict)
    output: Any = None

    @property
    def last(self) -> Tensor:
        """The last hidden state."""
        found: Tensor = self.output.last_hidden_state
        return found

    @property
    def pooler(self) -> str | None:
        """Path of the module that gives the model's pooled output."""
        pooled = getattr(self.output, "pooler_output", None)
        return next((path for path, output in self.after.items() if pooled is not None and output is pooled), None)

    @property
    def tail(self) -> tuple[str, ...]:
        """Paths of the modules between the last layer and the last hidden state."""
        paths = list(self.after)
        return tuple(paths[: paths.index(self.pooler)] if self.pooler else paths)

    def note_layer(self, number: int, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """A layer has run."""
        self.order.append(number)
        self.calls.append(Observed(args, dict(kwargs), output))
        self.after.clear()

    def note_start(self, path: str, *_: Any) -> None:
        """A module outside the layers begins."""
        if not any(path.startswith(f"{outer}.") for outer in self.after):
            self.after[path] = None

    def note_end(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        """A module outside the layers has run."""
        if path in self.after:
            self.after[path] = output


@torch.no_grad()
def watched(model: nn.Module, blocks: str, arguments: Mapping[str, Tensor]) -> Watched:
    """Run ``model`` and watch the layers of its list ``blocks``."""
    found = Watched()
    handles = []
    for number, layer in enumerate(model.get_submodule(blocks).children()):
        handles.append(layer.register_forward_hook(partial(found.note_layer, number), with_kwargs=True))
    for path, module in model.named_modules():
        around, inside = f"{blocks}.".startswith(f"{path}."), path.startswith(f"{blocks}.")
        if path and not around and not inside:
            handles.append(module.register_forward_pre_hook(partial(found.note_start, path)))
            handles.append(module.register_forward_hook(partial(found.note_end, path)))
    try:
        found.output = model(**arguments)
    finally:
        for handle in handles:
            handle.remove()
    return found
