"""Splits: the one that is asked for, with parts that it lacks carved from its training rows."""

import zlib

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.problems.problem import SPLITS, TEST, TRAIN, UNUSED, VAL
from taskgroup.problems.sets.file import SetFile, whole

Split = NDArray[np.int8]
PREFIX = "split_"
SHARE = 0.2
"""Of the training rows, for a part that the file does not have."""


def names_of(found: SetFile) -> list[str]:
    """The file's splits."""
    return [n.removeprefix(PREFIX) for n in found.arrays if n.startswith(PREFIX)]


def is_random(called: str) -> bool:
    """Whether a split that :func:`read_split` calls so was drawn at random, by its name."""
    return called.partition("[")[0] == f"{PREFIX}random"


def read_split(found: SetFile, name: str | None, index: int) -> tuple[Split, str, list[str]]:
    """Split of each row, shape ``(N,)``; what it is called; and what was not as the format says.

    Raises:
        InputError: The file has no such split, or one that is not about its rows.
    """
    known = names_of(found)
    notes: list[str] = []
    if name is None:
        name, notes = _default(found, known)
    if name is None:
        return np.zeros(found.n_rows, dtype=np.int8), "none", ["the file has no split: all rows are for training"]
    chosen = name.removeprefix(PREFIX)
    if chosen not in known:
        raise InputError(
            f"problem.split: {found.file} has the splits {', '.join(known) or 'none'}, found `{name}`"
            f"{did_you_mean(chosen, known)}"
        )
    array = np.atleast_2d(found.arrays[PREFIX + chosen])
    if array.ndim != 2 or array.shape[1] != found.n_rows:
        raise InputError(
            f"{found.file}: array `{PREFIX}{chosen}` should have shape (N,) or (K, N) with N = {found.n_rows}, found "
            f"{found.arrays[PREFIX + chosen].shape}"
        )
    if index >= len(array):
        raise InputError(
            f"problem.split_index should be below {len(array)}, the number of divisions in `{PREFIX}{chosen}` of "
            f"{found.file}, found {index}"
        )
    split = whole(array[index])
    split[~np.isin(split, list(SPLITS.values()))] = UNUSED
    called = f"{PREFIX}{chosen}" + (f"[{index}]" if found.arrays[PREFIX + chosen].ndim > 1 else "")
    return split.astype(np.int8), called, notes


def _default(found: SetFile, known: list[str]) -> tuple[str | None, list[str]]:
    said = found.meta.get("default_split")
    if isinstance(said, str) and said.removeprefix(PREFIX) in known:
        return said, []
    if not known:
        return None, []
    what = "no default split" if said is None else f"a default split `{said}` that it does not have"
    return known[0], [f"the file names {what}: `{known[0]}` is taken"]


def completed(split: Split, strata: NDArray[np.int64], seed: int) -> tuple[Split, list[str]]:
    """``split`` with a validation and a test part, carved at random from the training rows where it has none.

    Args:
        split: Shape ``(N,)``.
        strata: Rows with equal numbers are divided for themselves, shape ``(N,)``.
        seed: Of the draw.
    """
    split, notes = split.copy(), []
    for part, code in (("test", TEST), ("val", VAL)):
        if (split == code).any():
            continue
        rng = np.random.default_rng([seed, zlib.crc32(part.encode())])
        for stratum in np.unique(strata):
            mine = rng.permutation(np.flatnonzero((strata == stratum) & (split == TRAIN)))
            split[mine[: max(round(SHARE * len(mine)), min(len(mine) - 1, 1))]] = code
        notes.append(f"the split has no {part} rows: {SHARE:.0%} of the training rows are taken, under seed {seed}")
    return split, notes
