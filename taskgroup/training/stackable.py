"""Stackable: whether networks can be trained under several seeds at once, and are so faster."""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from taskgroup.core.task import TaskSet
from taskgroup.core.trial import TrainOptions
from taskgroup.training.data import Rows, batch_indices
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.objective import total_loss
from taskgroup.training.stacked import Stacked

MOST_WEIGHTS = 256 * 256
"""Networks with a linear layer above this size are trained one after the other: no faster together."""
FEWEST_SEEDS = 3
"""Fewer seeds are no faster together."""
FEW_ROWS = 8
"""Rows on which a network is tried together."""


def together_fault(
    model: MultiTaskModel, tasks: TaskSet, train_rows: Sequence[Rows], options: TrainOptions, seeds: Sequence[int]
) -> str | None:
    """Why networks like ``model`` cannot be trained together, or not faster; None where they should be.

    It follows from shapes, kinds of modules, labels and seeds alone, never from timing: a job that goes on elsewhere
    decides alike. Also refused is whatever one batched network could not do as several do: weightings other than
    ``equal``, rows of ones own on branches, batches without a label of some task, dropout, running statistics, hooks,
    and what torch cannot batch, which is tried on a few rows.

    Cost: about two steps, and a look at the labels of all batches where some are missing.

    Args:
        model: Any one of them; is left as it is.
        tasks: Its tasks, in the order of the labels' columns.
        train_rows: Rows to train on, for each seed.
        options: As for one.
        seeds: Of all of them.
    """
    modules = list(model.modules())
    return (
        _fault_of_training(model, tasks, train_rows, options, seeds)
        or next((fault for module in modules if (fault := _fault_of_module(module))), None)
        or _fault_of_trying(model, tasks, train_rows[0])
    )


def _fault_of_training(
    model: MultiTaskModel, tasks: TaskSet, train_rows: Sequence[Rows], options: TrainOptions, seeds: Sequence[int]
) -> str | None:
    rows = train_rows[0]
    if len({(min(len(rows), options.batch_size), rows.whole) for rows in train_rows}) > 1:
        return "seeds have batches of other shapes"
    if len(seeds) < FEWEST_SEEDS:
        return f"fewer than {FEWEST_SEEDS} seeds are not faster together, found {len(seeds)}"
    if options.weighting != "equal":
        return f"each seed weights its losses by itself (train.weighting {options.weighting})"
    if rows.owner is not None and model.branched:
        return "tasks have rows of their own"
    for task, whole in zip(tasks, rows.whole, strict=True):
        if task.n_outputs > 1 and not whole:
            return f"task `{task.name}` has several outputs and rows without labels"
    return _silent(tasks, train_rows, options, seeds)


def _silent(tasks: TaskSet, train_rows: Sequence[Rows], options: TrainOptions, seeds: Sequence[int]) -> str | None:
    """Batches without a label of a task would leave its head as it is under one seed, and train it under others."""
    sparse = [k for k, whole in enumerate(train_rows[0].whole) if not whole]
    if not sparse:
        return None
    for rows, seed in zip(train_rows, seeds, strict=True):
        known = ~torch.isnan(rows.labels[:, sparse])
        for step, index in enumerate(batch_indices(len(rows), options.batch_size, options.steps, seed)):
            there = known[index].any(dim=0)
            if not bool(there.all()):
                task = tasks.names[sparse[int(there.int().argmin())]]
                return f"batch {step} of seed {seed} has no label of task `{task}`"
    return None


def _fault_of_module(module: nn.Module) -> str | None:
    kind = type(module).__name__
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
        return f"somebody hooked a module ({kind})"
    if isinstance(module, _DropoutNd) and module.p > 0:
        return f"every seed has dropout masks of its own ({kind})"
    if isinstance(module, _NormBase) and module.running_mean is not None:
        return f"every seed has running statistics of its own ({kind})"
    if isinstance(module, _ConvNd):
        return f"convolutions are not faster together ({kind})"
    if isinstance(module, nn.Linear) and module.weight.numel() > MOST_WEIGHTS:
        return f"layers as wide as {module.in_features} to {module.out_features} are not faster together"
    return None


def _fault_of_trying(model: MultiTaskModel, tasks: TaskSet, rows: Rows) -> str | None:
    """Whatever torch cannot batch, at all or other than in a loop, and what changes buffers or draws at random."""
    few = torch.arange(min(len(rows), FEW_ROWS))
    whole = Rows(rows.inputs[few], rows.labels[few].nan_to_num(), (True,) * len(tasks))
    two = [copy.deepcopy(model) for _ in range(2)]
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("error")
            stacked = Stacked(two, tasks, whole.whole)
            buffers = [b for module in stacked.template.modules() for b in module.buffers(recurse=False)]
            before = [buffer._version for buffer in buffers]
            found = stacked.losses(*(torch.stack([part] * 2) for part in (whole.inputs, whole.labels)))
            found.sum().backward()  # type: ignore[no-untyped-call]
            for one in two:
                one.train()
            alone = total_loss(two[1], tasks, whole)
    except (RuntimeError, Warning) as error:
        return f"torch cannot batch it: {str(error).strip().splitlines()[0]}"
    if [buffer._version for buffer in buffers] != before:
        return "it changes buffers while it trains"
    if not torch.allclose(found, alone.expand(2), rtol=1e-3, atol=1e-5, equal_nan=True):
        return "batched it computes something else"
    return None
