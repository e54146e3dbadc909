"""Other ways to the same matrices, to compare with: the published way of looking ahead, and torchjd's Gram engine."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from taskgroup.core.task import TaskSet
from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.losses import head_losses


def published(network: SharedNetwork, rows: Rows, eta: float, sources: Sequence[int]) -> Tensor:
    """Lookahead as published: one backward, one step and one full forward per source; shape ``(len(sources), T)``.

    Every head and every loss is computed by itself, as in the code released with the method.

    Source: Fifty et al. 2021, arXiv 2109.04617, algorithm 1.
    """
    parameters = [p for group in network.shared_parameters().values() for p in group]
    before = _losses(network, rows)
    gradients = [torch.autograd.grad(before[k], parameters, retain_graph=True) for k in sources]
    found = []
    with torch.no_grad():
        for gradient in gradients:
            kept = [p.clone() for p in parameters]
            for parameter, slope in zip(parameters, gradient, strict=True):
                parameter.sub_(slope, alpha=eta)
            found.append(1 - torch.stack(_losses(network, rows)) / torch.stack(before))
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
    return torch.stack(found)


def separate_heads_step(network: SharedNetwork, rows: Rows, optimizer: torch.optim.Optimizer) -> None:
    """A training step whose heads and losses are computed one by one, as most code does."""
    optimizer.zero_grad()
    torch.stack(_losses(network, rows)).nansum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _losses(network: SharedNetwork, rows: Rows) -> list[Tensor]:
    features = _features(network, rows.inputs)
    return [
        head_losses([(task, k)], [head(features)], rows)[0]
        for k, (task, head) in enumerate(zip(network.tasks, network.heads, strict=True))
    ]


def _features(network: SharedNetwork, inputs: Tensor) -> Tensor:
    tower = network.tower()
    assert tower is not None
    for stage in tower.stages.values():
        inputs = stage(inputs)
    return inputs


class _Chain(nn.Module):
    """The stages as one module."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.Sequential(*stages)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows to features."""
        features: Tensor = self.stages(rows)
        return features


def torchjd_gram(network: SharedNetwork, tasks: TaskSet, rows: Rows) -> Callable[[], Tensor]:
    """Inner products of the tasks' gradients by torchjd's engine, shape ``(T, T)``; made once, called often.

    Raises:
        InputError: torchjd is not installed.
    """
    try:
        from torchjd.autogram import Engine
    except ImportError as error:
        raise InputError("bench lookahead: compares with torchjd; install it: pip install torchjd") from error
    tower = network.tower()
    assert tower is not None
    trunk, heads = _Chain([copy.deepcopy(stage) for stage in tower.stages.values()]), copy.deepcopy(network.heads)
    engine = Engine(trunk, batch_dim=None)

    def gram() -> Tensor:
        features = trunk(rows.inputs)
        losses = head_losses([(t, k) for k, t in enumerate(tasks)], [head(features) for head in heads], rows)
        found: Tensor = engine.compute_gramian(losses)
        return found

    return gram
