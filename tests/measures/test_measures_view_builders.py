"""The views that measures are shown: right rows, right network at the right time, nothing changed on the way."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.measures import feature_views
from taskgroup.measures.data_views import data_view, token_counts
from taskgroup.measures.feature_views import Checkpoints, feature_view
from taskgroup.measures.shared_views import shared_view
from taskgroup.measures.some_rows import some_rows
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback, train
from taskgroup.training.losses import task_losses

TASKS = TaskSet(
    tasks=(
        Task(name="odd", kind="binary"),
        Task(name="digit", kind="multiclass", n_classes=3),
        Task(name="ink", kind="regression"),
    )
)
STAGES = ("stem", "drop", "top")
OPTIONS = TrainOptions(steps=8, batch_size=8, lr=0.05, n_checks=2)


def trunk() -> Trunk:
    """Running statistics and dropout."""
    return Trunk(
        {
            "stem": nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8)),
            "drop": nn.Sequential(nn.ReLU(), nn.Dropout(0.3)),
            "top": nn.Sequential(nn.ReLU(), nn.Linear(8, 4)),
        }
    )


def network(make: Callable[..., Topology], tasks: TaskSet = TASKS, stages: Trunk | None = None) -> SharedNetwork:
    stages = stages or trunk()
    topology = make(tasks.names, stages.names)
    return SharedNetwork(tasks, Architecture(topology=topology), stages, sites_of(stages, torch.zeros(2, 5)), 3)


def rows(n_rows: int = 40, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_rows, 5))
    labels = np.stack([inputs[:, 0] > 0, np.digitize(inputs[:, 1], [-0.5, 0.5]), inputs[:, 2]], axis=1).astype(float)
    labels[rng.random(labels.shape) < 0.2] = np.nan
    return Rows.of(inputs, labels)


def trained_alone() -> tuple[SharedNetwork, Checkpoints]:
    net = network(Topology.separate)
    checkpoints = Checkpoints(net, OPTIONS.steps)
    train(net, TASKS, rows(), rows(30, 1), OPTIONS, 5, [checkpoints])
    return net, checkpoints


def test_a_few_rows_serve_every_task() -> None:
    labels = np.full((500, 3), np.nan)
    labels[:, 0] = 0
    labels[7, 1] = labels[450, 1] = 1
    labels[100:130, 2] = 2
    whole = Rows.of(np.arange(500.0)[:, None], labels)
    found = some_rows(whole, 60, "test")
    n_labelled = (~torch.isnan(found.labels)).sum(dim=0).tolist()
    assert len(found) == 60
    assert n_labelled[:2] == [60, 2]
    assert n_labelled[2] >= 25  # tasks take turns
    assert (np.diff(found.inputs[:, 0].numpy()) > 0).all()  # their order stays, none comes twice
    assert torch.equal(some_rows(whole, 60, "test").inputs, found.inputs)
    assert not torch.equal(some_rows(whole, 60, "other").inputs, found.inputs)


def test_rows_without_any_label_come_last() -> None:
    labels = np.full((50, 1), np.nan)
    labels[40:, 0] = 1
    assert some_rows(Rows.of(np.zeros((50, 1)), labels), 10).labels.isnan().sum() == 0


def test_all_rows_where_there_are_few() -> None:
    few = rows(10)
    assert some_rows(few, 10) is few


def test_token_counts() -> None:
    found = token_counts(np.array([[0, 2, 2], [1, 1, 1]]))
    np.testing.assert_array_equal(found, [[1, 0, 2], [0, 3, 0]])


def test_data_view_flattens_rows_and_counts_tokens() -> None:
    images = Rows.of(np.arange(24.0).reshape(2, 3, 4), np.array([[0.0, np.nan, 1.5], [1.0, 2.0, np.nan]]))
    view = data_view(TASKS, STAGES, images, 7)
    np.testing.assert_array_equal(view.inputs, np.arange(24.0).reshape(2, 12))
    np.testing.assert_array_equal(view.labels, [[0, np.nan, 1.5], [1, 2, np.nan]])
    assert view.inputs.dtype == view.labels.dtype == np.float64
    assert (view.stages, view.seed) == (STAGES, 7)
    tokens = Rows.of(np.array([[3, 3], [0, 1]]), np.zeros((2, 3)))
    np.testing.assert_array_equal(data_view(TASKS, STAGES, tokens, 0).inputs, [[0, 0, 0, 2], [1, 1, 0, 0]])


@pytest.mark.parametrize("part", ["fit", "score"])
def test_features_lead_to_the_networks_own_outputs(part: str) -> None:
    net, checkpoints = trained_alone()
    view = feature_view(net, checkpoints, rows(), rows(30, 1), 0)
    inputs = {"fit": rows(), "score": rows(30, 1)}[part].inputs
    with torch.no_grad():
        outputs = net.eval()(inputs.clone())
    for k, task in enumerate(TASKS.names):
        features = view.features(task, "top", part, -1)
        assert features.dtype == np.float64
        head = net.heads[k]
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            np.testing.assert_allclose(head(torch.from_numpy(features).float()), outputs[task], rtol=1e-5, atol=1e-6)
    assert view.labels(part).shape == (len(inputs), 3)


def test_features_behind_a_stage_are_not_changed_by_the_next() -> None:
    """The next one works in place."""
    net, checkpoints = trained_alone()
    view = feature_view(net, checkpoints, rows(), rows(30, 1), 0)
    assert (view.features("ink", "stem", "fit", -1) < 0).any()
    assert (view.features("ink", "drop", "fit", -1) >= 0).all()


class Watch(Callback):
    """Copies of the trunk before each step."""

    def __init__(self, net: SharedNetwork) -> None:
        self.net = net
        self.seen: list[dict[str, Tensor]] = []

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        self.seen.append({k: v.clone() for k, v in self.net.stages.state_dict().items()})


def test_checkpoints_are_the_weights_after_their_share_of_the_steps() -> None:
    net = network(Topology.separate)
    checkpoints, watch = Checkpoints(net, OPTIONS.steps), Watch(net)
    train(net, TASKS, rows(), rows(30, 1), OPTIONS, 5, [checkpoints, watch])
    assert checkpoints.shares == (0.25, 0.5, 1.0)
    for k, after in enumerate((2, 4)):
        assert all(torch.equal(w, watch.seen[after][name]) for name, w in checkpoints.weights(k).items())
    assert all(torch.equal(w, net.stages.state_dict()[name]) for name, w in checkpoints.weights(2).items())
    view = feature_view(net, checkpoints, rows(), rows(30, 1), 0)
    early, late = (view.features("odd", "top", "score", k) for k in (0, 2))
    assert not np.allclose(early, late)
    np.testing.assert_array_equal(late, view.features("odd", "top", "score", -1))


def test_checkpoints_of_a_single_step_are_its_end() -> None:
    net = network(Topology.separate)
    checkpoints = Checkpoints(net, 1)
    train(net, TASKS, rows(), rows(30, 1), OPTIONS.model_copy(update={"steps": 1}), 5, [checkpoints])
    own = net.stages.state_dict()
    assert all(torch.equal(w, own[name]) for k in range(3) for name, w in checkpoints.weights(k).items())


def test_a_full_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, checkpoints = trained_alone()
    views = [feature_view(net, checkpoints, rows(), rows(30, 1), 0) for _ in range(2)]
    keys = [(task, stage, "fit", -1) for stage in STAGES for task in TASKS.names]
    large = [views[0].features(*key) for key in keys]
    monkeypatch.setattr(feature_views, "CACHE_BYTES", 1)
    for key, expected in zip(keys, large, strict=True):
        np.testing.assert_array_equal(views[1].features(*key), expected)


def test_parts_are_at_most_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    net, checkpoints = trained_alone()
    monkeypatch.setattr(feature_views, "N_ROWS", 9)
    view = feature_view(net, checkpoints, rows(), rows(30, 1), 0)
    assert view.features("odd", "stem", "fit", -1).shape == (9, 8)
    assert view.labels("score").shape == (9, 3)


def test_tasks_with_a_trunk_each_train_as_if_alone() -> None:
    """What lets one trial train all tasks: no parameter is shared, and AdamW moves each by itself."""
    plain = Trunk({"stem": nn.Sequential(nn.Linear(5, 8), nn.Tanh()), "top": nn.Linear(8, 4)})
    together = network(Topology.separate, stages=plain)
    history = train(together, TASKS, rows(), rows(30, 1), OPTIONS, 5).history
    for k, task in enumerate(TASKS):
        own = TaskSet(tasks=(task,))
        columns = [Rows.of(r.inputs.numpy(), r.labels[:, [k]].double().numpy()) for r in (rows(), rows(30, 1))]
        single = train(network(Topology.shared, own, plain), own, columns[0], columns[1], OPTIONS, 5).history
        assert single[-1].errors[task.name] == pytest.approx(history[-1].errors[task.name], rel=1e-5)


def trained_together() -> SharedNetwork:
    net = network(Topology.shared)
    train(net, TASKS, rows(), rows(30, 1), OPTIONS, 5)
    return net


def test_an_edit_that_changes_nothing_gives_the_plain_losses() -> None:
    net, validation = trained_together(), rows(30, 1)
    view = shared_view(net, validation, 0)
    with torch.no_grad():
        plain = task_losses(TASKS, net.eval()(validation.inputs.clone()), validation).numpy()
    for stage in STAGES:
        np.testing.assert_allclose(view.losses(stage, lambda features: features), plain, rtol=1e-5)


def test_an_edit_reaches_the_later_stages_and_leaves_the_activations() -> None:
    net, validation = trained_together(), rows(30, 1)
    view = shared_view(net, validation, 0)
    before = {stage: view.activations(stage) for stage in STAGES}

    def nothing(
        features: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        features[:] = 0.0
        return features

    silent = view.losses("top", nothing)
    heads = {task: layer.bias.expand(30, -1) for task, layer in zip(TASKS.names, net.heads, strict=True)}  # type: ignore[operator]
    with torch.no_grad():
        np.testing.assert_allclose(silent, task_losses(TASKS, heads, validation).numpy(), rtol=1e-5)
    assert not np.allclose(view.losses("stem", nothing), silent)
    for stage, activations in before.items():
        np.testing.assert_array_equal(view.activations(stage), activations)


def test_a_task_without_labels_has_no_loss() -> None:
    labels = rows(30, 1).labels.double().numpy()
    labels[:, 1] = np.nan
    view = shared_view(trained_together(), Rows.of(rows(30, 1).inputs.numpy(), labels), 0)
    assert np.isnan(view.losses("top", lambda features: features)).tolist() == [False, True, False]
