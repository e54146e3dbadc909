"""The one training loop; lookahead, pruning and progress are callbacks of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import TaskSet
from taskgroup.core.trial import Check, TrainOptions
from taskgroup.training.data import Rows, batches
from taskgroup.training.metrics import errors_on
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.objective import unlabelled
from taskgroup.training.staged import Phases
from taskgroup.training.weighting.weigher import weigher


class Callback:
    """Hooks of the loop; the base does nothing."""

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        """Called once, before the first step."""

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Called before optimizer step ``step`` (from 0) on the batch that it will use."""

    def after_check(self, check: Check) -> bool:
        """Called after each validation check; True stops the training."""
        return False


class DivergedError(ArithmeticError):
    """The training loss, or an output on the validation rows, is no longer finite."""


@dataclass(frozen=True)
class Trained:
    """History of a training run, and whether a callback stopped it."""

    history: tuple[Check, ...]
    stopped: bool


def train(
    model: MultiTaskModel,
    tasks: TaskSet,
    train_rows: Rows,
    val_rows: Rows,
    options: TrainOptions,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Train ``model`` in place with AdamW under a cosine schedule, one over both phases where adapters are staged.

    Batches and dropout follow from ``seed`` alone, so networks trained under one seed are paired.

    Args:
        model: The network.
        tasks: Its tasks, in the order of the labels' columns.
        train_rows: Rows to train on.
        val_rows: Rows for the validation checks, ``options.n_checks`` of them, the last after the last step.
        options: Steps, batch size, learning rate, phases, loss weighting.
        seed: Of batches, dropout and whatever the weighting draws.
        callbacks: Called in order.

    Raises:
        DivergedError: The loss became infinite or NaN, or outputs did at a check.
        InputError: No such weighting, or it needs a package that is not installed.
    """
    torch.manual_seed(derive_seed("dropout", seed))
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)
    weigh = weigher(options.weighting, model, tasks, seed)
    for callback in callbacks:
        callback.begin(optimizer)
    check_after = check_steps(options)
    history: list[Check] = []
    with Phases(model, options) as phases:
        for step, batch in enumerate(batches(train_rows, options.batch_size, options.steps, seed)):
            lr = rate(options, step)
            optimizer.param_groups[0]["lr"] = lr
            phases.before_step(step)
            for callback in callbacks:
                callback.before_step(step, batch, lr)
            optimizer.zero_grad()
            loss, pull = weigh(batch, lr)
            if not torch.isfinite(loss):
                raise diverged(loss.item(), step, options)
            pull()
            _spare_unlabelled(model, tasks, batch)
            optimizer.step()
            if step + 1 in check_after:
                history.append(Check(step=step + 1, errors=finite_errors(model, tasks, val_rows, step, options)))
                votes = [callback.after_check(history[-1]) for callback in callbacks]
                if any(votes):
                    return Trained(tuple(history), stopped=step + 1 < options.steps)
    return Trained(tuple(history), stopped=False)


def check_steps(options: TrainOptions) -> set[int]:
    """Numbers of steps after which validation is scored."""
    return {math.ceil(options.steps * (k + 1) / options.n_checks) for k in range(options.n_checks)}


def rate(options: TrainOptions, step: int) -> float:
    """Learning rate of optimizer step ``step``."""
    return 0.5 * options.lr * (1 + math.cos(math.pi * step / options.steps))


def diverged(loss: float, step: int, options: TrainOptions) -> DivergedError:
    """The error for a loss that is not finite."""
    return DivergedError(f"training loss was {loss} at step {step}; lower train.lr (now {options.lr})")


def _spare_unlabelled(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> None:
    """What serves only tasks without labels in the batch stays as it is, however the network computes it."""
    if batch.owner is not None and model.branched:
        return  # it was not run
    lost = {task for task, silent in zip(tasks.names, unlabelled(batch), strict=True) if silent}
    for parameter in model.idle(lost) if lost else ():
        parameter.grad = None


def finite_errors(
    model: MultiTaskModel, tasks: TaskSet, rows: Rows, step: int, options: TrainOptions
) -> dict[str, float]:
    """Errors on validation rows after ``step``.

    Raises:
        DivergedError: Outputs were not finite.
    """
    errors = errors_on(model, tasks, rows)
    lost = [task for task, error in errors.items() if math.isnan(error)]
    if lost:
        raise DivergedError(
            f"outputs for {', '.join(lost)} were not finite after step {step}; lower train.lr (now {options.lr})"
        )
    return errors
