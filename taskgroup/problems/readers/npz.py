"""NPZ by numpy: arrays of numbers or text; pickled objects are refused."""

import re
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.faults import one_line, some
from taskgroup.problems.source import Inputs, Source, unknown_column

READABLE = "biufMUS"
"""Kinds of arrays that can be columns: booleans, numbers, dates, text."""


def read(path: Path, file: str) -> Source:
    """Arrays of an NPZ file as columns.

    Raises:
        InputError: Not an NPZ file, or an array of pickled objects.
    """
    return ArraySource(read_arrays(path, file), file)


def read_arrays(path: Path, file: str) -> dict[str, NDArray[Any]]:
    """Arrays of an NPZ file by name, bytes as text.

    Raises:
        InputError: Not an NPZ file, or an array of pickled objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, tokenize.TokenError) as error:
        raise InputError(f"{file}: should be an NPZ file of arrays, found: {one_line(error)}") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise InputError(f"{file}: should be an NPZ file of named arrays, found one array; save it with np.savez")
    arrays, faults = {}, []
    with loaded:
        for name in loaded.files:
            try:
                array = loaded[name]
                arrays[name] = array.astype(str) if array.dtype.kind == "S" else array
            except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, tokenize.TokenError) as error:
                faults.append(
                    f"{file}: array `{name}` should be numbers or text (no pickles), found: {one_line(error)}"
                )
    if faults:
        raise InputError(faults)
    return arrays


class ArraySource:
    """Columns of arrays: a vector by its name, a column of a matrix as ``Y[3]``.

    The number of rows is the commonest length among the arrays. A matrix with as many columns as there are rows but
    another number of rows (three splits, say) is taken by rows: ``split[0]``.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], file: str) -> None:
        self.file = file
        self.arrays = {n: a for n, a in arrays.items() if a.ndim and a.dtype.kind in READABLE}
        lengths = Counter(len(a) for a in self.arrays.values())
        self.n_rows = max(lengths, key=lambda n: (lengths[n], n)) if lengths else 0

    @cached_property
    def names(self) -> list[str]:
        """Vectors, and matrices column by column."""
        found = []
        for name, array in self.arrays.items():
            if array.shape == (self.n_rows,):
                found.append(name)
            elif array.ndim == 2 and self.n_rows in array.shape:
                n_columns = array.shape[1] if len(array) == self.n_rows else len(array)
                found += [f"{name}[{j}]" for j in range(n_columns)]
        return found

    def column(self, name: str) -> "pd.Series[Any]":
        """See :class:`~taskgroup.problems.source.Source`."""
        if name not in self.names:
            columns = [n for n in self.names if n.startswith(f"{name}[")]
            if columns:
                raise InputError(f"{self.file}: array `{name}` is a matrix; name one column of it: {some(columns, 4)}")
            raise InputError(unknown_column(self.file, name, self.names))
        if name in self.arrays:
            return pd.Series(self.arrays[name])
        base, index = _indexed(name)
        matrix = self.arrays[base]
        return pd.Series(matrix[:, index] if len(matrix) == self.n_rows else matrix[index])

    def inputs(self, names: Sequence[str] | None, exclude: set[str]) -> Inputs:
        """See :class:`~taskgroup.problems.source.Source`; by default the array ``X``."""
        if names is None and "X" not in self.arrays:
            free = [n for n in self.arrays if not any(e == n or e.startswith(f"{n}[") for e in exclude)]
            raise InputError(f"{self.file}: has no array `X`; name its input arrays, e.g. inputs: [{some(free, 3)}]")
        chosen = ["X"] if names is None else list(names)
        known = [n for n, a in self.arrays.items() if len(a) == self.n_rows]
        faults = [
            unknown_column(self.file, n, [*known, *self.names])
            for n in chosen
            if n not in known and n not in self.names
        ]
        deep = [n for n in chosen if n in known and self.arrays[n].ndim > 2]
        if deep and len(chosen) > 1:
            faults.append(f"{self.file}: `{deep[0]}` has more than two axes and can only be the sole input array")
        if faults:
            raise InputError(faults)
        if deep:
            return self.arrays[deep[0]].copy()
        return pd.concat([self._frame(n, n in known) for n in chosen], axis="columns")

    def _frame(self, name: str, whole: bool) -> pd.DataFrame:
        if whole and self.arrays[name].ndim == 2:
            array = self.arrays[name]
            return pd.DataFrame(array, columns=[f"{name}[{j}]" for j in range(array.shape[1])])
        return self.column(name).to_frame(name)


def _indexed(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+)\[(\d+)\]", name)
    assert match is not None, "names() only lists indexed names of this form"
    return match[1], int(match[2])
