"""Calls: what each layer is called with, and where those arguments come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import torch
from torch import Tensor

PLAIN = (type(None), bool, int, float, str, Enum, torch.dtype, torch.device)
"""What may be the same in every call."""

Where: TypeAlias = tuple[int | str, ...]
"""Place of a tensor in a call: number or name of the argument, then places inside tuples."""


@dataclass(frozen=True)
class Observed:
    """One call of one layer, as it happened."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any = None

    @property
    def hidden(self) -> Any:
        """The hidden state: the first argument."""
        return self.args[0] if self.args else self.kwargs.get("hidden_states")

    def items(self) -> Iterator[tuple[int | str, Any]]:
        """Every argument by its number or name."""
        yield from enumerate(self.args)
        yield from self.kwargs.items()

    def at(self, where: Where) -> Any:
        """The value at ``where``."""
        value: Any = self.args[where[0]] if isinstance(where[0], int) else self.kwargs[where[0]]
        for place in where[1:]:
            value = value[place]
        return value


class Basket:
    """Where taps leave what they were called with: one object for all copies of a stage's parts.

    Not a plain dictionary, of which torch.export would give each module a copy of its own.
    """

    def __init__(self) -> None:
        self.calls: dict[int, Observed] = {}


class Given:
    """Stands for the hidden state."""

    def __repr__(self) -> str:
        return "hidden"


@dataclass(frozen=True)
class Carried:
    """Stands for a tensor that travels with the hidden state: its place there, and whether it had an axis for rows."""

    place: int
    by_row: bool

    def __repr__(self) -> str:
        return f"carried {self.place}"


@dataclass(frozen=True)
class Call:
    """How one layer is called: arguments with :class:`Given` and :class:`Carried` in place of tensors."""

    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]

    def fill(self, hidden: Tensor, carried: Sequence[Tensor]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments for one run."""
        return (
            [_filled(value, hidden, carried) for value in self.args],
            {name: _filled(value, hidden, carried) for name, value in self.kwargs},
        )


def _filled(value: Any, hidden: Tensor, carried: Sequence[Tensor]) -> Any:
    if isinstance(value, Given):
        return hidden
    if isinstance(value, Carried):
        tensor = carried[value.place]
        if tensor.shape[1:] == (0,):
            return None
        return tensor if value.by_row else tensor[0]
    if isinstance(value, tuple | list):
        return type(value)(_filled(part, hidden, carried) for part in value)
    return value


@dataclass(frozen=True)
class Source:
    """Where a carried tensor is found: layer and place in its call; with the lead axis of rows, or of one, or none."""

    layer: int
    where: Where
    lead: str

    def read(self, call: Observed, hidden: Tensor) -> Tensor:
        """The tensor with the rows of ``hidden`` as first axis; empty, ``(batch, 0)``, where the model passes none.

        Models pass no mask where nothing is masked: faster kernels can then be taken, and results differ in the last
        bits.
        """
        value = call.at(self.where)
        if value is None:
            return hidden.new_empty(len(hidden), 0)
        assert isinstance(value, Tensor)
        if self.lead == "rows":
            return value
        lone = value if self.lead == "one" else value.unsqueeze(0)
        return lone.expand(len(hidden), *lone.shape[1:])


class UnclearError(ValueError):
    """An argument whose origin cannot be told; the text says which and why."""


class Tracer:
    """Finds the call of every layer, and the tensors to carry.

    Args:
        n_rows: Rows of the watched pass; no other axis has this length.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self.sources: list[Source] = []
        self._places: dict[int, int] = {}
        self._names: Sequence[str] = ()

    def call(self, layer: int, names: Sequence[str], real: Observed, tapped: Observed) -> Call:
        """The call of ``layer``.

        Args:
            layer: Its number.
            names: Names of its arguments in order, for sentences.
            real: As it was in the model.
            tapped: As it is where the layers before it do nothing: what is equal in both comes from before the layers.

        Raises:
            UnclearError: An argument that neither is plain nor comes from before the layers.
        """
        if len(real.args) != len(tapped.args) or list(real.kwargs) != list(tapped.kwargs):
            raise UnclearError("takes other arguments where the layers before it give another result")
        self._names = names
        named = {
            key: self._argument(layer, (key,), value, tapped.at((key,)), real.hidden) for key, value in real.items()
        }
        return Call(
            tuple(named[k] for k in range(len(real.args))),
            tuple((k, v) for k, v in named.items() if isinstance(k, str)),
        )

    def _argument(self, layer: int, where: Where, real: Any, tapped: Any, hidden: Any) -> Any:
        name = self._names[where[0]] if isinstance(where[0], int) and where[0] < len(self._names) else where[0]
        if real is hidden:
            return Given()
        if isinstance(real, Tensor):
            if not isinstance(tapped, Tensor) or not same(real, tapped):
                raise UnclearError(f"takes `{name}`, a tensor that depends on the layers before it")
            return self._carried(layer, where, tapped)
        if isinstance(real, tuple | list) and isinstance(tapped, tuple | list) and len(real) == len(tapped):
            parts = enumerate(zip(real, tapped, strict=True))
            return tuple(self._argument(layer, (*where, k), r, t, hidden) for k, (r, t) in parts)
        if isinstance(real, PLAIN) and real == tapped:
            return real
        raise UnclearError(f"takes `{name}`, a {type(real).__name__}, which cannot travel between stages")

    def _carried(self, layer: int, where: Where, tensor: Tensor) -> Carried:
        lead = {self.n_rows: "rows", 1: "one"}.get(tensor.shape[0], "none") if tensor.ndim else "none"
        if id(tensor) not in self._places:  # all tapped tensors are alive, so that ids are their own
            self._places[id(tensor)] = len(self.sources)
            self.sources.append(Source(layer, where, lead))
        return Carried(self._places[id(tensor)], lead != "none")


def same(one: Any, other: Any) -> bool:
    """Whether two tensors agree to the bit."""
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        return False
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
