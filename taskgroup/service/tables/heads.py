"""Heads: the first rows of a table, few enough for a table of any size, and what its columns look like in them."""

import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.faults import one_line
from taskgroup.problems.guess import SPLIT_NAMES, guess_kind, is_split, unfit_input
from taskgroup.problems.readers.npz import ArraySource
from taskgroup.problems.source import FrameSource, Source, plain
from taskgroup.service.tables.npz import Header, header_of, rows_of, shapes_of
from taskgroup.service.views import ColumnView

MOST_ROWS, FEWEST_ROWS, MOST_CELLS = 10_000, 50, 200_000
MOST_BYTES = 1 << 26
"""Of all arrays of a file that are read together."""
MOST_VALUES = 1000
"""Of a column that are told."""
INPUTS = "X"
"""The array of an NPZ file that holds the inputs where the config names none."""


def look(path: Path, names: tuple[str, ...]) -> tuple[ColumnView, ...]:
    """What ``taskgroup init`` would say of the columns, from the first rows; nothing of those that it cannot see.

    Args:
        path: A table that :func:`~taskgroup.service.tables.columns_of` has read.
        names: Its columns.

    Raises:
        InputError: Its first rows cannot be read.
    """
    n_rows = min(MOST_ROWS, max(FEWEST_ROWS, MOST_CELLS // len(names)))
    try:
        head = HEADS[path.suffix.lower().removeprefix(".")](path, n_rows)
    except (pd.errors.ParserWarning, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path.name}: its first rows should be readable, found: {one_line(error)}") from None
    source = head.source
    seen = set(source.names)
    found = (_view(name, source.column(name)) if name in seen else ColumnView(name=name) for name in names)
    return tuple(_aside(view, head.aside.get(view.name.partition("[")[0], "")) for view in found)


@dataclass(frozen=True)
class Head:
    """The first rows of a table.

    Attributes:
        source: They.
        aside: Arrays that had better not be inputs as a whole, and why.
    """

    source: Source
    aside: Mapping[str, str] = field(default_factory=dict)


def _view(name: str, column: "pd.Series[Any]") -> ColumnView:
    try:
        values = list(dict.fromkeys(plain(column)))
        marks = () if any(isinstance(value, float) for value in values) else tuple(map(str, values[:MOST_VALUES]))
        return ColumnView(
            name=name,
            kind=guess_kind(column).kind,
            unfit=unfit_input(column),
            values=marks,
            split=is_split(SPLIT_NAMES[0], column),
        )
    except TypeError:  # cells that hold lists and the like
        return ColumnView(name=name, unfit=f"neither numbers nor text ({column.dtype})")


def _aside(view: ColumnView, why: str) -> ColumnView:
    return view.model_copy(update={"unfit": why}) if why else view


def _csv(path: Path, n_rows: int) -> Head:
    return Head(FrameSource(pd.read_csv(path, index_col=False, nrows=n_rows), path.name))


def _parquet(path: Path, n_rows: int) -> Head:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            frame = next(table.iter_batches(n_rows)).to_pandas()
    except pa.ArrowException as error:
        raise ValueError(one_line(error)) from error
    frame = frame.set_axis([str(c) for c in frame.columns], axis="columns")
    return Head(FrameSource(frame.loc[:, ~frame.columns.duplicated()], path.name))


def _npz(path: Path, n_rows: int) -> Head:
    """Vectors and matrices; of arrays that do not lie row by row those that are small."""
    headers: dict[str, Header] = {}
    arrays: dict[str, NDArray[Any]] = {}
    left = MOST_BYTES
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                headers[member.filename] = header_of(stream, member.file_size, f"{path.name}: `{member.filename}`")
        shapes = shapes_of(headers)
        there = rows_of(shapes.values())
        for name, shape in shapes.items():
            needed = _needed(headers[name], there, n_rows)
            size = math.prod(needed) * headers[name].dtype.itemsize
            if len(shape) > 2 or there not in shape or size > left:
                continue
            left -= size
            with archive.open(name) as stream:
                header_of(stream, archive.getinfo(name).file_size, f"{path.name}: `{name}`")
                array = np.frombuffer(stream.read(size), headers[name].dtype)
            array = array.reshape(needed, order="F" if headers[name].by_columns else "C")
            array = array[:n_rows] if shape[0] == there else array[:, :n_rows]
            arrays[name.removesuffix(".npy")] = array.astype(str) if array.dtype.kind == "S" else array
    if shapes.get(f"{INPUTS}.npy", (0,))[0] == there:
        aside = {name: f"`{INPUTS}` holds the inputs" for name in arrays if name != INPUTS}
    else:
        aside = {n.removesuffix(".npy"): "holds columns as rows" for n, shape in shapes.items() if shape[0] != there}
    return Head(ArraySource(arrays, path.name), aside)


def _needed(header: Header, there: int, n_rows: int) -> tuple[int, ...]:
    """Shape of what has to be read for the first rows: all, unless the array lies row by row."""
    if header.by_columns or header.shape[0] != there:
        return header.shape
    return (min(there, n_rows), *header.shape[1:])


HEADS: dict[str, Callable[[Path, int], Head]] = {"csv": _csv, "npz": _npz, "parquet": _parquet}
"""Ending → function of (path, number of rows) that reads the first of them."""
