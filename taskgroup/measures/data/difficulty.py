"""Agreement of the tasks' difficulty."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.model_selection import KFold

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.data.correlation import codes
from taskgroup.measures.data.rows import Index, by_rows, for_all_stages, labelled_rows
from taskgroup.measures.views import Array, DataView

PENALTIES = tuple(10.0**k for k in range(-3, 4))
"""Ridge penalties to choose from, on standardized inputs and for each training row."""


class Difficulty(Frozen):
    """``-|dᵢ - dⱼ|``, where ``d`` is a linear model's squared error in units of the labels' variance.

    ``d = Σ (y - ŷ)² / Σ (y - ȳ)²``, ``ŷ`` the cross-validated prediction of a ridge regression of the label codes (a
    class: one indicator column for each value) on the task's own rows, with the best of seven penalties. About 0: a
    linear model does it; about 1: it does no better than the mean. The measure is 0 where two tasks are equally hard
    and falls with the difference: tasks far apart end their learning at different times. Symmetric. It compares two
    numbers and knows nothing of what the tasks need: a poor man's measure, to be beaten by the others. NaN below
    ``min_rows`` labels or where they are constant.

    Cost: no training of networks; ``n_folds`` eigenvalue problems of at most ``max_rows`` rows for each set of tasks
    that share their rows.

    Attributes:
        method: Its name in the table.
        n_folds: Folds of the cross-validation.
        min_rows: Labels that a task must have.
        max_rows: At most so many are taken, drawn under the view's seed.
    """

    method: Literal["difficulty"] = "difficulty"
    sees: ClassVar[Sight] = "data"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "A and B are equally hard for a linear model"
    n_folds: int = Field(default=5, ge=2)
    min_rows: int = Field(default=10, ge=4)
    max_rows: int = Field(default=500, ge=10)

    def __call__(self, view: DataView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        rows = labelled_rows(view, self.max_rows)
        hardness = np.full(len(view.tasks), np.nan)
        for tasks in by_rows(rows).values():
            if len(rows[tasks[0]]) >= max(self.min_rows, self.n_folds):
                hardness[tasks] = self._errors(view, tasks, rows[tasks[0]])
        return for_all_stages(view, -np.abs(hardness[:, None] - hardness))

    def _errors(self, view: DataView, tasks: list[int], rows: Index) -> Array:
        """Relative errors of tasks that are labelled on the same rows, shape ``(len(tasks),)``."""
        coded = [codes(view.tasks.tasks[t], view.labels[rows, t]) for t in tasks]
        ends = np.cumsum([c.shape[1] for c in coded])
        targets, missed = np.hstack(coded), np.zeros((len(PENALTIES), ends[-1]))
        for train, test in KFold(self.n_folds, shuffle=True, random_state=view.seed).split(rows):
            predicted = ridge(view.inputs[rows[train]], targets[train], view.inputs[rows[test]])
            missed += ((predicted - targets[test]) ** 2).sum(axis=1)
        spread = (targets**2).sum(axis=0)
        errors = [part.sum(axis=1).min() for part in np.split(missed, ends[:-1], axis=1)]
        spreads = np.array([part.sum() for part in np.split(spread, ends[:-1])])
        return np.where(spreads > 0, errors / np.where(spreads > 0, spreads, 1), np.nan)


def ridge(inputs: Array, targets: Array, others: Array) -> Array:
    """Ridge predictions for the rows ``others`` with each of ``PENALTIES``, shape ``(penalties, rows, columns)``."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    seen, unseen = (inputs - mean) / scale, (others - mean) / scale
    values, vectors = np.linalg.eigh(seen @ seen.T)  # rows are few, columns may be many
    loads, along = unseen @ (seen.T @ vectors), vectors.T @ (targets - targets.mean(axis=0))
    weights = [1.0 / (values.clip(min=0.0) + penalty * len(inputs)) for penalty in PENALTIES]
    return np.stack([targets.mean(axis=0) + (loads * w) @ along for w in weights])
