"""How often to look follows from cost and budget."""

import pytest
from torch import nn

from taskgroup.core.task import Task, TaskSet
from taskgroup.measures.training.gradient import GradientCosine
from taskgroup.measures.training.lookahead import Lookahead
from taskgroup.measures.training.schedule import look_cost, looks_every, overhead_for
from taskgroup.training.probe import Tower

TASKS = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="binary") for k in range(12)))
HEADS = [nn.Linear(4, 1) for _ in range(12)]
PLAIN = Tower(TASKS, {"a": nn.Linear(3, 4)}, HEADS)
MIXED = Tower(TASKS, {"a": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))}, HEADS)


@pytest.mark.parametrize(("n_tasks", "share"), [(2, 0.12), (12, 0.12), (24, 0.24), (60, 0.6), (617, 0.6)])
def test_overhead_grows_with_the_tasks(n_tasks: int, share: float) -> None:
    assert overhead_for(n_tasks) == pytest.approx(share)


def test_cadence_keeps_to_the_overhead_but_looks_often_enough() -> None:
    assert looks_every(1.5, 10_000, 0.1, 40) == 15
    assert looks_every(1.5, 400, 0.1, 40) == 10
    assert looks_every(1.5, 10, 0.1, 40) == 1
    assert looks_every(0.01, 10_000, 0.5, 40) == 1


def test_dearer_ways_cost_more() -> None:
    def cost(tower: Tower | None, **options: str) -> float:
        return look_cost(Lookahead.model_validate(options), tower, 12)

    assert cost(PLAIN, mode="first_order") < cost(PLAIN, mode="auto") < cost(PLAIN, mode="exact")
    assert cost(PLAIN, mode="exact") < cost(MIXED, mode="exact")
    assert cost(PLAIN, mode="first_order") == look_cost(GradientCosine(), PLAIN, 12)
    assert look_cost(Lookahead(mode="sampled"), MIXED, 12) == look_cost(Lookahead(mode="sampled"), MIXED, 600)
