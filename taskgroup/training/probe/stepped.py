"""Stepped: every task's loss after a gradient step on each task, exactly."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.training.probe.gradients import Factor, FactoredGradients, Scales
from taskgroup.training.probe.passes import Pass
from taskgroup.training.probe.tower import Tower, hooked, masked

CHUNK_ROWS = 2048
"""Rows that run through a plain trunk at once when the steps of several sources are tried together."""


@torch.no_grad()
def stepped_losses(
    tower: Tower,
    source: Pass,
    target: Pass,
    eta: float,
    moved: Sequence[str],
    sources: Sequence[int],
    scales: Scales | None = None,
) -> Tensor:
    """``L_j(θ - η s ∇L_i)`` for each source i, moving only the stages ``moved``; shape ``(len(sources), T)``, float64.

    A plain tower tries many sources at once, as one long batch to whose rows each layer adds what the step does to it
    (``-η (x Aᵀ) G``): no parameter moves. Elsewhere parameters move and are put back, one source after the other. What
    lies before the first stage that moves is not run again.

    Args:
        tower: The network.
        source: Pass whose gradients make the steps.
        target: Pass on whose batch losses are taken; the same one unless another batch is asked.
        eta: Step size η.
        moved: Stages that move.
        sources: Places of the source tasks.
        scales: s, what the optimizer multiplies gradients with; 1 where None.
    """
    active = [name for name in moved if tower.parameters[name]]
    if not active or not sources:
        return target.losses.expand(len(sources), -1).clone()
    first = next(name for name in tower.stages if name in active)
    if isinstance(source.gradients, FactoredGradients):
        size = max(1, CHUNK_ROWS // len(target.entries[first]))
        factors = [f for name in active for f in source.gradients.factors[name]]
        groups = [list(sources[k : k + size]) for k in range(0, len(sources), size)]
        return torch.cat([_together(tower, factors, target, eta, first, group, scales) for group in groups])
    return torch.stack([_alone(tower, source, target, eta, active, k, scales) for k in sources])


def _together(
    tower: Tower, factors: Sequence[Factor], target: Pass, eta: float, first: str, sources: list[int], scales: Any
) -> Tensor:
    entry = target.entries[first]
    stream = entry.expand(len(sources), *entry.shape).reshape(-1, *entry.shape[1:])
    hooks = [(f.module, _adding(f, eta, sources, scales)) for f in factors]
    with masked(tower, target.masks), hooked(hooks):
        for name in tower.after(first):
            stream = tower.stages[name](stream)
    return target.heads.losses(stream.view(len(sources), -1, stream.shape[-1])).double()


def _adding(factor: Factor, eta: float, sources: list[int], scales: Scales | None) -> Any:
    """Forward hook: output plus what the step on each source does to the source's own rows of the input."""
    everyone = sources == list(range(len(factor.full_slopes()) if factor.owners is None else len(factor.owners)))
    slopes = factor.full_slopes() if everyone else factor.full_slopes()[sources]
    bias = slopes.sum(dim=1, keepdim=True) if factor.module.bias is not None else None
    weight: Tensor | None = None
    if scales is not None:
        weight = (slopes.transpose(1, 2) @ factor.rows * scales[factor.module.weight]).transpose(1, 2)
        bias = None if bias is None else bias * scales[factor.module.bias]
    elif len(factor.rows) > 2 * factor.rows.shape[1]:
        weight = factor.rows.T @ slopes

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = args[0].view(len(sources), -1, args[0].shape[-1])
        change = (x @ factor.rows.T) @ slopes if weight is None else x @ weight
        if bias is not None:
            change += bias
        return output.sub_(change.view_as(output), alpha=eta)

    return hook


def _alone(
    tower: Tower, source: Pass, target: Pass, eta: float, moved: Sequence[str], task: int, scales: Scales | None
) -> Tensor:
    assert source.gradients is not None
    moves: dict[str, list[Tensor]] = {name: source.gradients.of(task, name) for name in moved}
    if scales is not None:
        moves = {
            name: [g * scales[p] for g, p in zip(group, tower.parameters[name], strict=True)]
            for name, group in moves.items()
        }
    return losses_along(tower, target, moves, -eta)


@torch.no_grad()
def losses_along(tower: Tower, target: Pass, moves: Mapping[str, Sequence[Tensor]], scale: float) -> Tensor:
    """Every task's loss after adding ``scale`` times a direction to the parameters of the stages it names.

    Shape ``(T,)``, float64. Random draws are those of the pass; parameters are as before afterwards.
    """
    active = [name for name in tower.stages if moves.get(name)]
    if not active:
        return target.losses.clone()
    first = active[0]
    pairs = [(p, d) for name in active for p, d in zip(tower.parameters[name], moves[name], strict=True)]
    with _moved(pairs, scale), masked(tower, target.masks) if tower.plain else nullcontext():
        torch.set_rng_state(target.random[first])
        stream = target.entries[first]
        for name in tower.after(first):
            stream = tower.stages[name](stream)
        return target.heads.losses(stream).double()


@contextmanager
def _moved(pairs: Sequence[tuple[nn.Parameter, Tensor]], scale: float) -> Iterator[None]:
    """Other tensors in the parameters' place, which cost one addition each; what was there comes back untouched."""
    kept = [p.data for p, _ in pairs]
    try:
        for parameter, direction in pairs:
            parameter.data = torch.add(parameter.data, direction, alpha=scale)
        yield
    finally:
        for (parameter, _), value in zip(pairs, kept, strict=True):
            parameter.data = value
