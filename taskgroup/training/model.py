"""What the loop asks of a network."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn


class Output(Protocol):
    """One output of the network: its ``name``, and the ``task`` whose labels train it."""

    @property
    def name(self) -> str:
        """Key in the network's outputs."""
        ...

    @property
    def task(self) -> str:
        """Task that it predicts."""
        ...


class MultiTaskModel(Protocol):
    """A module that maps rows to one output per head; heads beyond the tasks' own are helpers."""

    @property
    def heads_info(self) -> Sequence[Output]:
        """All outputs, the tasks' own first."""
        ...

    @property
    def heads(self) -> Iterable[nn.Module]:
        """Modules of the outputs, in the order of ``heads_info``."""
        ...

    @property
    def branched(self) -> bool:
        """Whether anything below the heads serves some of the tasks only."""
        ...

    def __call__(self, rows: Tensor | Mapping[str, Tensor], *, helpers: bool = False) -> dict[str, Tensor]:
        """Outputs by name; with ``helpers`` all of ``heads_info``.

        Where it is branched, ``rows`` may also be the rows of each output, by name; others are not computed.
        """
        ...

    def idle(self, tasks: Collection[str]) -> Iterator[nn.Parameter]:
        """Parameters that nothing but outputs for ``tasks`` would train."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""
        ...

    def adapter_parameters(self) -> Iterator[nn.Parameter]:
        """Those of adapters."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """All modules."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Training mode."""
        ...

    def eval(self) -> Any:
        """Evaluation mode."""
        ...
