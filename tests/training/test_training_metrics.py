import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, mean_absolute_error, r2_score, roc_auc_score
from small_models import TASKS, SmallModel, some_rows

from taskgroup.core.task import Metric, Task
from taskgroup.training.data import Rows
from taskgroup.training.metrics import errors_on, task_error

Array = NDArray[np.float64]
RNG = np.random.default_rng(5)
LOGITS = RNG.normal(size=(60, 1))
YES = (LOGITS[:, 0] + RNG.normal(size=60) > 0.8).astype(np.float64)
SCORES = RNG.normal(size=(60, 4))
CLASS = np.where(RNG.random(60) < 0.5, SCORES.argmax(axis=1), RNG.integers(0, 3, 60)).astype(np.float64)
NUMBERS = 2 * LOGITS[:, 0] + RNG.normal(size=60)


def with_holes(labels: Array) -> Array:
    holed = labels.copy()
    holed[::7] = np.nan
    return holed


def known(labels: Array) -> NDArray[np.bool_]:
    return ~np.isnan(labels)


def error(kind: str, metric: Metric, output: Array, labels: Array) -> float:
    n_classes = 4 if kind == "multiclass" else None
    return task_error(Task(name="t", kind=kind, metric=metric, n_classes=n_classes), output, labels)


@pytest.mark.parametrize("labels", [YES, with_holes(YES)], ids=["whole", "holes"])
def test_binary_as_scikit_learn_has_it(labels: Array) -> None:
    true, logits = labels[known(labels)], LOGITS[known(labels), 0]
    assert error("binary", "accuracy", LOGITS, labels) == pytest.approx(1 - accuracy_score(true, logits > 0))
    balanced = 1 - balanced_accuracy_score(true, logits > 0)
    assert error("binary", "balanced_accuracy", LOGITS, labels) == pytest.approx(balanced)
    assert error("binary", "auc", LOGITS, labels) == pytest.approx(1 - roc_auc_score(true, logits))


@pytest.mark.parametrize("labels", [CLASS, with_holes(CLASS)], ids=["whole", "holes"])
def test_multiclass_as_scikit_learn_has_it(labels: Array) -> None:
    true, found = labels[known(labels)], SCORES[known(labels)].argmax(axis=1)
    assert error("multiclass", "accuracy", SCORES, labels) == pytest.approx(1 - accuracy_score(true, found))
    balanced = 1 - balanced_accuracy_score(true, found)
    assert error("multiclass", "balanced_accuracy", SCORES, labels) == pytest.approx(balanced)


@pytest.mark.parametrize("labels", [NUMBERS, with_holes(NUMBERS)], ids=["whole", "holes"])
def test_regression_as_scikit_learn_has_it(labels: Array) -> None:
    true, found = labels[known(labels)], LOGITS[known(labels), 0]
    assert error("regression", "r2", LOGITS, labels) == pytest.approx(1 - r2_score(true, found))
    best_constant = mean_absolute_error(true, np.full(len(true), np.median(true)))
    expected = mean_absolute_error(true, found) / best_constant
    assert error("regression", "mae", LOGITS, labels) == pytest.approx(expected)


def test_a_predicted_class_that_the_split_lacks_is_a_mistake_and_no_warning() -> None:
    output, labels = np.eye(4)[[0, 1, 3, 0]], np.array([0.0, 1.0, 1.0, 2.0])
    assert error("multiclass", "balanced_accuracy", output, labels) == pytest.approx(1 - (1 + 0.5 + 0) / 3)


METRICS: list[tuple[str, Metric]] = [
    ("binary", "accuracy"),
    ("binary", "balanced_accuracy"),
    ("binary", "auc"),
    ("multiclass", "accuracy"),
    ("multiclass", "balanced_accuracy"),
]


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_no_mistake_counts_half_a_row_of_those_with_labels(kind: str, metric: Metric) -> None:
    labels = np.array([0.0, 1.0, np.nan, 1.0, 0.0, 1.0])
    perfect = np.eye(4)[np.nan_to_num(labels).astype(int)] if kind == "multiclass" else 2 * labels[:, None] - 1
    assert error(kind, metric, np.nan_to_num(perfect), labels) == 0.5 / 5


def test_floors_of_regression() -> None:
    labels = np.array([0.0, 1.0, 2.0])
    assert 0 < error("regression", "r2", labels[:, None], labels) < 1e-11
    assert 0 < error("regression", "mae", labels[:, None], labels) < 1e-11
    constant = np.ones(3)
    assert np.isfinite(error("regression", "r2", labels[:, None], constant))


@pytest.mark.parametrize(("kind", "metric"), [*METRICS, ("regression", "r2"), ("regression", "mae")])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_finite_have_no_error(kind: str, metric: Metric, bad: float) -> None:
    output = np.zeros((4, 4 if kind == "multiclass" else 1))
    output[2, 0] = bad
    assert np.isnan(error(kind, metric, output, np.array([0.0, 1.0, 1.0, 0.0])))
    assert not np.isnan(error(kind, metric, output, np.array([0.0, 1.0, np.nan, 0.0])))


@pytest.mark.parametrize("chunk", [4096, 7])
def test_errors_on_rows_in_evaluation_mode(chunk: int) -> None:
    model, rows = SmallModel(), some_rows(30, missing=0.2)
    state = torch.get_rng_state()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    found = errors_on(model, TASKS, rows, chunk)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    outputs = model.eval()(rows.inputs)
    for k, task in enumerate(TASKS):
        expected = task_error(task, outputs[task.name].detach().double().numpy(), rows.labels[:, k].double().numpy())
        assert found[task.name] == pytest.approx(expected, rel=1e-5)


def test_errors_see_labels_of_their_own_task() -> None:
    model, rows = SmallModel(), some_rows(30)
    labels = rows.labels.clone()
    labels[:, 2] += 5
    found = errors_on(model, TASKS, rows)
    moved = errors_on(model, TASKS, Rows(rows.inputs, labels, rows.whole))
    assert {t for t in TASKS.names if found[t] != moved[t]} == {"much"}
