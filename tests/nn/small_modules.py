"""Modules to be cut, as people write them, and what it means that the stages compute the same."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.nn.flow import Flow
from taskgroup.nn.trunk import Trunk


class Block(nn.Module):
    """A residual block as torchvision has it: one activation used twice, in place."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = (
            None if stride == 1 else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A small ResNet with a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 3, 3, 1, 1, bias=False), nn.BatchNorm2d(3)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.layer1 = nn.Sequential(Block(3, 3), Block(3, 3))
        self.layer2 = nn.Sequential(Block(3, 4, 2))
        self.layer3 = nn.Sequential(Block(4, 5, 2))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)  # type: ignore[no-any-return]


class Plain(nn.Module):
    """Convolutions with functional activations, one pooling module used twice, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.4)
        self.fc1, self.fc2 = nn.Linear(16, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(x.size(0), -1)
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc2(x)  # type: ignore[no-any-return]


class Around(nn.Module):
    """Residual connections around named parts, batch normalization, dropout, a scale of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.norm, self.drop = nn.BatchNorm1d(5), nn.Dropout(0.3)
        self.scale = nn.Parameter(torch.full((5,), 1.5))
        self.register_buffer("shift", torch.arange(5.0))
        self.shift: Tensor

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.tanh(self.first(x))
        x = x * self.scale + 2 * self.shift
        x = x + self.drop(self.norm(self.second(x)))
        return self.third(x)  # type: ignore[no-any-return]


class Masked(nn.Module):
    """Hidden state and mask as arguments; the mask is read at every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor, mask: Tensor, scale: float = 2.0) -> Tensor:
        x = self.embed(x) * mask.unsqueeze(-1)
        for layer in self.layers:
            x = x + self.drop(layer(x)) * mask.unsqueeze(-1) * scale
        return x.sum(dim=1) / mask.sum(dim=1, keepdim=True)


class Pair(nn.Module):
    """One step on ``(hidden, mask)``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, flow: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, mask = flow
        return torch.relu(self.linear(x)) * mask[..., None], mask


class Mean(nn.Module):
    """Mean over what the mask leaves."""

    def forward(self, flow: tuple[Tensor, Tensor]) -> Tensor:
        x, mask = flow
        return x.sum(1) / mask.sum(1, keepdim=True)


def pairs() -> nn.Sequential:
    return nn.Sequential(Pair(3, 4), Pair(4, 4), Pair(4, 2), Mean())


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)
    )


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


MASK = torch.tensor([[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
EXAMPLES: dict[str, tuple[Any, Flow]] = {
    "residual": (Residual, numbers(3, 2, 12, 12)),
    "plain": (Plain, numbers(3, 2, 14, 14)),
    "around": (Around, numbers(3, 5)),
    "masked": (Masked, (numbers(3, 4, 3), MASK)),
    "pairs": (pairs, (numbers(3, 4, 3), MASK)),
    "mlp": (mlp, numbers(3, 2, 3)),
}


def module_of(name: str) -> tuple[nn.Module, Flow]:
    torch.manual_seed(0)
    make, rows = EXAMPLES[name]
    return make(), rows


class Chain(nn.Module):
    """Copies of a trunk's stages, one after the other."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.parts = nn.ModuleList(trunk.instantiate(name, 0) for name in trunk.names)

    def forward(self, flow: Flow) -> Any:
        for part in self.parts:
            flow = part(flow)
        return flow


def called(module: nn.Module, rows: Flow) -> Tensor:
    """The module as its user calls it."""
    whole = isinstance(rows, Tensor) or isinstance(module, nn.Sequential | Chain)
    output = module(rows) if whole else module(*rows)
    assert isinstance(output, Tensor)
    return output


def gradients(module: nn.Module, rows: Flow, seed: int) -> tuple[Tensor, list[Tensor]]:
    """Output in training mode under ``seed``, and the gradients of all parameters, in their order."""
    torch.manual_seed(seed)
    output = called(module.train(), rows)
    weights = torch.linspace(0.5, 1.5, output.numel()).reshape(output.shape)
    return output, list(torch.autograd.grad((output * weights).sum(), list(module.parameters())))


def check_same(module: nn.Module, trunk: Trunk, rows: Flow) -> None:
    """The stages compute what the module computes, to the bit, in evaluation and in training; so are the gradients.

    Parameters and buffers go by the names they have in the module.
    """
    chain = Chain(trunk)
    assert torch.equal(called(chain.eval(), rows), called(module.eval(), rows))
    expected, theirs = gradients(module, rows, 3)
    found, ours = gradients(chain, rows, 3)
    assert torch.equal(found, expected)
    names = [name for part in chain.parts for name, _ in part.named_parameters()]
    by_name = dict(zip([name for name, _ in module.named_parameters()], theirs, strict=True))
    assert sorted(names) == sorted(by_name)
    for name, gradient in zip(names, ours, strict=True):
        assert torch.equal(gradient, by_name[name]), name
    for part in chain.parts:
        for name, buffer in part.named_buffers():
            assert torch.equal(buffer, module.get_buffer(name)), name
