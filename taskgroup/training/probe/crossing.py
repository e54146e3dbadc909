"""Crossing: gradients on one batch, their effect on another, or on the same one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from taskgroup.training.data import Rows
from taskgroup.training.probe.gradients import Gradients, PlainGradients, Scales
from taskgroup.training.probe.passes import HELD_NUMBERS, Pass, direction, run
from taskgroup.training.probe.stepped import losses_along, stepped_losses
from taskgroup.training.probe.tower import Tower

Direction = Mapping[str, Sequence[Tensor]]
"""A change of the shared parameters, by stage."""


class Crossing(Protocol):
    """Source gradients on one batch, target losses on another."""

    @property
    def losses(self) -> Tensor:
        """Target losses where the network stands, shape ``(T,)``, float64; NaN without labels."""
        ...

    def squares(self) -> Tensor:
        """Inner product of each source's step direction with its own gradient, float64, shape ``(S, T)``."""
        ...

    def gram(self) -> Tensor:
        """Inner products of the sources' step directions with the targets' gradients, float64, ``(S, T, T)``."""
        ...

    def stepped(self, eta: float, stages: Sequence[str], sources: Sequence[int]) -> Tensor:
        """Target losses after a step of size ``eta`` on each source, moving only ``stages``: ``(len(sources), T)``."""
        ...

    def direction(self, weights: Tensor) -> Direction:
        """Gradient of the sum of the source losses times ``weights``, shape ``(T,)``; one backward."""
        ...

    def along(self, direction: Direction, scale: float) -> Tensor:
        """Target losses after adding ``scale`` times ``direction``, shape ``(T,)``, float64."""
        ...


class TowerCrossing:
    """Through a tower, by its shortcuts.

    Args:
        tower: The network.
        source: Batch of the gradients.
        target: Batch of the losses; the same object for one batch.
        scales: What the optimizer multiplies gradients with, if its step is asked for.
        seed: Of projections.
        passes: Passes that are known already, by batch and kind; crossings of the same batches share them.
    """

    def __init__(
        self,
        tower: Tower,
        source: Rows,
        target: Rows,
        *,
        scales: Scales | None,
        seed: int,
        passes: dict[tuple[int, str], Pass],
    ) -> None:
        self._tower, self._rows, self._scales, self._seed = tower, (source, target), scales, seed
        self._gram: Tensor | None = None
        self._passes = passes

    def _pass(self, side: int, kind: str) -> Pass:
        """The pass on the source's (0) or target's (1) batch; ``kind`` is forward, products or exact."""
        batch = id(self._rows[side])
        better = {"forward": ("exact", "products"), "products": ("exact",), "exact": ()}[kind]
        for done in (*better, kind):
            if (batch, done) in self._passes:
                return self._passes[batch, done]
        with self._tower.put_back():
            self._passes[batch, kind] = run(
                self._tower, self._rows[side], backward=kind != "forward", exact=kind == "exact", seed=self._seed
            )
        return self._passes[batch, kind]

    @property
    def losses(self) -> Tensor:
        """See :class:`Crossing`."""
        return self._pass(1, "forward").losses

    def gradients(self) -> tuple[Gradients, Gradients]:
        """Of source and target, good for products."""
        kind = "products" if self._scales is None else "exact"
        mine, others = self._pass(0, kind).gradients, self._pass(1, kind).gradients
        assert mine is not None
        assert others is not None
        return mine, others

    def squares(self) -> Tensor:
        """See :class:`Crossing`."""
        if self._rows[0] is self._rows[1]:
            return self.gram().diagonal(dim1=1, dim2=2)
        return self.gradients()[0].squares(self._scales)

    def gram(self) -> Tensor:
        """See :class:`Crossing`."""
        if self._gram is None:
            mine, others = self.gradients()
            self._gram = mine.gram(others, self._scales)
        return self._gram

    def stepped(self, eta: float, stages: Sequence[str], sources: Sequence[int]) -> Tensor:
        """See :class:`Crossing`."""
        size = sum(p.numel() for group in self._tower.parameters.values() for p in group)
        at_once = len(sources) if self._tower.plain else max(1, HELD_NUMBERS // max(size, 1))
        target = self._pass(1, "forward")
        parts = []
        for start in range(0, len(sources), max(at_once, 1)):
            chosen = sources[start : start + at_once]
            source = self._source(chosen)
            with self._tower.put_back():
                parts.append(stepped_losses(self._tower, source, target, eta, stages, chosen, self._scales))
        return torch.cat(parts) if parts else torch.zeros(0, len(target.losses), dtype=torch.float64)

    def _source(self, sources: Sequence[int]) -> Pass:
        """A pass with full gradients of ``sources``."""
        batch = id(self._rows[0])
        known = self._passes.get((batch, "exact")) or self._passes.get((batch, "products"))
        if known and not (isinstance(known.gradients, PlainGradients) and known.gradients.projected):
            return known
        if self._tower.plain or len(sources) == len(self._tower.heads):
            return self._pass(0, "exact")
        with self._tower.put_back():
            return run(self._tower, self._rows[0], exact=True, only=sources)

    def direction(self, weights: Tensor) -> Direction:
        """See :class:`Crossing`."""
        with self._tower.put_back():
            found = direction(self._tower, self._rows[0], weights)
        if self._scales is None:
            return found
        return {
            name: [g * self._scales[p] for g, p in zip(group, self._tower.parameters[name], strict=True)]
            for name, group in found.items()
        }

    def along(self, direction: Direction, scale: float) -> Tensor:
        """See :class:`Crossing`."""
        target = self._pass(1, "forward")
        with self._tower.put_back():
            return losses_along(self._tower, target, direction, scale)


@dataclass(frozen=True)
class Box:
    """A network on one batch, of which only the losses are seen.

    Attributes:
        look: Gives the losses, shape ``(T,)``, and each stage's gradients, shape ``(T, P_stage)``.
        losses_after: Gives the losses after a flat change of some stages.
    """

    look: Callable[[], tuple[Tensor, dict[str, Tensor]]]
    losses_after: Callable[[Mapping[str, Tensor]], Tensor]

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """Each stage's, looked for once."""
        return self._found[1]

    @cached_property
    def losses(self) -> Tensor:
        """Where the network stands."""
        return self._found[0] if "_found" in vars(self) else self.losses_after({})

    @cached_property
    def _found(self) -> tuple[Tensor, dict[str, Tensor]]:
        return self.look()


class ClosureCrossing:
    """Through functions that give the losses of a batch; of the network only the parameters are known.

    Args:
        parameters: Shared parameters by stage.
        source: Batch of the gradients.
        target: Batch of the losses; the same object for one batch.
        scales: What the optimizer multiplies gradients with, if its step is asked for.
    """

    def __init__(
        self,
        parameters: Mapping[str, Sequence[nn.Parameter]],
        source: Box,
        target: Box,
        scales: Scales | None = None,
    ) -> None:
        self._parameters, self._source, self._target = parameters, source, target
        self._steps = source.gradients
        if scales is not None:
            self._steps = {stage: _scaled(rows, parameters[stage], scales) for stage, rows in self._steps.items()}

    @property
    def losses(self) -> Tensor:
        """See :class:`Crossing`."""
        return self._target.losses

    def squares(self) -> Tensor:
        """See :class:`Crossing`."""
        pairs = [(steps, self._source.gradients[stage]) for stage, steps in self._steps.items()]
        return torch.stack([(steps.double() * rows.double()).sum(dim=1) for steps, rows in pairs])

    def gram(self) -> Tensor:
        """See :class:`Crossing`."""
        pairs = [(steps, self._target.gradients[stage]) for stage, steps in self._steps.items()]
        return torch.stack([steps.double() @ rows.double().T for steps, rows in pairs])

    def stepped(self, eta: float, stages: Sequence[str], sources: Sequence[int]) -> Tensor:
        """See :class:`Crossing`."""
        after = [self._target.losses_after({s: -eta * self._steps[s][source] for s in stages}) for source in sources]
        return torch.stack(after) if after else torch.zeros(0, len(self.losses), dtype=torch.float64)

    def direction(self, weights: Tensor) -> Direction:
        """See :class:`Crossing`; no cheaper than the gradients themselves."""
        found = {}
        for stage, rows in self._steps.items():
            parts = torch.split(weights.to(rows.dtype) @ rows, [p.numel() for p in self._parameters[stage]])
            found[stage] = [part.view_as(p) for part, p in zip(parts, self._parameters[stage], strict=True)]
        return found

    def along(self, direction: Direction, scale: float) -> Tensor:
        """See :class:`Crossing`."""
        move = {s: scale * torch.cat([d.flatten() for d in group]) for s, group in direction.items() if group}
        return self._target.losses_after(move)


def _scaled(rows: Tensor, parameters: Sequence[nn.Parameter], scales: Scales) -> Tensor:
    return rows * torch.cat([scales[p].flatten() for p in parameters]) if parameters else rows
