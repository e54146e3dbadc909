"""Errors under draws of the rows: what drawing them by hand would give, the same draws for all."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.training import redrawn
from taskgroup.training.data import Rows
from taskgroup.training.metrics import errors_on, task_error
from taskgroup.training.redrawn import redrawn_errors, weighted_errors

Array = NDArray[np.float64]

KINDS: list[dict[str, Any]] = [
    {"kind": "regression"},
    {"kind": "regression", "metric": "mae"},
    {"kind": "binary"},
    {"kind": "binary", "metric": "accuracy"},
    {"kind": "binary", "metric": "balanced_accuracy"},
    {"kind": "multiclass", "n_classes": 3},
    {"kind": "multiclass", "n_classes": 3, "metric": "balanced_accuracy"},
]


def sample(task: Task, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Outputs that know something of the labels, with ties among them and labels missing."""
    n_classes = {"regression": 0, "binary": 2}.get(task.kind, 3)
    labels = rng.integers(0, n_classes, n).astype(float) if n_classes else rng.normal(size=n)
    output = np.round(rng.normal(size=(n, task.n_outputs)) + 0.7 * labels[:, None], 1)
    labels[rng.random(n) < 0.2] = np.nan
    return output, labels


@pytest.mark.parametrize("options", KINDS, ids=lambda o: "-".join(map(str, o.values())))
def test_weights_are_rows_taken_so_many_times(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    task = Task(name="t", **options)
    output, labels = sample(task, 60, rng)
    index = [rng.integers(0, 60, 60) for _ in range(20)]
    weights = np.stack([np.bincount(taken, minlength=60) for taken in index]).astype(float)
    by_hand = np.array([task_error(task, output[taken], labels[taken]) for taken in index])
    if task.kind == "regression":  # by hand relative to the spread of the labels drawn
        by_hand *= [spread(task, labels[taken]) / spread(task, labels) for taken in index]
    assert weighted_errors(task, output, labels, weights) == pytest.approx(by_hand)
    assert weighted_errors(task, output, labels, np.ones((1, 60))) == pytest.approx(task_error(task, output, labels))


def spread(task: Task, labels: Array) -> float:
    known = labels[~np.isnan(labels)]
    return float(np.mean(np.abs(known - np.median(known))) if task.metric == "mae" else np.var(known))


def test_what_cannot_be_scored_is_not_a_number() -> None:
    task = Task(name="t", kind="binary", metric="auc")
    output, labels = np.array([[0.1], [0.2], [0.3]]), np.array([0.0, 1.0, 1.0])
    assert np.isnan(weighted_errors(task, output, labels, np.array([[0.0, 1.0, 2.0]]))).all()
    assert np.isnan(weighted_errors(task, output * np.nan, labels, np.ones((2, 3)))).all()


TRUNK = MLP(width=4, depth=2).build(torch.zeros(2, 3))
STAGES = TRUNK.names
SITES = sites_of(TRUNK, torch.zeros(2, 3))
TASKS = TaskSet(tasks=(Task(name="a", kind="regression"), Task(name="b", kind="binary", metric="auc")))


def rows(n: int, own: bool) -> Rows:
    rng = np.random.default_rng(n)
    inputs = rng.normal(size=(n, 3))
    labels = np.stack([inputs[:, 0] + rng.normal(size=n), inputs[:, 1] > 0], axis=1).astype(float)
    if own:
        labels[: n // 2, 1] = np.nan
        labels[n // 2 :, 0] = np.nan
    return Rows.of(inputs, labels)


def network(topology: Topology) -> SharedNetwork:
    """Heads start at zero, and would not tell rows apart."""
    made, generator = SharedNetwork(TASKS, Architecture(topology=topology), TRUNK, SITES, 0), torch.Generator()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, generator=generator.manual_seed(parameter.numel()))
    return made


@pytest.mark.parametrize("own", [False, True], ids=["shared rows", "own rows"])
def test_the_same_draws_for_every_network(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that runs a task's own rows only has the same outputs for them as one that runs all."""
    found = rows(40, own)
    apart = network(Topology.separate(TASKS.names, STAGES))
    drawn = redrawn_errors(apart, TASKS, found)
    assert drawn.shape == (100, 2)
    masked = Rows(found.inputs, found.labels, found.whole)
    assert drawn == pytest.approx(redrawn_errors(apart, TASKS, masked), rel=1e-4)
    monkeypatch.setattr(redrawn, "CELLS", 40 * 7)
    assert drawn == pytest.approx(redrawn_errors(apart, TASKS, found))


def test_draws_are_about_the_error_and_closer_the_more_rows_there_are() -> None:
    one = network(Topology.shared(TASKS.names, STAGES))
    spreads = []
    for n in (100, 1600):
        found = rows(n, own=False)
        drawn, here = redrawn_errors(one, TASKS, found), np.array(list(errors_on(one, TASKS, found).values()))
        assert np.abs(drawn.mean(axis=0) - here).max() < 0.3 * drawn.std(axis=0).max()
        spreads.append(drawn.std(axis=0))
    assert spreads[0] / spreads[1] == pytest.approx([4, 4], rel=0.3)


def test_a_draw_without_a_class_counts_as_all_rows() -> None:
    inputs = np.random.default_rng(0).normal(size=(30, 3))
    labels = np.stack([inputs[:, 0], np.arange(30) == 7], axis=1).astype(float)
    one = network(Topology.shared(TASKS.names, STAGES))
    found = Rows.of(inputs, labels)
    drawn = redrawn_errors(one, TASKS, found)
    assert np.isfinite(drawn).all()
    same = drawn[:, 1] == errors_on(one, TASKS, found)["b"]
    assert 0.2 < same.mean() < 0.6  # e**-1 of the draws leave out the only positive
    assert torch.is_grad_enabled()
