"""Together: one architecture trained under several seeds at once, as one batched network."""

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from taskgroup.core.task import TaskSet
from taskgroup.core.trial import Check, TrainOptions
from taskgroup.training.data import Rows, batch_indices
from taskgroup.training.loop import DivergedError, Trained, check_steps, diverged, finite_errors, rate
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.stacked import Stacked
from taskgroup.training.staged import Phases


def train_together(
    models: Sequence[MultiTaskModel],
    tasks: TaskSet,
    rows: Sequence[tuple[Rows, Rows]],
    options: TrainOptions,
    seeds: Sequence[int],
    stops: Sequence[Callable[[Check], bool]] = (),
) -> list[Trained | DivergedError]:
    """Train every model in place as :func:`taskgroup.training.loop.train` would under its seed, up to rounding.

    Each has batches in an order of its own; the optimizer's state is kept by network. Rounding differs, since products
    of several matrices are computed at once, so a trial trained together is another trial than one trained alone.

    Cost: that of one network's calls on K times the numbers.

    Args:
        models: Networks of one architecture, in which :func:`taskgroup.training.stackable.together_fault` finds no
            fault.
        tasks: Their tasks, in the order of the labels' columns.
        rows: To train on and for the validation checks, a pair for each model, labelled for the same tasks.
        options: As for one.
        seeds: Of the batches, one a model.
        stops: One a model, called after each of its checks: whether its training ends there. None by default.

    Returns:
        What ``train`` gives, or the error that it raises; one that diverges does not disturb the others.
    """
    parts = [train for train, _ in rows]
    stacked = Stacked(models, tasks, parts[0].whole)
    optimizer = torch.optim.AdamW(stacked.parameters, lr=options.lr, weight_decay=options.weight_decay, fused=True)
    runs = _Runs(stacked, [val for _, val in rows], options, stops)
    n_rows = [len(part) for part in parts]
    orders = [batch_indices(n, options.batch_size, options.steps, seed) for n, seed in zip(n_rows, seeds, strict=True)]
    checks = check_steps(options)
    with runs, Phases(stacked.template, options) as phases:
        for step, indices in enumerate(zip(*orders, strict=True)):
            optimizer.param_groups[0]["lr"] = rate(options, step)
            phases.before_step(step)
            stacked.follow()
            optimizer.zero_grad()
            picked = list(zip(parts, indices, strict=True))
            inputs = torch.stack([part.inputs[index] for part, index in picked])
            losses = stacked.losses(inputs, torch.stack([part.labels[index] for part, index in picked]))
            runs.look_at(losses.detach(), step)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step + 1 in checks:
                runs.check(step)
            if not runs.going:
                break
    return [runs.ended[k] for k in range(len(models))]


class _Runs:
    """What became of every network; a context, at whose end all have parameters of their own again.

    Attributes:
        going: Positions of those that train on.
        ended: Results of the others.
    """

    def __init__(
        self,
        stacked: Stacked[MultiTaskModel],
        rows: Sequence[Rows],
        options: TrainOptions,
        stops: Sequence[Callable[[Check], bool]],
    ) -> None:
        self.stacked, self.rows, self.options, self.stops = stacked, rows, options, stops
        self.going = list(range(len(stacked.models)))
        self.ended: dict[int, Trained | DivergedError] = {}
        self._histories: list[list[Check]] = [[] for _ in self.going]

    def look_at(self, losses: Tensor, step: int) -> None:
        """End those whose loss is not finite; what they go on to compute reaches no other."""
        if not bool(torch.isfinite(losses).all()):
            for k in [k for k in self.going if not math.isfinite(losses[k])]:
                self._end(k, diverged(losses[k].item(), step, self.options))

    def check(self, step: int) -> None:
        """Score validation."""
        for k in list(self.going):
            try:
                found = finite_errors(self.stacked.models[k], self.stacked.tasks, self.rows[k], step, self.options)
            except DivergedError as error:
                self._end(k, error)
                continue
            self._histories[k].append(Check(step=step + 1, errors=found))
            stop = bool(self.stops) and self.stops[k](self._histories[k][-1])
            if stop or step + 1 == self.options.steps:
                self._end(k, Trained(tuple(self._histories[k]), stopped=step + 1 < self.options.steps))

    def _end(self, k: int, result: Trained | DivergedError) -> None:
        self.ended[k] = result
        self.going.remove(k)
        self.stacked.release(k)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for k in self.going:
            self.stacked.release(k)
