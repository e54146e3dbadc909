"""Split: which rows train, validate and test."""

import warnings
import zlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.config import SplitConfig
from taskgroup.problems.faults import some
from taskgroup.problems.problem import SPLITS, TEST, TRAIN, UNUSED, VAL
from taskgroup.problems.rows import Rows
from taskgroup.problems.source import plain

WORDS = {
    **SPLITS,
    **dict.fromkeys(("validation", "valid", "dev"), VAL),
    **{str(code): code for code in SPLITS.values()},
    **dict.fromkeys(("unused", "-1"), UNUSED),
}
"""What a split column may say; an empty field is unused."""


def split_rows(config: SplitConfig, rows: Rows) -> NDArray[np.int8]:
    """The split of each row, shape ``(N,)``; rows without any label are unused.

    By fractions a random order under the seed is cut, by time the stable sort; in both cases the rows that tasks share
    are cut together and each task's own rows for themselves.

    Raises:
        InputError: Unknown words in a split column, times that cannot be sorted.
    """
    split = np.full(len(rows.owner), UNUSED, dtype=np.int8)
    labelled = rows.labelled
    if config.column is not None:
        assert rows.order is not None, "the source reads the column that the config names"
        split[labelled] = _named(config.column, rows.order)[labelled]
    else:
        rank = np.zeros(len(rows.owner)) if rows.order is None else _times(str(config.time), rows.order, labelled)
        for owner in sorted(set(rows.owner)):
            mine = np.flatnonzero(labelled & (rows.owner == owner))
            if rows.order is None:
                ordered = np.random.default_rng([config.seed, zlib.crc32(owner.encode())]).permutation(mine)
            else:
                ordered = mine[np.argsort(rank[mine], kind="stable")]
            ends = np.rint(np.cumsum([config.train, config.val]) * len(mine)).astype(int)
            for code, part in zip((TRAIN, VAL, TEST), np.split(ordered, ends), strict=True):
                split[part] = code
    return split


def empty_splits(split: NDArray[np.int8]) -> list[str]:
    """A sentence for each split without rows."""
    lacking = [name for name, code in SPLITS.items() if not (split == code).any()]
    return [f"problem.split: {name} should have labelled rows, found none" for name in lacking]


def _named(column: str, values: "pd.Series[Any]") -> NDArray[np.int8]:
    words = plain(values).map(lambda v: str(v).strip().lower())
    unknown = sorted({w for w in words if w not in WORDS})
    if unknown:
        raise InputError(
            f"problem.split.column: `{column}` should hold train, val, test (or be empty where unused), "
            f"found {some(f'`{w}`' for w in unknown)}"
        )
    split = np.full(len(values), UNUSED, dtype=np.int8)
    split[words.index.to_numpy()] = [WORDS[w] for w in words]
    return split


def _times(column: str, values: "pd.Series[Any]", labelled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rank of each row's time; NaN for rows that do not count."""
    lacking = np.flatnonzero(values.isna().to_numpy() & labelled)
    if len(lacking):
        raise InputError(
            f"problem.split.time: `{column}` should have a time in every labelled row, "
            f"found {len(lacking)} without, the first is data row {lacking[0] + 1}"
        )
    if pd.api.types.is_numeric_dtype(values):
        return np.asarray(values.rank(method="dense"), dtype=np.float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # a format that pandas would guess row by row
            dates = pd.to_datetime(values, utc=True)
    except (ValueError, TypeError, UserWarning) as error:
        found = values.dropna().iloc[0]
        raise InputError(
            f"problem.split.time: `{column}` should hold numbers or dates like 2024-01-31, found `{found}`"
        ) from error
    return np.asarray(dates.rank(method="dense"), dtype=np.float64)
