"""Pass: one batch run through the tower, and the way back for every task."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.training.data import Rows
from taskgroup.training.probe.gradients import Factor, FactoredGradients, Gradients, PlainGradients
from taskgroup.training.probe.heads import StackedHeads
from taskgroup.training.probe.tower import Masks, Tower, hooked, masked

HELD_NUMBERS = 2**24
"""Numbers that gradients of all tasks may take together before they are projected (64 MiB)."""
PROJECTED = 2048
"""Numbers that are left of a projected gradient in each stage."""
SKETCHED_TASKS = 64
"""More tasks than this, and the factors of linear layers are projected to :data:`SKETCH` on both sides."""
SKETCH = 32


@dataclass(frozen=True)
class Pass:
    """One forward pass; with gradients if it was asked for them.

    Attributes:
        heads: Losses of the batch.
        losses: Shape ``(T,)``, float64, NaN without labels.
        gradients: Of every task; None if not asked for.
        entries: Input of every stage: a tensor, or a tuple of tensors.
        random: Torch's random state before every stage.
        masks: Dropout masks of a plain tower.
    """

    heads: StackedHeads
    losses: Tensor
    gradients: Gradients | None
    entries: Mapping[str, Any]
    random: Mapping[str, Tensor]
    masks: Masks = field(default_factory=dict)


def run(
    tower: Tower,
    rows: Rows,
    *,
    backward: bool = True,
    exact: bool = False,
    seed: int = 0,
    only: Sequence[int] | None = None,
) -> Pass:
    """Run the batch forward, and back for every task; changes buffers and random state.

    Cost: a plain tower goes back for all tasks at once; one on whose every row one task is labelled needs a single
    backward; any other tower takes one backward per task.

    Args:
        tower: The network.
        rows: The batch.
        backward: Whether to find gradients.
        exact: Whether gradients must be there in full, not as projections.
        seed: Of the projections.
        only: Tasks whose gradients are wanted, where they come one by one; all by default.
    """
    heads = StackedHeads(tower.tasks, tower.heads, rows)
    entries: dict[str, Any] = {}
    random: dict[str, Tensor] = {}
    masks: Masks = {}
    taps = _Taps([p for s in tower.stages.values() for p in s.modules() if isinstance(p, nn.Linear)])
    with torch.set_grad_enabled(backward), hooked([(m, taps) for m in taps.modules if tower.plain and backward]):
        stream: Any = rows.inputs
        for name, stage in tower.stages.items():
            entries[name], random[name] = _detached(stream), torch.get_rng_state()
            if tower.plain:
                with masked(tower, masks):
                    stream = stage(stream)
            else:
                stream = stage(stream)
    if not backward:
        return Pass(heads, heads.losses(stream).double(), None, entries, random, masks)
    losses, slopes = heads.slopes(stream)
    gradients: Gradients
    if tower.plain and all(x.ndim == 2 for x in taps.inputs.values()):
        gradients = _factored(tower, taps, stream, heads, slopes, exact=exact, seed=seed)
    else:
        gradients = _one_by_one(tower, stream, heads, slopes, exact=exact, seed=seed, only=only)
    return Pass(heads, losses.double(), gradients, entries, random, masks)


def _detached(stream: Any) -> Any:
    return tuple(part.detach() for part in stream) if isinstance(stream, tuple) else stream.detach()


def direction(tower: Tower, rows: Rows, weights: Tensor) -> dict[str, list[Tensor]]:
    """Gradient of the sum of the losses times ``weights``, shape ``(T,)``, by stage; one forward and one backward."""
    heads = StackedHeads(tower.tasks, tower.heads, rows)
    everything = [p for group in tower.parameters.values() for p in group]
    masks: Masks = {}
    with torch.enable_grad(), masked(tower, masks) if tower.plain else nullcontext():
        features = rows.inputs
        for stage in tower.stages.values():
            features = stage(features)
    _, slopes = heads.slopes(features)
    cotangent = heads.joint_cotangent(slopes * heads.spread(weights.to(slopes.dtype)))
    if not everything or not features.requires_grad:
        return {name: [] for name in tower.stages}
    found = iter(torch.autograd.grad(features, everything, cotangent, materialize_grads=True))
    return {name: [next(found) for _ in group] for name, group in tower.parameters.items()}


class _Taps:
    """Forward hook that keeps what goes into and comes out of linear layers."""

    def __init__(self, modules: Sequence[nn.Linear]) -> None:
        self.modules = modules
        self.inputs: dict[nn.Module, Tensor] = {}
        self.outputs: dict[nn.Module, Tensor] = {}

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        self.inputs[module], self.outputs[module] = args[0].detach(), output


def _factored(
    tower: Tower, taps: _Taps, features: Tensor, heads: StackedHeads, slopes: Tensor, *, exact: bool, seed: int
) -> FactoredGradients:
    wanted = [taps.outputs[m] for m in taps.modules]
    owners = heads.owners()
    if not wanted:
        found: Sequence[Tensor] = []
    elif owners is not None:
        found = torch.autograd.grad(features, wanted, heads.joint_cotangent(slopes))
    else:
        found = torch.autograd.grad(features, wanted, heads.cotangents(slopes), is_grads_batched=True)
    by_module = dict(zip(taps.modules, found, strict=True))
    factors = {
        name: [Factor(m, taps.inputs[m], by_module[m], owners) for m in stage.modules() if isinstance(m, nn.Linear)]
        for name, stage in tower.stages.items()
    }
    sketch = SKETCH if heads.n_tasks > SKETCHED_TASKS and not exact else 0
    return FactoredGradients(factors, heads.n_tasks, sketch, seed)


def _one_by_one(
    tower: Tower,
    features: Tensor,
    heads: StackedHeads,
    slopes: Tensor,
    *,
    exact: bool,
    seed: int,
    only: Sequence[int] | None = None,
) -> PlainGradients:
    tasks = list(range(heads.n_tasks)) if only is None else list(only)
    sizes = {name: sum(p.numel() for p in group) for name, group in tower.parameters.items()}
    projected = not exact and heads.n_tasks * sum(sizes.values()) > HELD_NUMBERS
    project = {name: _Projection(size, seed) for name, size in sizes.items()} if projected else {}
    widths = {name: min(size, PROJECTED) if projected else size for name, size in sizes.items()}
    rows = {name: torch.zeros(len(tasks), width) for name, width in widths.items()}
    everything = [p for group in tower.parameters.values() for p in group]
    for place, task in enumerate(tasks if everything and features.requires_grad else ()):
        if not heads.n_known[task]:
            continue
        found = torch.autograd.grad(
            features, everything, heads.cotangent(slopes, task), retain_graph=True, materialize_grads=True
        )
        parts = iter(found)
        for name, group in tower.parameters.items():
            if group:
                flat = torch.cat([next(parts).flatten() for _ in group])
                rows[name][place] = project[name](flat) if projected else flat
    return PlainGradients(tower.parameters, rows, tuple(tasks), projected)


class _Projection:
    """Count sketch: every number is added with a random sign to one of a few places; keeps inner products unbiased.

    Source: Charikar, Chen & Farach-Colton 2002, doi 10.1007/3-540-45465-9_59.
    """

    def __init__(self, size: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.whole = size <= PROJECTED
        if not self.whole:
            self.places = torch.randint(0, PROJECTED, (size,), generator=generator)
            self.signs = torch.randint(0, 2, (size,), generator=generator) * 2.0 - 1.0

    def __call__(self, numbers: Tensor) -> Tensor:
        if self.whole:
            return numbers
        return torch.zeros(PROJECTED).index_add_(0, self.places, numbers * self.signs)
