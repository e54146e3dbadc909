"""Feature views made of arrays, so that what a measure sees is known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import Task, TaskSet
from taskgroup.measures.views import FeatureView

Array = NDArray[np.float64]


def values(n_tasks: int) -> TaskSet:
    """Regression tasks t0, t1, …"""
    return TaskSet(tasks=tuple(Task(name=f"t{k}", kind="regression") for k in range(n_tasks)))


def view_of(
    fit: Sequence[Sequence[Array]],
    score: Sequence[Sequence[Array]] | None = None,
    *,
    tasks: TaskSet | None = None,
    labels: tuple[Array, Array] | None = None,
    earlier: Sequence[Sequence[Sequence[Array]]] = (),
    seed: int = 0,
) -> FeatureView:
    """A view of features by task and stage; by default the score rows are the fit rows, and any label will do.

    Args:
        fit: ``fit[task][stage]``, shape ``(N, F)``.
        score: The same of the score rows.
        tasks: By default regression tasks.
        labels: Of fit and score rows, shape ``(N, T)``.
        earlier: ``fit`` at checkpoints before the last; score rows are the fit rows there.
        seed: The view's.
    """
    tasks = tasks or values(len(fit))
    names, stages = tasks.names, tuple(f"s{k}" for k in range(len(fit[0])))
    last = {"fit": fit, "score": score or fit}
    history = [*({"fit": early, "score": early} for early in earlier), last]
    rows = {part: len(last[part][0][0]) for part in last}
    found = labels or tuple(np.random.default_rng(5).normal(size=(rows[part], len(fit))) for part in ("fit", "score"))

    def features(task: str, stage: str, part: str, checkpoint: int) -> Array:
        return history[checkpoint][part][names.index(task)][stages.index(stage)]

    return FeatureView(
        tasks=tasks,
        stages=stages,
        features=features,
        labels=lambda part: found[0] if part == "fit" else found[1],
        checkpoints=tuple(np.linspace(0, 1, len(history) + 1)[1:].tolist()),
        seed=seed,
    )


def permuted(view: FeatureView, order: Sequence[int]) -> FeatureView:
    """The same networks and labels, tasks in another order."""
    tasks = TaskSet(tasks=tuple(view.tasks.tasks[k] for k in order))
    return FeatureView(
        tasks, view.stages, view.features, lambda part: view.labels(part)[:, list(order)], view.checkpoints, view.seed
    )


def orthonormal(n_rows: int, n_columns: int, seed: int = 0) -> Array:
    """Columns that are centred, orthogonal and of variance 1, shape ``(n_rows, n_columns)``."""
    raw = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
    return np.asarray(np.linalg.qr(raw - raw.mean(axis=0))[0] * np.sqrt(n_rows))


def rotation(n: int, seed: int = 1) -> Array:
    """A random orthogonal matrix."""
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0])
