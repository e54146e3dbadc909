"""Probes on losses that are written down, so that every affinity is known by hand."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from taskgroup.training.probe import Probe

Loss = Callable[[Tensor, Tensor], Tensor]


class Point(nn.Module):
    """Two numbers, a and b, in double precision."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))


def probe_of(
    losses: Sequence[Loss], at: tuple[float, float] = (3.0, 1.0), *, lr: float = 0.1, n_stages: int = 2
) -> Probe:
    """A probe at θ = (a, b); with two stages a is the first and b the second."""
    point = Point(*at)
    stages = {"first": [point.a], "second": [point.b]} if n_stages == 2 else {"only": [point.a, point.b]}

    def evaluate() -> Tensor:
        return torch.stack([loss(point.a, point.b) for loss in losses])

    return Probe([f"t{k}" for k in range(len(losses))], stages, evaluate, point, lr)


def both(a: Tensor, b: Tensor) -> Tensor:
    """L₀ = a² + b², which is 10 at (3, 1), with gradient (6, 2)."""
    return a**2 + b**2


def second(a: Tensor, b: Tensor) -> Tensor:
    """L₁ = b², which is 1 at (3, 1), with gradient (0, 2)."""
    return b**2


def unlabelled(a: Tensor, b: Tensor) -> Tensor:
    """The loss of a task without labels."""
    return torch.tensor(torch.nan, dtype=torch.float64)


def times(factor: float) -> Loss:
    """L = factor · b², whose squared gradient over itself is 4 · factor wherever it is taken."""
    return lambda a, b: factor * b**2
