import math

import numpy as np
import pytest
import torch
from small_models import NAN, TASKS, SmallModel, some_rows
from torch import Tensor

from taskgroup.core.task import Loss, Task, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.losses import head_losses, task_losses
from taskgroup.training.objective import total_loss

LABELS = torch.tensor([1.0, NAN, 0.0, 1.0])
LOGITS = torch.tensor([[2.0], [100.0], [-1.0], [0.5]])
YES = Task(name="yes", kind="binary")


def task_loss(task: Task, output: Tensor, labels: Tensor, *, whole: bool = False) -> Tensor:
    """Of one head alone."""
    return head_losses([(task, 0)], [output], Rows(torch.zeros(len(labels), 1), labels[:, None], (whole,)))[0]


def log_loss(logit: float, label: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -math.log(p if label else 1 - p)


def test_binary_by_hand() -> None:
    expected = (log_loss(2.0, 1) + log_loss(-1.0, 0) + log_loss(0.5, 1)) / 3
    assert task_loss(YES, LOGITS, LABELS).item() == pytest.approx(expected, rel=1e-6)


def test_multiclass_by_hand() -> None:
    output = torch.tensor([[1.0, 2.0, 3.0], [50.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    labels = torch.tensor([2.0, NAN, 0.0])
    first = math.log(sum(math.exp(z) for z in (1, 2, 3))) - 3
    second = math.log(2 + math.e)
    found = task_loss(Task(name="c", kind="multiclass", n_classes=3), output, labels)
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"), [("mse", (0.25 + 9) / 2), ("mae", (0.5 + 3) / 2), ("huber", (0.125 + 2.5) / 2)]
)
def test_regression_by_hand(loss: Loss, expected: float) -> None:
    task = Task(name="m", kind="regression", loss=loss)
    output, labels = torch.tensor([[1.5], [7.0], [-1.0]]), torch.tensor([1.0, NAN, 2.0])
    assert task_loss(task, output, labels).item() == pytest.approx(expected)


@pytest.mark.parametrize("task", TASKS.tasks, ids=lambda task: str(task.name))
def test_a_missing_label_is_as_if_the_row_were_not_there(task: Task) -> None:
    output = torch.randn(5, task.n_outputs, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([1.0, NAN, 0.0, NAN, 1.0])
    known = [0, 2, 4]
    loss = task_loss(task, output, labels)
    torch.testing.assert_close(loss, task_loss(task, output[known], labels[known], whole=True))
    loss.backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None
    assert (output.grad.abs().sum(dim=1) > 0).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("task", TASKS.tasks, ids=lambda task: str(task.name))
def test_nothing_known_is_nan(task: Task) -> None:
    assert torch.isnan(task_loss(task, torch.zeros(2, task.n_outputs), torch.full((2,), NAN)))


def test_losses_of_a_batch_in_task_order() -> None:
    rows = some_rows(10, missing=0.4)
    labels = rows.labels.clone()
    labels[:, 1] = NAN
    batch = Rows(rows.inputs, labels, rows.whole)
    model = SmallModel().eval()
    outputs = model(batch.inputs)
    found = task_losses(TASKS, outputs, batch)
    assert torch.isnan(found).tolist() == [False, True, False]
    for k, task in enumerate(TASKS):
        if k != 1:
            torch.testing.assert_close(found[k], task_loss(task, outputs[task.name], labels[:, k]))


def weighted(*weights: float) -> TaskSet:
    return TaskSet(tasks=tuple(t.model_copy(update={"weight": w}) for t, w in zip(TASKS, weights, strict=True)))


def test_total_loss_is_the_weighted_sum_over_all_heads() -> None:
    tasks = weighted(1.0, 2.0, 0.25)
    model, batch = SmallModel(tasks, helpers=["much@yes"]).eval(), some_rows(9, missing=0.3)
    outputs = model(batch.inputs, helpers=True)
    yes, which, much = (task_loss(t, outputs[t.name], batch.labels[:, k]) for k, t in enumerate(tasks))
    helper = task_loss(tasks["much"], outputs["much@yes"], batch.labels[:, 2])
    expected = yes + 2 * which + 0.25 * much + 0.25 * helper
    torch.testing.assert_close(total_loss(model, tasks, batch), expected)


def test_a_task_without_labels_in_the_batch_is_left_out() -> None:
    model, batch = SmallModel(helpers=["which@yes"]).eval(), some_rows(6)
    labels = batch.labels.clone()
    labels[:, 1] = NAN
    holed = Rows(batch.inputs, labels, (True, False, True))
    outputs = model(batch.inputs)
    expected = sum(task_loss(TASKS[t], outputs[t], labels[:, k]) for k, t in ((0, "yes"), (2, "much")))
    loss = total_loss(model, TASKS, holed)
    torch.testing.assert_close(loss, torch.as_tensor(expected))
    loss.backward()  # type: ignore[no-untyped-call]
    touched = [all(p.grad is not None for p in head.parameters()) for head in model.heads]
    assert touched == [True, False, True, False]


def test_a_batch_without_any_label_trains_nothing() -> None:
    model, inputs = SmallModel(), some_rows(3).inputs
    loss = total_loss(model, TASKS, Rows.of(inputs.numpy(), np.full((3, 3), np.nan)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert all(p.grad is None for p in model.parameters())
