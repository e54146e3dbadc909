"""What every adapter must keep, over the whole table and over stages of every kind."""

from typing import Any

import pytest
import torch
from adapter_stages import STAGES, adapted, awake, built, hidden, macs
from pydantic import BaseModel, ValidationError
from torch import nn

from taskgroup.adapters import ADAPTERS, Adapter, Site
from taskgroup.errors import InputError

CASES = [(name, size) for name in ADAPTERS.names for size in ((1, 8) if ADAPTERS[name].sized else (1,))]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def adapter(request: pytest.FixtureRequest) -> Adapter:
    name, size = request.param
    made: Adapter = ADAPTERS.create(name, {"size": size})
    return made


@pytest.fixture(params=STAGES)
def stage_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def does_nothing(adapter: Adapter) -> bool:
    return adapter.n_params(Site((5,))) == 0 and not adapter.inside


def test_identity_at_initialization_to_the_bit(adapter: Adapter, stage_name: str) -> None:
    module, stage, rows, _ = built(adapter, stage_name)
    with torch.no_grad():
        assert torch.equal(adapted(module, stage, rows), hidden(stage(rows)))
    assert torch.equal(adapted(module, stage, rows), hidden(stage(rows)))


def test_no_longer_the_identity_once_awake(adapter: Adapter, stage_name: str) -> None:
    module, stage, rows, _ = built(adapter, stage_name)
    with torch.no_grad():
        plain, other = hidden(stage(rows)), adapted(awake(module), stage, rows)
    assert other.shape == plain.shape
    assert torch.allclose(other, plain) == does_nothing(adapter)


def test_learns_at_once_and_lets_gradients_through(adapter: Adapter, stage_name: str) -> None:
    module, stage, rows, _ = built(adapter, stage_name)
    weights = list(module.parameters())
    before = [w.clone() for w in weights]
    torch.manual_seed(0)
    target = torch.randn_like(hidden(stage(rows)))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05) if weights else None
    losses = []
    for _ in range(10):
        loss = (adapted(module, stage, rows) - target).square().mean()
        losses.append(float(loss.detach()))
        module.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if optimizer:
            optimizer.step()
    assert all(w.grad is not None for w in weights)
    moved = [bool((w != b).any()) for w, b in zip(weights, before, strict=True)]
    assert any(moved) or not weights  # not all: a single rectified unit may be dead
    assert does_nothing(adapter) or losses[-1] < losses[0]
    assert all(p.grad is not None for p in stage.parameters())


def test_counts_are_those_of_the_built_module(adapter: Adapter, stage_name: str) -> None:
    module, stage, rows, site = built(adapter, stage_name)
    assert adapter.n_params(site) == sum(p.numel() for p in module.parameters())
    assert adapter.n_macs(site) == macs(module, stage, rows) - macs(nn.Identity(), stage, rows)


def test_every_row_is_adapted_on_its_own(adapter: Adapter, stage_name: str) -> None:
    module, stage, rows, _ = built(adapter, stage_name)
    awake(module)
    tensors = (rows,) if isinstance(rows, torch.Tensor) else rows
    ones = [tuple(t[k : k + 1] for t in tensors) for k in range(len(tensors[0]))]
    alone = [adapted(module, stage, one[0] if isinstance(rows, torch.Tensor) else one) for one in ones]
    torch.testing.assert_close(adapted(module, stage, rows), torch.cat(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["features", "maps", "encoder"])
def test_runs_in_lower_precision(adapter: Adapter, name: str) -> None:
    module, stage, rows, _ = built(adapter, name)
    awake(module)
    with torch.autocast("cpu", torch.bfloat16):
        half = adapted(module, stage, rows)
    exact = adapted(module, stage, rows)
    assert (half.float() - exact).norm() < 0.05 * exact.norm()


def test_frozen_and_validated(adapter: Adapter) -> None:
    assert isinstance(adapter, BaseModel)
    data = adapter.model_dump()
    assert ADAPTERS[data["kind"]] is type(adapter)
    assert type(adapter).model_validate(data) == adapter
    with pytest.raises(ValidationError):
        adapter.size = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{"size": 0}, {"size": -1}, {"size": 1.5}, {"size": 1, "width": 2}])
@pytest.mark.parametrize("name", ADAPTERS.names)
def test_sizes_that_no_adapter_has(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTERS.create(name, options)


@pytest.mark.parametrize("name", ADAPTERS.names)
def test_a_size_is_asked_for_where_it_means_something(name: str) -> None:
    for options in ({}, {"size": 2}):
        if (options == {}) == ADAPTERS[name].sized:
            with pytest.raises(ValidationError):
                ADAPTERS.create(name, options)
        else:
            ADAPTERS.create(name, options)


def test_a_fault_is_what_build_says(adapter: Adapter) -> None:
    for site in (Site(()), Site((2, 3, 4, 5)), Site((5,)), Site((4, 5))):
        fault = adapter.fault(site)
        if fault:
            with pytest.raises(InputError) as raised:
                adapter.build(site)
            assert str(raised.value) == fault
        else:
            adapter.build(site)


def test_a_misspelt_kind_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"adapter kind should be one of .*, did you mean `bottleneck`"):
        ADAPTERS.create("botleneck", {"size": 1})
