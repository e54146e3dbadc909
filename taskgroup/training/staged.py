"""Staged training: trunk and heads first, then adapters and heads."""

from typing import Self

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from taskgroup.core.trial import TrainOptions
from taskgroup.training.model import MultiTaskModel


class Phases:
    """Decides before each step what trains; a context, after which all trains again that did before.

    With ``adapters: staged`` adapters stay at the identity up to step ``turn``. From there on the rest of the trunk is
    frozen: no gradient, no weight decay, and normalization by the statistics that it has. Heads train all the time.
    With ``joint``, and in networks without adapters, everything trains from the first step to the last.

    Args:
        model: The network.
        options: ``adapters``, ``adapter_share`` and ``steps``.
    """

    def __init__(self, model: MultiTaskModel, options: TrainOptions) -> None:
        self.adapters: list[nn.Parameter] = []
        if options.adapters == "staged":
            self.adapters = [p for p in model.adapter_parameters() if p.requires_grad]
        spared = {id(p) for p in self.adapters} | {id(p) for head in model.heads for p in head.parameters()}
        self.trunk = [p for p in model.parameters() if p.requires_grad and id(p) not in spared]
        of_heads = {id(part) for head in model.heads for part in head.modules()}
        self.norms = [
            part
            for part in model.modules()
            if isinstance(part, _NormBase)
            and id(part) not in of_heads
            and not any(id(p) in spared for p in part.parameters())
        ]
        n_first = round(options.steps * (1 - options.adapter_share))
        self.turn = min(max(n_first, 1), options.steps - 1)

    def before_step(self, step: int) -> None:
        """To be called before the gradients are cleared for optimizer step ``step``."""
        if not self.adapters or step < self.turn:
            return
        if step == self.turn:
            _let_learn(self.adapters, True)
            _let_learn(self.trunk, False)
        for norm in self.norms:  # each time: a validation check puts the whole network back to training mode
            norm.eval()

    def __enter__(self) -> Self:
        _let_learn(self.adapters, False)
        return self

    def __exit__(self, *_: object) -> None:
        if self.adapters:
            _let_learn([*self.adapters, *self.trunk], True)


def _let_learn(parameters: list[nn.Parameter], learn: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(learn)
