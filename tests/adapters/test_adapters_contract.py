"""What every adapter must keep, over the whole table and over the three shapes of a stage's output."""

from typing import Any

import pytest
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from taskgroup.adapters import ADAPTERS, Adapter, Shape
from taskgroup.errors import InputError

SHAPES: list[Shape] = [(5,), (1,), (4, 6), (3, 4, 2)]
CASES = [(name, size) for name in ADAPTERS.names for size in (1, 3, 8)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def adapter(request: pytest.FixtureRequest) -> Adapter:
    name, size = request.param
    made: Adapter = ADAPTERS.create(name, {"size": size})
    return made


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> Shape:
    found: Shape = request.param
    return found


def rows_of(shape: Shape, n_rows: int = 7) -> Tensor:
    return torch.randn(n_rows, *shape, generator=torch.Generator().manual_seed(1))


def awake(module: nn.Module) -> nn.Module:
    """``module`` with random weights, so that it is no longer the identity."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def test_identity_at_initialization(adapter: Adapter, shape: Shape) -> None:
    rows = rows_of(shape)
    assert torch.equal(adapter.build(shape)(rows), rows)


def test_learns_at_once_and_lets_gradients_through(adapter: Adapter, shape: Shape) -> None:
    torch.manual_seed(0)
    module, rows = adapter.build(shape), rows_of(shape).requires_grad_()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    losses: list[float] = []
    for _ in range(30):
        loss = (module(rows) + rows.detach()).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert rows.grad is not None
    assert (rows.grad != 0).all()
    assert losses[-1] < losses[0]


def test_counts_are_those_of_the_built_module(adapter: Adapter, shape: Shape) -> None:
    module, rows = adapter.build(shape), rows_of(shape)
    with FlopCounterMode(display=False) as counter:
        module(rows)
    assert adapter.n_params(shape) == sum(p.numel() for p in module.parameters())
    assert adapter.n_macs(shape) * 2 * len(rows) == counter.get_total_flops()


def test_every_row_is_adapted_on_its_own(adapter: Adapter, shape: Shape) -> None:
    module, rows = awake(adapter.build(shape)), rows_of(shape)
    together = module(rows)
    assert together.shape == rows.shape
    assert not torch.allclose(together, rows)
    torch.testing.assert_close(together, torch.cat([module(row[None]) for row in rows]))


def test_frozen_and_validated(adapter: Adapter) -> None:
    assert isinstance(adapter, BaseModel)
    data = adapter.model_dump()
    assert ADAPTERS[data["kind"]] is type(adapter)
    assert type(adapter).model_validate(data) == adapter
    with pytest.raises(ValidationError):
        adapter.size = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{"size": 0}, {"size": -1}, {"size": 1.5}, {}, {"size": 2, "width": 2}])
@pytest.mark.parametrize("name", ADAPTERS.names)
def test_sizes_that_no_adapter_has(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTERS.create(name, options)


def test_a_misspelt_kind_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"adapter kind should be one of .*, did you mean `bottleneck`"):
        ADAPTERS.create("botleneck", {"size": 1})
