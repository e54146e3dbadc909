"""A few rows that serve every task, for measures that need not see all."""

import numpy as np
import torch
from numpy.typing import NDArray

from taskgroup.core.seeds import derive_seed
from taskgroup.training.data import Rows


def some_rows(rows: Rows, n_rows: int, *purpose: object) -> Rows:
    """At most ``n_rows`` of ``rows``, in their order, drawn so that every task has labelled ones where it can.

    Tasks take turns at a shuffled list: each takes its next labelled row, until there are enough. Where all rows have
    all labels that is a plain random draw. The same ``purpose`` draws the same rows.
    """
    if len(rows) <= n_rows:
        return rows
    order = np.random.default_rng(derive_seed("some rows", *purpose)).permutation(len(rows))
    turns = _turns(~torch.isnan(rows.labels).numpy()[order])
    chosen = np.sort(order[np.argsort(turns, kind="stable")[:n_rows]])
    return rows.pick(torch.from_numpy(chosen))


def _turns(known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The first turn in which a task would take each row; infinite for rows without any label."""
    return np.asarray(np.where(known, np.cumsum(known, axis=0), np.inf).min(axis=1))
