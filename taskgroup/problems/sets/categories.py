"""Categories: columns of codes as one column for each frequent code."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.problems.inputs import Prepared
from taskgroup.problems.sets.file import whole

MOST, IN_ALL = 100, 2000
"""Columns for the codes of one input column, and about so many altogether."""


def fitted_categories(codes: NDArray[Any], train: NDArray[np.bool_]) -> Prepared:
    """One column for each code that is frequent in training; all zero for a rare or unseen one.

    Args:
        codes: Shape ``(N, C)``, whole numbers.
        train: Which rows to find the codes in, shape ``(N,)``.
    """
    ids, most = whole(codes), max(2, min(MOST, IN_ALL // max(codes.shape[1], 1)))
    parts, record = [], []
    for j, column in enumerate(ids.T):
        values, counts = np.unique(column[train], return_counts=True)
        frequent = np.sort(values[np.argsort(-counts, kind="stable")[:most]])
        parts.append((column[:, None] == frequent).astype(np.float32))
        record.append({"column": f"X_cat[{j}]", "categories": frequent.tolist()})
    return np.hstack(parts), {"kind": "categories", "categorical": record}
