"""Gradients: every task's gradient of the shared parameters on one batch, in the form that is cheapest to hold.

In a chain of linear layers the gradient of a weight is ``Gᵀ A`` for inputs ``A`` and derivatives ``G`` by the layer's
output, so inner products of gradients and outputs after a step follow from the factors (Goodfellow 2015, arXiv
1510.01799). Elsewhere the gradients themselves are kept, or, where they are too many, random projections of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

Scales = Mapping[Tensor, Tensor]
"""What an optimizer multiplies each parameter's gradient with."""


class Gradients(Protocol):
    """Gradients of T tasks by stage."""

    def gram(self, other: "Gradients", scales: Scales | None = None) -> Tensor:
        """Inner products of (scaled) gradients here with gradients there, float64, shape ``(S, T, T)``."""
        ...

    def squares(self, scales: Scales | None = None) -> Tensor:
        """Inner product of each task's (scaled) gradient with itself, float64, shape ``(S, T)``."""
        ...

    def of(self, task: int, stage: str) -> list[Tensor]:
        """One task's gradients of the stage's parameters."""
        ...

    def flat(self, stage: str) -> Tensor:
        """All tasks' gradients of the stage, shape ``(T, P_stage)``."""
        ...


@dataclass(frozen=True)
class Factor:
    """One linear layer.

    Attributes:
        module: The layer.
        rows: Its input, shape ``(N, n_in)``.
        slopes: Derivatives of the losses by its output: ``(T, N, n_out)``; where every row has one task ``(N, n_out)``.
        owners: Membership of rows in tasks, ``(T, N)``, where every row has one task; else None.
    """

    module: nn.Linear
    rows: Tensor
    slopes: Tensor
    owners: Tensor | None = None

    def full_slopes(self, tasks: slice = slice(None)) -> Tensor:
        """Shape ``(t, N, n_out)``."""
        return self.slopes[tasks] if self.owners is None else self.owners[tasks, :, None] * self.slopes

    def weights(self, tasks: slice = slice(None)) -> Tensor:
        """Gradients of the weight, shape ``(t, n_out, n_in)``."""
        return self.full_slopes(tasks).transpose(1, 2) @ self.rows

    def biases(self, tasks: slice = slice(None)) -> Tensor:
        """Gradients of the bias, shape ``(t, n_out)``."""
        return self.full_slopes(tasks).sum(dim=1)

    def gram(self, other: "Factor") -> Tensor:
        """Inner products of weight and bias gradients, shape ``(T, T)``."""
        bias = self.module.bias is not None
        if self.owners is not None and other.owners is not None:
            kernel = self.rows @ other.rows.T + float(bias)
            return self.owners @ (kernel * (self.slopes @ other.slopes.T)) @ other.owners.T
        mine, others = self.full_slopes(), other.full_slopes()
        if 2 * len(self.rows) < self.rows.shape[1]:
            kernel = self.rows @ other.rows.T + float(bias)
            return mine.flatten(1) @ (kernel @ others).flatten(1).T
        left = self.weights().flatten(1)
        found = left @ (left if other is self else other.weights().flatten(1)).T
        return found + mine.sum(dim=1) @ others.sum(dim=1).T if bias else found

    def squares(self, scales: Scales | None = None) -> Tensor:
        """Inner product of every task's (scaled) gradient with itself, shape ``(T,)``."""
        weights, biases = self.weights().square(), self.biases().square()
        if scales is not None:
            weights = weights * scales[self.module.weight]
            biases = biases * scales[self.module.bias] if self.module.bias is not None else biases
        found = weights.sum(dim=(1, 2))
        return found + biases.sum(dim=1) if self.module.bias is not None else found

    def sketched(self, other: "Factor", size: int, generator: torch.Generator) -> Tensor:
        """Gram with both sides of the weight gradients projected at random to ``size``; unbiased, shape ``(T, T)``."""
        left, right = (_signs(n, size, generator) for n in (self.slopes.shape[-1], self.rows.shape[1]))
        bias = self.module.bias is not None
        sides = []
        for factor in (self,) if other is self else (self, other):
            slopes = factor.full_slopes()
            sides.append((((slopes @ left).transpose(1, 2) @ (factor.rows @ right)).flatten(1), slopes.sum(dim=1)))
        found = sides[0][0] @ sides[-1][0].T
        return found + sides[0][1] @ sides[-1][1].T if bias else found

    def scaled_gram(self, other: "Factor", scales: Scales) -> Tensor:
        """Gram after the optimizer's scaling, shape ``(T, T)``."""
        found = (self.weights() * scales[self.module.weight]).flatten(1) @ other.weights().flatten(1).T
        if self.module.bias is not None:
            found = found + (self.biases() * scales[self.module.bias]) @ other.biases().T
        return found


def _signs(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Random signs over the root of ``size``, shape ``(n, size)``; the identity where it would not be smaller."""
    if size >= n:
        return torch.eye(n)
    signs = torch.randint(0, 2, (n, size), generator=generator) * 2.0 - 1.0
    return torch.div(signs, size**0.5)


@dataclass(frozen=True)
class FactoredGradients:
    """Gradients of a chain of linear layers.

    Attributes:
        factors: By stage.
        sketch: Width of the random projections; 0 for none.
        seed: Of the projections.
    """

    factors: Mapping[str, Sequence[Factor]]
    n_tasks: int
    sketch: int = 0
    seed: int = 0

    def gram(self, other: Gradients, scales: Scales | None = None) -> Tensor:
        """See :class:`Gradients`."""
        assert isinstance(other, FactoredGradients)
        generator = torch.Generator().manual_seed(self.seed)
        grams = []
        for stage, factors in self.factors.items():
            total = torch.zeros(self.n_tasks, self.n_tasks, dtype=torch.float64)
            for mine, others in zip(factors, other.factors[stage], strict=True):
                if scales is not None:
                    total += mine.scaled_gram(others, scales)
                elif self.sketch and mine.owners is None:
                    total += mine.sketched(others, self.sketch, generator)
                else:
                    total += mine.gram(others)
            grams.append(total)
        return torch.stack(grams)

    def squares(self, scales: Scales | None = None) -> Tensor:
        """See :class:`Gradients`."""
        found = [torch.zeros(self.n_tasks, dtype=torch.float64) for _ in self.factors]
        for total, factors in zip(found, self.factors.values(), strict=True):
            for factor in factors:
                total += factor.squares(scales)
        return torch.stack(found)

    def of(self, task: int, stage: str) -> list[Tensor]:
        """See :class:`Gradients`."""
        found = []
        for factor in self.factors[stage]:
            found.append(factor.weights(slice(task, task + 1))[0])
            if factor.module.bias is not None:
                found.append(factor.biases(slice(task, task + 1))[0])
        return found

    def flat(self, stage: str) -> Tensor:
        """See :class:`Gradients`."""
        parts = [torch.zeros(self.n_tasks, 0)]
        for factor in self.factors[stage]:
            parts.append(factor.weights().flatten(1))
            if factor.module.bias is not None:
                parts.append(factor.biases())
        return torch.cat(parts, dim=1)


@dataclass(frozen=True)
class PlainGradients:
    """Gradients as they are, or random projections of them.

    Attributes:
        parameters: By stage.
        rows: By stage the tasks' gradients, flattened, shape ``(T, P_stage)``, or ``(T, size)`` where projected.
        tasks: Places of the tasks whose gradients these are.
        projected: Whether they are projections, good for Gram matrices only.
    """

    parameters: Mapping[str, Sequence[nn.Parameter]]
    rows: Mapping[str, Tensor]
    tasks: tuple[int, ...]
    projected: bool = False

    def gram(self, other: Gradients, scales: Scales | None = None) -> Tensor:
        """See :class:`Gradients`."""
        assert isinstance(other, PlainGradients)
        grams = []
        for stage, parameters in self.parameters.items():
            mine = self.rows[stage]
            if scales is not None:
                assert not self.projected, "projected gradients cannot be scaled"
                mine = mine * torch.cat([scales[p].flatten() for p in parameters]) if parameters else mine
            grams.append((mine @ other.rows[stage].T).double())
        return torch.stack(grams)

    def squares(self, scales: Scales | None = None) -> Tensor:
        """See :class:`Gradients`."""
        return self.gram(self, scales).diagonal(dim1=1, dim2=2)

    def of(self, task: int, stage: str) -> list[Tensor]:
        """See :class:`Gradients`."""
        assert not self.projected, "projected gradients make no step"
        row = self.rows[stage][self.tasks.index(task)]
        parts = torch.split(row, [p.numel() for p in self.parameters[stage]])
        return [part.view_as(p) for part, p in zip(parts, self.parameters[stage], strict=True)]

    def flat(self, stage: str) -> Tensor:
        """See :class:`Gradients`."""
        assert not self.projected, "projected gradients are not gradients"
        return self.rows[stage]
