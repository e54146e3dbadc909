"""The one training loop; lookahead, pruning and progress are callbacks of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import TaskSet
from taskgroup.core.trial import Check, TrainOptions
from taskgroup.training.data import Rows, batches
from taskgroup.training.losses import head_losses, own_rows_loss
from taskgroup.training.metrics import errors_on
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.staged import Phases


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


def total_loss(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> Tensor:
    """Weighted sum over all heads of the mean loss of their labelled rows; heads without labels are left out.

    Where tasks have rows of their own, these run along their own paths only; where there are no paths to tell apart,
    one pass over all rows is the same and cheaper. A batch without any label trains nothing: its loss is a zero that
    depends on no parameter.
    """
    if batch.owner is not None and model.branched:
        return _apart(model, tasks, batch)
    outputs = model(batch.inputs, helpers=True)
    silent = _unlabelled(batch)
    known = {t.name: (t, k) for k, t in enumerate(tasks) if not silent[k]}
    heads = [head for head in model.heads_info if head.task in known]
    if not heads:
        return torch.zeros((), requires_grad=True)
    losses = head_losses([known[head.task] for head in heads], [outputs[head.name] for head in heads], batch)
    return losses @ torch.tensor([known[head.task][0].weight for head in heads])


def _apart(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> Tensor:
    """The loss of tasks with rows of their own."""
    names, known = tasks.names, {task.name: task for task in tasks}
    rows = {names[k]: found for k, found in batch.by_task().items()}
    heads = [head for head in model.heads_info if head.task in rows]
    if not heads:
        return torch.zeros((), requires_grad=True)
    outputs = model({head.name: rows[head.task][0] for head in heads})
    return own_rows_loss(
        [known[head.task] for head in heads],
        [outputs[head.name] for head in heads],
        [rows[head.task][1] for head in heads],
    )


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
        options: Steps, batch size, learning rate, phases.
        seed: Of batches and dropout.
        callbacks: Called in order.

    Raises:
        DivergedError: The loss became infinite or NaN, or outputs did at a check.
    """
    torch.manual_seed(derive_seed("dropout", seed))
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)
    for callback in callbacks:
        callback.begin(optimizer)
    check_after = {math.ceil(options.steps * (k + 1) / options.n_checks) for k in range(options.n_checks)}
    history: list[Check] = []
    with Phases(model, options) as phases:
        for step, batch in enumerate(batches(train_rows, options.batch_size, options.steps, seed)):
            lr = 0.5 * options.lr * (1 + math.cos(math.pi * step / options.steps))
            optimizer.param_groups[0]["lr"] = lr
            phases.before_step(step)
            for callback in callbacks:
                callback.before_step(step, batch, lr)
            optimizer.zero_grad()
            loss = total_loss(model, tasks, batch)
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"training loss was {loss.item()} at step {step}; lower train.lr (now {options.lr})"
                )
            loss.backward()  # type: ignore[no-untyped-call]
            _spare_unlabelled(model, tasks, batch)
            optimizer.step()
            if step + 1 in check_after:
                history.append(Check(step=step + 1, errors=_finite_errors(model, tasks, val_rows, step, options)))
                votes = [callback.after_check(history[-1]) for callback in callbacks]
                if any(votes):
                    return Trained(tuple(history), stopped=step + 1 < options.steps)
    return Trained(tuple(history), stopped=False)


def _unlabelled(batch: Rows) -> list[bool]:
    """For each task whether no row has its label."""
    if all(batch.whole):
        return [False] * len(batch.whole)
    found: list[bool] = torch.isnan(batch.labels).all(dim=0).tolist()
    return found


def _spare_unlabelled(model: MultiTaskModel, tasks: TaskSet, batch: Rows) -> None:
    """What serves only tasks without labels in the batch stays as it is, however the network computes it."""
    if batch.owner is not None and model.branched:
        return  # it was not run
    lost = {task for task, silent in zip(tasks.names, _unlabelled(batch), strict=True) if silent}
    for parameter in model.idle(lost) if lost else ():
        parameter.grad = None


def _finite_errors(
    model: MultiTaskModel, tasks: TaskSet, rows: Rows, step: int, options: TrainOptions
) -> dict[str, float]:
    errors = errors_on(model, tasks, rows)
    lost = [task for task, error in errors.items() if math.isnan(error)]
    if lost:
        raise DivergedError(
            f"outputs for {', '.join(lost)} were not finite after step {step}; lower train.lr (now {options.lr})"
        )
    return errors
