"""Staged training: what moves in which phase, and that networks without adapters do not notice."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_models import TASKS, SmallModel, same, some_rows, state_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Check, TrainOptions, TrialSpec
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback, Trained, train

TRAIN, VAL = some_rows(50, seed=1), some_rows(30, seed=2)


class Scaled(nn.Module):
    """An adapter: every feature times one plus a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.weight)


class Adapted(SmallModel):
    """The small model with an adapter behind its top."""

    def __init__(self) -> None:
        super().__init__()
        self.adapter = Scaled()
        self.top.append(self.adapter)

    def adapter_parameters(self) -> Iterator[nn.Parameter]:
        return self.adapter.parameters()


def part_of(name: str) -> str:
    if name.startswith("heads"):
        return "heads"
    if "adapter" in name or name.startswith("top.3"):
        return "adapters"
    return "statistics" if "running" in name or "tracked" in name else "trunk"


class Watch(Callback):
    """For each step what moved in it, and the rate."""

    def __init__(self, model: SmallModel, stop_at: int = -1) -> None:
        self.model, self.stop_at = model, stop_at
        self.states: list[dict[str, Tensor]] = []
        self.rates: list[float] = []

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        self.states.append(state_of(self.model))
        self.rates.append(lr)

    def after_check(self, check: Check) -> bool:
        return check.step == self.stop_at

    def moved(self) -> list[set[str]]:
        states = [*self.states, state_of(self.model)]
        return [{part_of(k) for k in a if not torch.equal(a[k], b[k])} for a, b in pairwise(states)]


def options(**changes: Any) -> TrainOptions:
    base = {"steps": 10, "batch_size": 16, "lr": 0.02, "n_checks": 5, "weight_decay": 0.1, "adapters": "staged"}
    return TrainOptions.model_validate({**base, **changes})


def run(model: SmallModel, train_options: TrainOptions, stop_at: int = -1) -> tuple[Watch, Trained]:
    watch = Watch(model, stop_at)
    return watch, train(model, TASKS, TRAIN, VAL, train_options, 3, [watch])


@pytest.mark.parametrize(("share", "n_first"), [(0.5, 5), (0.3, 7), (0.01, 9), (0.99, 1)])
def test_trunk_and_heads_first_then_adapters_and_heads(share: float, n_first: int) -> None:
    """Parameters, their decay and the statistics of normalization."""
    watch, _ = run(Adapted(), options(adapter_share=share))
    assert watch.moved() == [{"trunk", "heads", "statistics"}] * n_first + [{"adapters", "heads"}] * (10 - n_first)


def test_joint_moves_everything_from_the_start() -> None:
    watch, _ = run(Adapted(), options(adapters="joint"))
    assert watch.moved() == [{"trunk", "heads", "statistics", "adapters"}] * 10


def test_the_schedule_is_one_over_both_phases() -> None:
    staged, joint = run(Adapted(), options())[0], run(Adapted(), options(adapters="joint"))[0]
    assert staged.rates == joint.rates


def test_the_first_phase_is_training_without_adapters() -> None:
    plain, staged = run(SmallModel(), options(adapters="joint"))[0], run(Adapted(), options())[0]
    for step in range(6):
        mine = {k: v for k, v in staged.states[step].items() if part_of(k) != "adapters"}
        assert same(mine, plain.states[step])


def test_without_adapters_staged_equals_joint() -> None:
    staged, joint = SmallModel(), SmallModel()
    assert run(staged, options())[1] == run(joint, options(adapters="joint"))[1]
    assert same(state_of(staged), state_of(joint))


@pytest.mark.parametrize("stop_at", [2, 8, -1])
def test_afterwards_all_can_train_again_that_could_before(stop_at: int) -> None:
    model = Adapted()
    fixed = next(model.stem.parameters()).requires_grad_(False)
    run(model, options(), stop_at)
    assert [p for p in model.parameters() if not p.requires_grad] == [fixed]
    assert all(part.training for part in model.modules())


def test_a_single_step_is_one_of_adapters_and_heads() -> None:
    watch, _ = run(Adapted(), options(steps=1, n_checks=1))
    assert watch.moved() == [{"adapters", "heads"}]


def test_normalization_inside_heads_goes_on_learning() -> None:
    model = Adapted()
    for k, head in enumerate(model.heads):
        model.heads[k] = nn.Sequential(nn.BatchNorm1d(6, affine=False), head)
    watch, _ = run(model, options(steps=4, n_checks=1))
    for before, after in zip(watch.states, [*watch.states[1:], state_of(model)], strict=True):
        assert not torch.equal(before["heads.0.0.running_mean"], after["heads.0.0.running_mean"])


def test_a_share_without_staged_training_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"adapter_share says how `adapters: staged` trains, found 0\.3"):
        TrainOptions(adapter_share=0.3)
    for share in (0, 1):
        with pytest.raises(ValidationError):
            options(adapter_share=share)


def test_keys_of_earlier_results_stay() -> None:
    """The new options are left out of dumps, and so of hashes, while nobody uses them."""
    architecture = Architecture(
        topology=Topology.shared(("a", "b"), ("stem",)), adapters=(AdapterSpec(stage="stem", size=4),)
    )
    spec = TrialSpec(job="j", data="d", step="search", architecture=architecture, seed=1, train=TrainOptions())
    assert spec.key == "74c1cafa53555a93b4a9"
    assert spec.model_copy(update={"train": TrainOptions(adapters="staged")}).key != spec.key
    assert TrialSpec.model_validate_json(spec.model_dump_json()) == spec
    staged = options(adapter_share=0.2)
    assert TrainOptions.model_validate(staged.model_dump()) == staged
