import pytest
from pydantic import ValidationError

from taskgroup.core.task import LOSSES, METRICS, Kind, Loss, Metric, Task, TaskSet


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_loss_and_metric_default_to_the_first_of_the_kind(kind: Kind) -> None:
    task = Task(name="t", kind=kind, n_classes=4 if kind == "multiclass" else None)
    assert (task.loss, task.metric) == (LOSSES[kind][0], METRICS[kind][0])
    assert task.n_outputs == (4 if kind == "multiclass" else 1)


@pytest.mark.parametrize(
    ("kind", "loss", "metric", "sentence"),
    [
        ("binary", "mse", None, "loss of binary task `t` should be one of bce, found mse"),
        ("regression", None, "auc", "metric of regression task `t` should be one of r2, mae, found auc"),
    ],
)
def test_loss_and_metric_must_fit_the_kind(kind: Kind, loss: Loss | None, metric: Metric | None, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Task(name="t", kind=kind, loss=loss, metric=metric)


def test_number_of_classes_belongs_to_multiclass_only() -> None:
    with pytest.raises(ValidationError, match="task `t` of kind multiclass needs n_classes, found None"):
        Task(name="t", kind="multiclass")
    with pytest.raises(ValidationError, match="task `t` of kind binary takes no n_classes, found 2"):
        Task(name="t", kind="binary", n_classes=2)
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Task(name="t", kind="multiclass", n_classes=1)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"weight": 0}, {"scale": 0}, {"n_class": 3}, {"kind": "ranking"}])
def test_wrong_fields_are_refused(wrong: dict[str, object]) -> None:
    right = {"name": "t", "kind": "binary"}
    assert Task.model_validate(right).weight == 1
    with pytest.raises(ValidationError):
        Task.model_validate(right | wrong)


def test_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Task(name="t", kind="binary").weight = 2.0  # type: ignore[misc]


def test_task_set_keeps_the_order_and_finds_by_name() -> None:
    b, a = Task(name="b", kind="binary"), Task(name="a", kind="regression")
    tasks = TaskSet(tasks=(b, a))
    assert tasks.names == ("b", "a")
    assert list(tasks) == [b, a]
    assert (len(tasks), tasks["a"]) == (2, a)


def test_task_names_are_unique_and_at_least_one() -> None:
    task = Task(name="t", kind="binary")
    with pytest.raises(ValidationError, match="task names should be unique, found t more than once"):
        TaskSet(tasks=(task, task))
    with pytest.raises(ValidationError, match="at least 1 item"):
        TaskSet(tasks=())
