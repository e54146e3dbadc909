"""Heads: linear or one hidden layer; before any training they predict the label mean, or the class prior."""

import math

import torch
from torch import nn

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import Task

RAREST = 1e-6
"""Smallest prior that a first prediction speaks of: a class that no training row has."""


def build_head(task: Task, n_features: int, size: int, seed: int) -> nn.Module:
    """A head whose first predictions are the label mean or the class prior: the weights of its last layer are 0.

    Args:
        task: Its outputs are standardized values (mean 0) or logits.
        n_features: Width of what it reads.
        size: Width of its hidden layer (ReLU); 0 is a linear head.
        seed: Decides the hidden layer's weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed("head", task.name, seed))
        last = nn.Linear(size or n_features, task.n_outputs)
        head = nn.Sequential(nn.Linear(n_features, size), nn.ReLU(), last) if size else last
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(first_outputs(task)))
    return head


def first_outputs(task: Task) -> list[float]:
    """What is known before any input: 0 for regression (labels are standardized), else logits of the prior."""
    shares = [min(max(share, RAREST), 1 - RAREST) for share in task.prior]
    if not shares:
        return [0.0] * task.n_outputs
    if task.kind == "binary":
        return [math.log(shares[0] / (1 - shares[0]))]
    return [math.log(share) for share in shares]


def head_cost(n_features: int, size: int, n_outputs: int) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one example."""
    if not size:
        return (n_features + 1) * n_outputs, n_features * n_outputs
    return (n_features + 1) * size + (size + 1) * n_outputs, (n_features + n_outputs) * size
