"""Lookahead affinity (Fifty et al. 2021, arXiv 2109.04617): exact, to first order, or sampled."""

from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from taskgroup.measures import Sight
from taskgroup.measures.training.step_size import Stepping
from taskgroup.training.probe import Batch, Crossing, Probe

GUARD_EVERY = 4
"""Looks from one check of the first order against exact steps to the next."""


class Lookahead(Stepping):
    """``Z[i, j] = 1 - L_j(θ - η ∇L_i(θ)) / L_j(θ)``: relative decrease of target j's loss after a step on source i.

    Positive: training the source lowers the target's loss. Dimensionless, not symmetric. One slice moves each stage
    alone, the last moves the whole trunk. Heads and private parameters stay. With losses L, gradients g:

    - ``exact``: the formula as it stands; ``difference: central`` takes ``(L_j(θ - η g_i) - L_j(θ + η g_i)) / 2 L_j``
      with the sign turned, which frees it of the curvature term ``-η² g_iᵀ H_j g_i / 2``.
    - ``first_order``: ``η <g_i, g_j> / L_j``, without curvature, all stages at the cost of one.
    - ``sampled``, ``sample: signs``: for random signs s, ``s_i`` times the central difference of ``L_j`` along
      ``Σ s_k g_k / √L_k``, times ``√L_i``, is an unbiased estimate of the first order whose cost knows no number of
      tasks; ``sample: sources`` takes exact steps on a few random sources, the others are unknown in that look.
    - ``auto``: first order, checked at every fourth look by exact steps on two sources; where their self-affinity is
      on average below ``guard`` of the first order's (λ), looks are exact until the next check.

    Cost, in plain training steps (see ``results/bench/lookahead.md``): on chains of linear layers first order is 1 to
    2 at up to 27 tasks and exact 2 to 3; elsewhere first order takes one backward per task, exact a forward besides.

    Source: Fifty et al. 2021, arXiv 2109.04617, equation 1. There η is the learning rate (``step_size: lr``) and only
    the whole trunk is moved.

    Attributes:
        method: Its name in the table.
        mode: See above.
        on: Rows on which the effect is looked up: the ``same`` batch as the gradient's, the other of two ``halves`` of
            it (both ways), the ``next`` batch, or ``val``, validation rows. On the same rows a pair shares its noise.
        step: Plain ``gradient``, or scaled as the ``optimizer`` would (Adam's preconditioner; the momentum that all
            sources have in common is left out, a constant per target).
        difference: Of exact looks: ``forward`` as published, or ``central``.
        per_stage: Of exact looks: whether the slices of single stages are ``exact`` too, or ``first_order``.
        sample: Of sampled looks: ``signs`` or ``sources``.
        draws: Of sampled looks: how many draws.
        guard: Of ``auto``: the smallest λ with which the first order is trusted.
    """

    method: Literal["lookahead"] = "lookahead"
    sees: ClassVar[Sight] = "probe"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "a training step on A lowers B's loss"
    mode: Literal["auto", "exact", "first_order", "sampled"] = "auto"
    on: Batch = "same"
    step: Literal["gradient", "optimizer"] = "gradient"
    difference: Literal["forward", "central"] = "forward"
    per_stage: Literal["exact", "first_order"] = "first_order"
    sample: Literal["signs", "sources"] = "signs"
    draws: int = Field(default=4, ge=1)
    guard: float = Field(default=0.9, gt=0, le=1)

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        crossings = probe.crossings(self.on, optimizer_step=self.step == "optimizer")
        looks = [self._look(probe, crossing) for crossing in crossings]
        return np.asarray(torch.stack(looks).mean(dim=0).numpy())

    def _look(self, probe: Probe, crossing: Crossing) -> Tensor:
        if self.mode == "sampled" and self.sample == "signs":
            return self._signs(probe, crossing)
        squares, gram = crossing.squares(), crossing.gram()
        eta = self.eta(probe, crossing.losses, squares.sum(dim=0))
        probe.facts["eta"] = eta
        first = eta * torch.cat([gram, gram.sum(dim=0, keepdim=True)]) / self.denominators(crossing.losses)
        first[:, ~(squares.sum(dim=0) > 0) & ~torch.isfinite(crossing.losses), :] = torch.nan
        if self.mode == "auto" and not self._needs_exact(probe, crossing, first, eta):
            return first
        if self.mode == "first_order":
            return first
        return self._exact(probe, crossing, first, eta)

    def _exact(self, probe: Probe, crossing: Crossing, first: Tensor, eta: float) -> Tensor:
        sources = [k for k in range(len(probe.tasks)) if not bool(first[-1, k].isnan().all())]
        if self.mode == "sampled" and len(sources) > self.draws:
            generator = torch.Generator().manual_seed(probe.number)
            sources = sorted(sources[k] for k in torch.randperm(len(sources), generator=generator)[: self.draws])
        result = torch.full_like(first, torch.nan)
        result[:, sources] = first[:, sources]
        result[-1, sources] = self._decrease(crossing, eta, probe.stages, sources)
        if self.per_stage == "exact":
            for k, stage in enumerate(probe.stages):
                result[k, sources] = self._decrease(crossing, eta, (stage,), sources)
        return result

    def _decrease(self, crossing: Crossing, eta: float, stages: tuple[str, ...], sources: list[int]) -> Tensor:
        """Relative decrease of the target losses after steps on ``sources``, shape ``(len(sources), T)``."""
        before = self.denominators(crossing.losses)
        after = crossing.stepped(eta, stages, sources)
        if self.difference == "central":
            found = (crossing.stepped(-eta, stages, sources) - after) / (2 * before)
        else:
            found = 1.0 - after / before
        return torch.where(found.isfinite(), found, torch.nan)

    def _needs_exact(self, probe: Probe, crossing: Crossing, first: Tensor, eta: float) -> bool:
        """Whether the first order is off; checked now and then by exact steps on two tasks."""
        if "lambda" not in probe.memory or probe.number % GUARD_EVERY == 0:
            own = first[-1].diagonal()
            usable = sorted((k for k in range(len(own)) if own[k] > 0), key=lambda k: float(own[k]))
            if not usable:
                return False
            chosen = sorted(
                {usable[len(usable) // 3], usable[2 * len(usable) // 3]}
            )  # neither the flattest nor the steepest
            found = self._decrease(crossing, eta, probe.stages, chosen)
            ratios = torch.stack([found[k, task] / own[task] for k, task in enumerate(chosen)])
            probe.memory["lambda"] = float(ratios.nan_to_num(nan=0.0).mean())
        probe.facts["lambda"] = probe.memory["lambda"]
        probe.facts["exact"] = float(probe.memory["lambda"] < self.guard)
        return probe.memory["lambda"] < self.guard

    def _signs(self, probe: Probe, crossing: Crossing) -> Tensor:
        """Mean over random-sign combinations of the tasks; each costs one backward and two forwards per slice."""
        losses, before = crossing.losses, self.denominators(crossing.losses)
        scale = torch.where(torch.isfinite(losses) & (losses > self.min_loss), losses, 1.0).sqrt()
        slices = [*((stage,) for stage in probe.stages), probe.stages]
        total = torch.zeros(len(slices), len(losses), len(losses), dtype=torch.float64)
        generator = torch.Generator().manual_seed(probe.number)
        steps = []
        for _ in range(self.draws):
            signs = torch.randint(0, 2, (len(losses),), generator=generator) * 2.0 - 1.0
            weights = torch.where(torch.isfinite(losses), signs / scale, 0.0)
            move = crossing.direction(weights)
            square = sum(float(d.double().square().sum()) for group in move.values() for d in group)
            # E|Σ s_k g_k / √L_k|² = Σ |g_k|² / L_k: the mean task's own decrease, times the number of tasks
            eta = self.eta(probe, torch.ones(1), torch.tensor([square / max(int(torch.isfinite(losses).sum()), 1)]))
            small = min(eta, self.max_step) / len(losses) ** 0.5
            steps.append(eta)
            for k, stages in enumerate(slices):
                part = {stage: move[stage] for stage in stages}
                slope = (crossing.along(part, small) - crossing.along(part, -small)) / (2 * small)
                total[k] += eta * (signs * scale)[:, None] * slope[None, :] / before
        probe.facts["eta"] = float(np.mean(steps))
        result = total / self.draws
        result[:, ~torch.isfinite(losses), :] = torch.nan
        return result
