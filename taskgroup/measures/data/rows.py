"""Which rows a task is labelled on, thinned out where they are many; and answers that know no stages."""

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures.views import Array, DataView, stacked

Index = NDArray[np.int64]


def labelled_rows(view: DataView, max_rows: int) -> list[Index]:
    """For each task the numbers of its labelled rows, ascending; at most ``max_rows``, drawn under the view's seed.

    Every row has one rank for all tasks and the lowest ranks are kept: tasks with the same rows keep the same ones.
    """
    rank = np.random.default_rng(view.seed).permutation(len(view.labels))
    known = [np.flatnonzero(column) for column in ~np.isnan(view.labels).T]
    return [np.sort(rows[np.argsort(rank[rows])[:max_rows]]) for rows in known]


def by_rows(rows: list[Index]) -> dict[bytes, list[int]]:
    """Numbers of the tasks that have the same rows, by those rows."""
    found: dict[bytes, list[int]] = {}
    for task, index in enumerate(rows):
        found.setdefault(index.tobytes(), []).append(task)
    return found


def for_all_stages(view: DataView, matrix: Array) -> Array:
    """``matrix`` as every slice: data know no stages."""
    return stacked([matrix] * len(view.stages), matrix)
