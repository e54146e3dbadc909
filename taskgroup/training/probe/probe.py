"""The probe's face: what may be asked of a network in training, and that it is left as it was."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from taskgroup.training.data import Rows
from taskgroup.training.probe.crossing import Box, ClosureCrossing, Crossing, TowerCrossing
from taskgroup.training.probe.gradients import Scales
from taskgroup.training.probe.passes import Pass
from taskgroup.training.probe.tower import Tower

Batch = Literal["same", "halves", "next", "val"]
"""On which rows a step's effect is looked up: those of the gradient, the other half of the batch (both ways), another
training batch, or validation rows."""


class Probe:
    """Losses and gradients of the shared parameters on one batch.

    Whatever is asked of it, parameters, their ``.grad``, buffers, random state and modes are bit for bit as before,
    also after an exception. Every look replays the same dropout masks.

    Args:
        tasks: Task names, shape ``(T,)``.
        stages: Shared parameters by stage, in order of execution.
        losses: Evaluates every task's loss on the batch at hand, shape ``(T,)``; NaN where the batch has no label.
        module: Owner of the buffers that looking may change (BatchNorm statistics).
        lr: Learning rate of the step that training is about to take.
        losses_on: As ``losses``, for any batch; without it a black box is probed on the batch at hand alone.
        tower: The same network, opened up, for shortcuts; without it every look goes through ``losses_on``.
        rows: The batch at hand; needed with a tower and with ``losses_on``.
        others: Further batches, by name (``next``, ``val``), fetched when asked for.
        scales: What the optimizer would multiply each parameter's gradient with, if it is known.
        memory: Kept from look to look in one training.
        number: Which look of the training this is, from 0.

    Attributes:
        facts: What a measure wants remembered of its look, by name.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        stages: Mapping[str, Sequence[nn.Parameter]],
        losses: Callable[[], Tensor],
        module: nn.Module,
        lr: float,
        *,
        losses_on: Callable[[Rows], Tensor] | None = None,
        tower: Tower | None = None,
        rows: Rows | None = None,
        others: Mapping[str, Callable[[], Rows]] | None = None,
        scales: Callable[[], Scales | None] | None = None,
        memory: dict[str, float] | None = None,
        number: int = 0,
    ) -> None:
        self.tasks, self.stages = tuple(tasks), tuple(stages)
        self.lr, self.number = lr, number
        self.memory: dict[str, float] = {} if memory is None else memory
        self.facts: dict[str, float] = {}
        self._parameters = {name: list(parameters) for name, parameters in stages.items()}
        self._losses, self._module = losses, module
        self._losses_on, self._tower, self._rows = losses_on, tower, rows
        self._others, self._scales = dict(others or {}), scales

    def crossings(self, on: Batch = "same", *, optimizer_step: bool = False) -> list[Crossing]:
        """Where gradients meet losses: one view, or two (both ways) for ``halves``; to be averaged.

        Args:
            on: On which rows the effect of a step is looked up.
            optimizer_step: Whether directions are scaled as the optimizer would scale them.

        Raises:
            ValueError: More than the batch at hand or plain steps are asked for, of a network whose losses are known
                on that batch alone.
        """
        if self._rows is None or (self._tower is None and self._losses_on is None):
            if on != "same" or optimizer_step:
                raise ValueError("a probe without `losses_on` or a tower looks at the batch at hand and at plain steps")
            box = Box(self.gradients, self.losses_after)
            return [ClosureCrossing(self._parameters, box, box)]
        scales = self._scales() if optimizer_step and self._scales is not None else None
        if on == "same":
            pairs = [(self._rows, self._rows)]
        elif on == "halves":
            one, two = _halves(self._rows)
            pairs = [(one, two), (two, one)]
        else:
            pairs = [(self._rows, self._others[on]())]
        if self._tower is None:
            boxes = {id(rows): self._box(rows) for pair in pairs for rows in pair}
            return [ClosureCrossing(self._parameters, boxes[id(s)], boxes[id(t)], scales) for s, t in pairs]
        passes: dict[tuple[int, str], Pass] = {}
        return [TowerCrossing(self._tower, s, t, scales=scales, seed=self.number, passes=passes) for s, t in pairs]

    def _box(self, rows: Rows) -> Box:
        assert self._losses_on is not None
        losses = partial(self._losses_on, rows)
        return Box(partial(self._gradients, losses), partial(self._losses_after, losses))

    @contextlib.contextmanager
    def _put_back(self) -> Iterator[None]:
        """Restore buffers, modes and random state on exit, however it comes."""
        buffers = {name: b.detach().clone() for name, b in self._module.named_buffers()}
        modes = [(part, part.training) for part in self._module.modules()]
        with torch.random.fork_rng(devices=[]):
            try:
                yield
            finally:
                with torch.no_grad():
                    for name, buffer in self._module.named_buffers():
                        buffer.copy_(buffers[name])
                for part, mode in modes:
                    part.training = mode

    @torch.no_grad()
    def losses(self) -> Tensor:
        """Each task's loss where the network stands, shape ``(T,)``, float64; NaN where the batch has no label."""
        with self._put_back():
            return self._losses().double()

    def gradients(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses as above, and per stage the gradients of each task's loss, shape ``(T, P_stage)``, flattened.

        Rows are zero where a task has no label or does not touch the stage. Cost: one forward, T backwards.
        """
        return self._gradients(self._losses)

    def _gradients(self, evaluate: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        parameters = [p for name in self.stages for p in self._parameters[name]]
        rows: list[list[Tensor]] = []
        with self._put_back(), torch.enable_grad():
            losses = evaluate()
            for k in range(len(self.tasks)):
                known = bool(torch.isfinite(losses[k]))
                found = (
                    torch.autograd.grad(losses[k], parameters, retain_graph=True, allow_unused=True)
                    if known and parameters
                    else [None] * len(parameters)
                )
                rows.append([torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)])
        split, start = {}, 0
        for name in self.stages:
            stop = start + len(self._parameters[name])
            split[name] = torch.stack([_flat(row[start:stop]) for row in rows]) if stop > start else _empty(len(rows))
            start = stop
        return losses.detach().double(), split

    def losses_after(self, move: Mapping[str, Tensor]) -> Tensor:
        """Each task's loss after adding ``move[stage]`` (flat, shape ``(P_stage,)``) to the stages it names.

        Shape ``(T,)``, float64. The parameters are put back from a copy, not by subtracting.
        """
        return self._losses_after(self._losses, move)

    @torch.no_grad()
    def _losses_after(self, evaluate: Callable[[], Tensor], move: Mapping[str, Tensor]) -> Tensor:
        moved = [p for name in move for p in self._parameters[name]]
        kept = [p.detach().clone() for p in moved]
        with self._put_back():
            try:
                for name, change in move.items():
                    self._add(self._parameters[name], change)
                return evaluate().double()
            finally:
                for parameter, value in zip(moved, kept, strict=True):
                    parameter.copy_(value)

    @staticmethod
    def _add(parameters: Sequence[nn.Parameter], change: Tensor) -> None:
        parts = torch.split(change, [p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.add_(part.view_as(parameter))


def _halves(rows: Rows) -> tuple[Rows, Rows]:
    """Every other row; batches are in random order anyway."""
    index = torch.arange(len(rows))
    return rows.pick(index[::2]), rows.pick(index[1::2])


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors])


def _empty(n_rows: int) -> Tensor:
    return torch.zeros(n_rows, 0)
