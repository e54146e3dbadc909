"""What the loop asks of a weighting in the course of a training."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from taskgroup.core.task import TaskSet
from taskgroup.errors import InputError
from taskgroup.training.data import Rows
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.weighting import WEIGHTINGS, weighting_fault

Pull = Callable[[], None]
"""Adds to the gradients of the network's parameters."""


class Weigher(Protocol):
    """Weights the steps of one training."""

    def __call__(self, batch: Rows, lr: float) -> tuple[Tensor, Pull]:
        """The loss on ``batch``, for its value, and what puts the gradients of this step in place.

        Args:
            batch: Rows of the step.
            lr: The step's learning rate, for what the weighting itself learns.
        """
        ...


def weigher(name: str, model: MultiTaskModel, tasks: TaskSet, seed: int) -> Weigher:
    """The weighting ``name`` for a training of ``model``.

    Raises:
        InputError: With the words of :func:`taskgroup.training.weighting.weighting_fault`.
    """
    fault = weighting_fault(name)
    if fault:
        raise InputError(fault)
    made: Weigher = WEIGHTINGS.create(name, {}).ready(model, tasks, seed)
    return made
