"""Adapters: small trainable changes of a shared stage, for one task or branch; know nothing of tasks or topologies."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import nn

from taskgroup.core.table import Table

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A linear or convolutional layer inside a stage.

    Attributes:
        path: Its name inside the stage (``0``, ``attention.query``).
        n_in: Inputs of one output: features, or channels times kernel size (by group).
        n_out: Outputs: features or channels.
        n_positions: How often it is applied to one example: tokens, or pixels of its output.
        kernel: Size of the kernel of a convolution; empty for linear layers.
        groups: Groups of a convolution.
    """

    path: str
    n_in: int
    n_out: int
    n_positions: int
    kernel: Shape = ()
    groups: int = 1


@dataclass(frozen=True)
class Site:
    """Where an adapter stands.

    Attributes:
        shape: One example of the stage's output: ``(F,)`` features, ``(L, F)`` tokens or ``(C, H, W)`` maps.
        layers: Linear and convolutional layers of the stage, in order of execution.
    """

    shape: Shape
    layers: tuple[Layer, ...] = ()


class Adapter(Protocol):
    """One kind of adapter: a frozen pydantic model whose ``size`` is its width.

    An adapter stands ``behind`` its stage, a module from the stage's output to the same shape; or ``inside`` it, where
    it changes layers of the stage: then the stage is run once for each such adapter.
    """

    inside: ClassVar[bool]
    sized: ClassVar[bool]
    """Whether ``size`` means anything beyond 1."""

    def fault(self, site: Site) -> str:
        """Why it cannot stand at ``site``, naming what was found there; empty where it can."""
        ...

    def build(self, site: Site) -> nn.Module:
        """The module, the identity at initialization.

        Behind: maps ``(batch, *shape)`` to the same. Inside: has ``applied(stage) -> nn.Module``, which gives a clone
        of the stage that shares its parameters, with the layers changed; buffers are the clone's own.

        Raises:
            InputError: With the words of :meth:`fault`.
        """
        ...

    def n_params(self, site: Site) -> int:
        """Parameters of :meth:`build`, in closed form."""
        ...

    def n_macs(self, site: Site) -> int:
        """Multiply-accumulates it adds for one example, in closed form; those of the stage itself are not its own."""
        ...


ADAPTERS: Table[type[Adapter]] = Table(
    "adapter kind",
    "taskgroup.adapters",
    {
        "bottleneck": "taskgroup.adapters.bottleneck:Bottleneck",
        "film": "taskgroup.adapters.film:FiLM",
        "lora": "taskgroup.adapters.lora:LoRA",
        "none": "taskgroup.adapters.none:NoAdapter",
    },
)
