"""Measures of networks that are a black box to the probe: hidden heads, or statistics of a task's own."""

from typing import Any

import numpy as np
import pytest
import torch
from test_measures_contract import CASES, TASKS, equal, rows, trace, trunk

from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.task import TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.shared_views import shared_view
from taskgroup.measures.training.sampling import Sampling
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Norm, Trunk
from taskgroup.training.loop import train
from taskgroup.training.losses import task_losses

SET = TaskSet(tasks=TASKS)
ELSEWHERE: list[tuple[str, dict[str, Any]]] = [
    ("lookahead", {"on": "halves"}),
    ("lookahead", {"on": "val", "mode": "sampled"}),
    ("gradient_dot", {"on": "next"}),
    ("lookahead", {"on": "next", "mode": "exact", "step": "optimizer"}),
]


def network(norm: Norm = "shared", size: int = 5) -> SharedNetwork:
    stages = Trunk(trunk().stages, norm=norm)
    topology = Topology.shared(SET.names, stages.names)
    made = SharedNetwork(
        SET, Architecture(topology=topology, head_size=size), stages, sites_of(stages, torch.zeros(2, 5)), 3
    )
    with torch.no_grad():  # heads start with a last layer of zeros
        for info, head in zip(made.heads_info, made.heads, strict=True):
            generator = torch.Generator().manual_seed(derive_seed(info.task))
            for parameter in head.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    assert made.tower() is None
    return made


@pytest.mark.parametrize(("norm", "size"), [("shared", 5), ("per_task", 0)])
@pytest.mark.parametrize(("name", "options"), [*CASES, *ELSEWHERE])
def test_every_measure_looks_and_leaves_no_trace(name: str, options: dict[str, Any], norm: Norm, size: int) -> None:
    measure: Measure = MEASURES.create(name, options)
    training, validation = rows(TASKS, 40), rows(TASKS, 30, unlabelled=None)
    train_options = TrainOptions(steps=6, batch_size=16, lr=0.05, n_checks=1)
    plain, looked = network(norm, size), network(norm, size)
    history = train(plain, SET, training, validation, train_options, 5)
    sampling = Sampling(looked, SET, measure, 2, others={"next": training, "val": validation})
    assert train(looked, SET, training, validation, train_options, 5, [sampling]) == history
    assert equal(trace(plain), trace(looked))
    found = sampling.stacked()
    assert found.shape == (3, 4, 4, 4)
    assert not np.isnan(found[:, 3, :3, :3]).all()
    assert not np.isinf(found).any()


def test_a_run_for_every_task_where_statistics_are_their_own() -> None:
    net, validation = network("per_task", 0), rows(TASKS, 30, unlabelled=None)
    net({t: (1.0 + k) * torch.ones(4, 5).cumsum(dim=0) for k, t in enumerate(SET.names)})
    view = shared_view(net, validation, 0)
    assert view.activations("stem").shape == (4 * 30, 8)
    assert not np.allclose(view.activations("stem")[:30], view.activations("stem")[30:60])
    with torch.no_grad():
        plain = task_losses(SET, net(validation.inputs), validation).numpy()
    for stage in view.stages:
        np.testing.assert_allclose(view.losses(stage, lambda features: features), plain, rtol=1e-5)
    seen: list[tuple[int, ...]] = []
    view.losses("drop", lambda features: seen.append(features.shape) or features)  # type: ignore[func-returns-value]
    assert seen == [(30, 8)] * 4  # one task's at a time


def test_hidden_heads_read_what_an_edit_leaves() -> None:
    net, validation = network(), rows(TASKS, 30, unlabelled=None)
    view = shared_view(net, validation, 0)
    found = view.losses("top", lambda features: 0 * features)
    with torch.no_grad():
        silent = {t: head(torch.zeros(30, 6)) for t, head in zip(SET.names, net.heads, strict=True)}
    np.testing.assert_allclose(found, task_losses(SET, silent, validation).numpy(), rtol=1e-5)
