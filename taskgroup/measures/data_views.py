"""Builds the view of measures that look at training rows alone."""

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import TaskSet
from taskgroup.measures.views import DataView
from taskgroup.training.data import Rows


def data_view(tasks: TaskSet, stages: tuple[str, ...], rows: Rows, seed: int) -> DataView:
    """All of ``rows``; token ids become counts of each id.

    Args:
        tasks: The tasks, in the order of the labels' columns.
        stages: The trunk's.
        rows: Training rows.
        seed: For measures that draw.
    """
    inputs = rows.inputs.numpy()
    flat = inputs.reshape(len(inputs), -1)
    seen = token_counts(flat) if flat.dtype == np.int64 else flat.astype(np.float64)
    return DataView(tasks, stages, seen, rows.labels.double().numpy(), seed)


def token_counts(tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each id stands in each row, shape ``(N, V)`` for ids from 0 to ``V - 1``."""
    n_ids = int(tokens.max(initial=0)) + 1
    cells = tokens + n_ids * np.arange(len(tokens))[:, None]
    return np.bincount(cells.ravel(), minlength=n_ids * len(tokens)).reshape(-1, n_ids).astype(np.float64)
