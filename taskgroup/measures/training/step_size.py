"""The probe's step size, shared by the measures that take a step."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from taskgroup.core.task import Frozen
from taskgroup.training.probe import Probe


class Stepping(Frozen):
    """Options of every measure that looks ahead by a gradient step.

    Attributes:
        step_size: Length η of the step ``-η ∇L_source``. ``lr``: the learning rate of the step at hand, as published;
            ``auto``: such that the median task would lower its own loss by ``target``, to first order; or a number.
        target: Relative decrease of a task's own loss that ``auto`` aims at.
        max_step: Upper limit of ``auto``.
        min_loss: Targets with a loss below this are left out of a step (their relative change blows up).
    """

    step_size: Literal["auto", "lr"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "auto"
    target: float = Field(default=0.03, gt=0, lt=1)
    max_step: float = Field(default=1.0, gt=0)
    min_loss: float = Field(default=1e-4, ge=0)

    def eta(self, probe: Probe, losses: Tensor, squares: Tensor) -> float:
        """The step size for this look; ``losses`` and ``squares`` (own decrease per unit of η) of shape ``(T,)``."""
        if self.step_size == "lr":
            return probe.lr
        if self.step_size != "auto":
            return float(self.step_size)
        usable = torch.isfinite(losses) & (losses > self.min_loss) & (squares > 0)
        if not bool(usable.any()):
            return self.max_step
        return min(self.max_step, self.target / float((squares[usable] / losses[usable]).median()))

    def denominators(self, losses: Tensor) -> Tensor:
        """Target losses to divide by, NaN where infinite or not above ``min_loss``; shape ``(T,)``."""
        return torch.where(torch.isfinite(losses) & (losses > self.min_loss), losses, torch.nan)
