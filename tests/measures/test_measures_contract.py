"""What every measure must keep, over the whole table: a new line there is tested before it has tests of its own."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.errors import InputError
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.training.sampling import Sampling
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.training.data import Rows
from taskgroup.training.loop import train

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "lookahead": [
        {},
        {"step_size": "lr"},
        {"mode": "exact"},
        {"mode": "exact", "per_stage": "exact", "step_size": 0.05},
        {"mode": "first_order"},
        {"mode": "sampled", "sample": "sources", "draws": 4},
        {"step": "optimizer", "mode": "exact", "step_size": 1e-3},
    ],
}
CASES = [
    (name, options) for name in MEASURES.names if MEASURES[name].sees == "probe" for options in OPTIONS.get(name, [{}])
]
TASKS = (
    Task(name="odd", kind="binary"),
    Task(name="digit", kind="multiclass", n_classes=3),
    Task(name="ink", kind="regression"),
    Task(name="rare", kind="binary"),
)
LR = 0.05


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def measure(request: pytest.FixtureRequest) -> Measure:
    name, options = request.param
    made: Measure = MEASURES.create(name, options)
    return made


def trunk(dropout: float = 0.3) -> Trunk:
    """Normalization with running statistics, dropout, and a stage without parameters."""
    return Trunk(
        {
            "stem": nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU()),
            "drop": nn.Dropout(dropout),
            "top": nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(dropout)),
        }
    )


def network(tasks: TaskSet, stages: Trunk | None = None) -> SharedNetwork:
    stages = stages or trunk()
    topology = Topology.shared(tasks.names, stages.names)
    made = SharedNetwork(tasks, Architecture(topology=topology), stages, sites_of(stages, torch.zeros(2, 5)), 3)
    with torch.no_grad():  # heads start at zero, and nothing would reach the stages
        for info, head in zip(made.heads_info, made.heads, strict=True):
            generator = torch.Generator().manual_seed(derive_seed(info.task))
            for parameter in head.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return made


def rows(tasks: Sequence[Task], n_rows: int = 24, *, unlabelled: str | None = "rare") -> Rows:
    """Labels by task name, some missing, one task without any."""
    columns = []
    for task in tasks:
        rng = np.random.default_rng(len(task.name) + n_rows)
        labels = rng.normal(size=n_rows) if task.kind == "regression" else rng.integers(0, 2, n_rows).astype(float)
        labels[rng.random(n_rows) < 0.2] = np.nan
        columns.append(np.full(n_rows, np.nan) if task.name == unlabelled else labels)
    inputs = np.random.default_rng(n_rows).normal(size=(n_rows, 5))
    return Rows.of(inputs, np.stack(columns, axis=1))


def look(measure: Measure, tasks: Sequence[Task], stages: Trunk | None = None) -> Any:
    task_set = TaskSet(tasks=tuple(tasks))
    torch.manual_seed(0)
    sampling = Sampling(network(task_set, stages), task_set, measure, 1)
    return measure(sampling.probe(rows(tasks), LR))


def trace(module: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {k: v.clone() for k, v in module.state_dict().items()}
    found |= {f"{n}.grad": p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    found |= {f"{n}.training": part.training for n, part in module.named_modules()}
    return found | {"rng": torch.get_rng_state()}


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) if isinstance(a[k], Tensor) else a[k] == b[k] for k in a
    )


def test_frozen_and_named_in_the_table(measure: Measure) -> None:
    assert isinstance(measure, BaseModel)
    data = measure.model_dump()
    assert MEASURES[data["method"]] is type(measure)
    assert type(measure).model_validate(data) == measure
    with pytest.raises(ValidationError):
        measure.method = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        MEASURES.create(data["method"], {"stepsize": "lr"})


def test_shape_and_what_is_known(measure: Measure) -> None:
    found = look(measure, TASKS)
    assert found.shape == (4, 4, 4)
    assert found.dtype == np.float64
    assert not np.isinf(found).any()
    for s in (0, 2, 3):  # stem, top, trunk
        assert not np.isnan(found[s, :3, :3]).any()
        assert np.isnan(found[s, 3, :]).all()
        assert np.isnan(found[s, :, 3]).all()
    assert not np.nan_to_num(found[1]).any()  # nothing to move


def test_a_gradient_helps_its_own_task(measure: Measure) -> None:
    found = look(measure, TASKS[:3], trunk(dropout=0.0))
    assert (np.diagonal(found[3]) > 0).all()


def test_the_order_of_the_tasks_does_not_matter(measure: Measure) -> None:
    straight = look(measure, TASKS)
    for order in list(permutations(range(4)))[1::7]:
        permuted = look(measure, [TASKS[k] for k in order])
        expected = straight[:, order, :][:, :, order]
        np.testing.assert_allclose(permuted, expected, rtol=1e-4, atol=1e-6)


def test_one_task(measure: Measure) -> None:
    found = look(measure, TASKS[:1], trunk(dropout=0.0))
    assert found.shape == (4, 1, 1)
    assert found[3, 0, 0] > 0


def test_a_trunk_with_nothing_to_train(measure: Measure) -> None:
    frozen = Trunk({"flat": nn.Flatten(), "relu": nn.ReLU()})
    found = look(measure, TASKS[:2], frozen)
    assert found.shape == (3, 2, 2)
    assert not np.nan_to_num(found).any()


def test_the_network_is_unchanged(measure: Measure) -> None:
    tasks = TaskSet(tasks=TASKS)
    net, batch = network(tasks), rows(TASKS)
    net(batch.inputs)["ink"].sum().backward()
    before = trace(net)
    measure(Sampling(net, tasks, measure, 1).probe(batch, LR))
    assert equal(before, trace(net))


def test_looking_again_sees_the_same(measure: Measure) -> None:
    tasks = TaskSet(tasks=TASKS)
    probe = Sampling(network(tasks), tasks, measure, 1).probe(rows(TASKS), LR)
    np.testing.assert_array_equal(measure(probe), measure(probe))


@pytest.mark.parametrize("every", [1, 3])
def test_training_with_looks_is_training_without(measure: Measure, every: int) -> None:
    tasks, options = TaskSet(tasks=TASKS), TrainOptions(steps=8, batch_size=8, lr=LR, n_checks=2)
    training, validation = rows(TASKS, 40), rows(TASKS, 30, unlabelled=None)
    plain, looked = network(tasks), network(tasks)
    history = train(plain, tasks, training, validation, options, 5)
    sampling = Sampling(looked, tasks, measure, every)
    assert train(looked, tasks, training, validation, options, 5, [sampling]) == history
    assert equal(trace(plain), trace(looked))
    assert sampling.stacked().shape == (7 if every == 1 else 2, 4, 4, 4)  # none before the first step


def test_a_misspelt_measure_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"affinity measure should be one of .*, did you mean `lookahead`"):
        MEASURES.create("lookahed", {})
