"""Stages: what comes before the layers, groups of layers, and pooling.

Each has ``origins``: path of its own parts → their path in the model.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from taskgroup.nn.flow import Flow, hidden, with_hidden
from taskgroup.nn.huggingface.calls import PLAIN, Basket, Call, Observed, Source
from taskgroup.nn.huggingface.inputs import Inputs, config_of

Pooling = Literal["mean", "first", "pooler"]


class Tap(nn.Module):
    """Stands in a layer's place: changes nothing and leaves what it was called with in ``basket``.

    Args:
        layer: The layer, whose plain attributes it shows, since some models ask their layers what to pass.
        number: Its number.
        n_outputs: Length of the tuple that the layer gives; 0 where it gives a tensor.
        basket: Where to leave the arguments.
    """

    def __init__(self, layer: nn.Module, number: int, n_outputs: int, basket: Basket) -> None:
        super().__init__()
        for name, value in vars(layer).items():
            if not name.startswith("_") and name != "training" and isinstance(value, PLAIN):
                setattr(self, name, value)
        self._number, self._n_outputs, self._basket = number, n_outputs, basket

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What it is given first, in the form in which the layer gives its result."""
        call = Observed(args, kwargs)
        self._basket.calls[self._number] = call
        return (call.hidden, *[None] * (self._n_outputs - 1)) if self._n_outputs else call.hidden


class Pass(nn.Module):
    """Stands in the place of what comes after the layers."""

    def forward(self, first: Any, *_: Any, **__: Any) -> Any:
        """What it is given first."""
        return first


class Embed(nn.Module):
    """Rows to the hidden state before the first layer, with the mask and all that the layers need.

    Args:
        shell: The model with a :class:`Tap` for every layer and nothing after them.
        inputs: How rows become its arguments.
        sources: Where the tensors that travel along are found.
        basket: Where the taps leave their arguments.
    """

    def __init__(self, shell: nn.Module, inputs: Inputs, sources: Sequence[Source], basket: Basket) -> None:
        super().__init__()
        self.origins = {"shell": ""}
        self.shell, self.inputs, self.sources, self._basket = shell, inputs, tuple(sources), basket

    def forward(self, rows: Tensor) -> Flow:
        """Rows ``(batch, ...)`` to the hidden state ``(batch, length, width)``; with company where there is any."""
        arguments = self.inputs.arguments(rows)
        state: Tensor = self.shell(**arguments).last_hidden_state
        company = [source.read(self._basket.calls[source.layer], state) for source in self.sources]
        self._basket.calls.clear()
        if self.inputs.masked:
            company.insert(0, arguments["attention_mask"])
        return (state, *company) if company else state

    def extra_repr(self) -> str:
        """What its modules do not show."""
        return f"{self.inputs}, {config_words(self.shell)}"


class Layers(nn.Module):
    """Some of the model's layers, one after the other.

    Args:
        layers: Path in the model → layer.
        calls: How each is called.
        n_skipped: Tensors that travel along and are none of the layers' (the mask).
        config: Tells configurations apart where their modules look alike.
    """

    def __init__(self, layers: Mapping[str, nn.Module], calls: Sequence[Call], n_skipped: int, config: str) -> None:
        super().__init__()
        self.origins = {f"layers.{k}": path for k, path in enumerate(layers)}
        self.calls = tuple(calls)
        self.layers = nn.ModuleList(layers.values())
        self.n_skipped, self.config = n_skipped, config

    def forward(self, flow: Flow) -> Flow:
        """The same company with the next hidden state."""
        state = hidden(flow)
        carried = () if isinstance(flow, Tensor) else flow[1 + self.n_skipped :]
        for layer, call in zip(self.layers, self.calls, strict=True):
            args, kwargs = call.fill(state, carried)
            output = layer(*args, **kwargs)
            state = output if isinstance(output, Tensor) else output[0]
        return with_hidden(flow, state)

    def extra_repr(self) -> str:
        """What its modules do not show."""
        return f"{', '.join(self.origins.values())}, {self.config}"


class Pool(nn.Module):
    """What the model does after its last layer, then one vector for each row.

    Args:
        tail: Path in the model → module (a last norm).
        pooling: ``mean`` of the positions that count, ``first`` position, or the model's own ``pooler``.
        pooler: Path → the model's own, for that.
        masked: Whether a mask travels along.
    """

    def __init__(
        self, tail: Mapping[str, nn.Module], pooling: Pooling, pooler: Mapping[str, nn.Module], *, masked: bool
    ) -> None:
        super().__init__()
        self.origins = {f"tail.{k}": path for k, path in enumerate(tail)}
        self.origins |= {f"pooler.{k}": path for k, path in enumerate(pooler)}
        self.pooling, self.masked = pooling, masked
        self.tail = nn.Sequential(*tail.values())
        self.pooler = nn.Sequential(*pooler.values())

    def last_hidden_state(self, flow: Flow) -> Tensor:
        """What the model calls so, ``(batch, length, width)``."""
        state: Tensor = self.tail(hidden(flow))
        return state

    def forward(self, flow: Flow) -> Tensor:
        """One vector a row, ``(batch, width)``."""
        state = self.last_hidden_state(flow)
        if self.pooling == "pooler":
            pooled: Tensor = self.pooler(state)
            return pooled
        if self.pooling == "first":
            return state[:, 0]
        if not self.masked:
            return state.mean(dim=1)
        assert isinstance(flow, tuple)
        weight = flow[1].unsqueeze(-1).to(state.dtype)
        total = weight.sum(dim=1)
        return (state * weight).sum(dim=1) / torch.clamp(total, min=1)  # a row without any token gives zeros

    def extra_repr(self) -> str:
        """What its modules do not show."""
        return f"{self.pooling}, masked={self.masked}, {', '.join(self.origins.values())}"


def in_model(stage: nn.Module, path: str) -> str:
    """Where the part of ``stage`` at ``path`` stands in the model."""
    origins: Mapping[str, str] = cast("Embed", stage).origins
    own = next(own for own in origins if f"{path}.".startswith(f"{own}."))
    return f"{origins[own]}{path.removeprefix(own)}".removeprefix(".")


def config_words(model: nn.Module) -> str:
    """The model's kind and a hash of its configuration."""
    config = config_of(model)
    text = f"{config.to_json_string(use_diff=False)}{getattr(config, '_attn_implementation', None)}"
    return f"{config.model_type} {hashlib.sha256(text.encode()).hexdigest()[:12]}"
