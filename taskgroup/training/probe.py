"""Probe: all that an affinity measure may see of a network in training: move, look, put back."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn


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
    """

    def __init__(
        self,
        tasks: Sequence[str],
        stages: Mapping[str, Sequence[nn.Parameter]],
        losses: Callable[[], Tensor],
        module: nn.Module,
        lr: float,
    ) -> None:
        self.tasks, self.stages = tuple(tasks), tuple(stages)
        self.lr = lr
        self._parameters = {name: list(parameters) for name, parameters in stages.items()}
        self._losses, self._module = losses, module

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
        parameters = [p for name in self.stages for p in self._parameters[name]]
        rows: list[list[Tensor]] = []
        with self._put_back(), torch.enable_grad():
            losses = self._losses()
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

    @torch.no_grad()
    def losses_after(self, move: Mapping[str, Tensor]) -> Tensor:
        """Each task's loss after adding ``move[stage]`` (flat, shape ``(P_stage,)``) to the stages it names.

        Shape ``(T,)``, float64. The parameters are put back from a copy, not by subtracting.
        """
        moved = [p for name in move for p in self._parameters[name]]
        kept = [p.detach().clone() for p in moved]
        with self._put_back():
            try:
                for name, change in move.items():
                    self._add(self._parameters[name], change)
                return self._losses().double()
            finally:
                for parameter, value in zip(moved, kept, strict=True):
                    parameter.copy_(value)

    @staticmethod
    def _add(parameters: Sequence[nn.Parameter], change: Tensor) -> None:
        parts = torch.split(change, [p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.add_(part.view_as(parameter))


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors])


def _empty(n_rows: int) -> Tensor:
    return torch.zeros(n_rows, 0)
