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
from taskgroup.problems.source import plain
from taskgroup.service.tables.npz import Header, header_of, rows_of, shapes_of
from taskgroup.service.views import ColumnView

MOST_ROWS, FEWEST_ROWS, MOST_CELLS = 10_000, 50, 200_000
MOST_COLUMNS = 2000
"""So many columns are looked at, the first."""
MOST_BYTES = 1 << 26
"""Of all arrays of a file that are read together."""
MOST_VALUES, LONGEST_VALUE = 1000, 200
"""Of a column that are told; longer ones are no names of tasks."""
INPUTS = "X"
"""The array of an NPZ file that holds the inputs where the config names none."""
OF_ALL_ROWS = ("constant", "empty")
"""What cannot be said of a column by its first rows alone."""


@dataclass(frozen=True)
class Head:
    """The first rows of a table.

    Attributes:
        columns: By name, those that are seen.
        whole: Whether these are all rows.
        aside: Arrays that had better not be inputs as a whole, and why.
    """

    columns: Mapping[str, "pd.Series[Any] | NDArray[Any]"]
    whole: bool
    aside: Mapping[str, str] = field(default_factory=dict)


def look(path: Path, names: tuple[str, ...]) -> tuple[ColumnView, ...]:
    """What ``taskgroup init`` would say of the columns, from the first rows; nothing of those that it cannot see.

    Parquet is not looked at: a file of a few bytes may decode to any size, whatever it says of itself.

    Args:
        path: A table that :func:`~taskgroup.service.tables.columns_of` has read.
        names: Its columns.

    Raises:
        InputError: Its first rows cannot be read.
    """
    read = HEADS.get(path.suffix.lower().removeprefix("."))
    if read is None:
        return tuple(ColumnView(name=name) for name in names)
    n_rows = min(MOST_ROWS, max(FEWEST_ROWS, MOST_CELLS // max(1, len(names))))
    try:
        head = read(path, n_rows)
    except (pd.errors.ParserWarning, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path.name}: its first rows should be readable, found: {one_line(error)}") from None
    views = [_view(name, head) for name in names]
    aside = [head.aside.get(name.partition("[")[0]) for name in names]
    return tuple(v.model_copy(update={"unfit": why}) if why else v for v, why in zip(views, aside, strict=True))


def _view(name: str, head: Head) -> ColumnView:
    if name not in head.columns:
        return ColumnView(name=name)
    try:
        column = _series(head.columns[name])
        values = list(dict.fromkeys(plain(column)))
        marks = [str(value) for value in values[:MOST_VALUES]]
        are_names = (
            not any(isinstance(value, float) for value in values) and max(map(len, marks), default=0) < LONGEST_VALUE
        )
        unfit = unfit_input(column)
        of_inputs = name.startswith(f"{INPUTS}[")  # which are taken together
        unknown = unfit in OF_ALL_ROWS and not head.whole
        return ColumnView.model_validate(
            {
                "name": name,
                "kind": guess_kind(column).kind,
                "unfit": "" if of_inputs or unknown else unfit,
                "values": marks if are_names else [],
                "split": is_split(SPLIT_NAMES[0], column),
            }
        )
    except Exception:  # lists, dates without unit, text that is none: a guess is never a fault
        return ColumnView(name=name)


def _csv(path: Path, n_rows: int) -> Head:
    frame = pd.read_csv(path, index_col=False, nrows=n_rows)
    columns = {str(c): frame.iloc[:, k] for k, c in enumerate(frame.columns[:MOST_COLUMNS])}
    return Head(columns, len(frame) < n_rows)


def _npz(path: Path, n_rows: int) -> Head:
    """Vectors and matrices; of arrays that do not lie row by row those that are small."""
    headers: dict[str, Header] = {}
    columns: dict[str, NDArray[Any]] = {}
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
            if len(shape) > 2 or there not in shape or size > left or len(columns) >= MOST_COLUMNS:
                continue
            left -= size
            with archive.open(name) as stream:
                header_of(stream, archive.getinfo(name).file_size, f"{path.name}: `{name}`")
                array = np.frombuffer(stream.read(size), headers[name].dtype)
            array = array.reshape(needed, order="F" if headers[name].by_columns else "C")
            rows = array[:n_rows] if shape[0] == there else array.T[:n_rows]
            columns |= _columns(name.removesuffix(".npy"), rows)
    if shapes.get(f"{INPUTS}.npy", (0,))[0] == there:
        aside = {n.removesuffix(".npy"): f"`{INPUTS}` holds the inputs" for n in shapes if n != f"{INPUTS}.npy"}
    else:
        aside = {n.removesuffix(".npy"): "holds columns as rows" for n, shape in shapes.items() if shape[0] != there}
    return Head(columns, there <= n_rows, aside)


def _needed(header: Header, there: int, n_rows: int) -> tuple[int, ...]:
    """Shape of what has to be read for the first rows: all, unless the array lies row by row."""
    if header.by_columns or header.shape[0] != there:
        return header.shape
    return (min(there, n_rows), *header.shape[1:])


def _columns(name: str, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """A vector, or a matrix column by column."""
    if rows.ndim == 1:
        return {name: rows}
    return {f"{name}[{j}]": rows[:, j] for j in range(min(rows.shape[1], MOST_COLUMNS))}


def _series(values: "pd.Series[Any] | NDArray[Any]") -> "pd.Series[Any]":
    """In the machine's byte order, bytes as text."""
    if isinstance(values, pd.Series):
        return values
    return pd.Series(values.astype(str if values.dtype.kind == "S" else values.dtype.newbyteorder("=")))


HEADS: dict[str, Callable[[Path, int], Head]] = {"csv": _csv, "npz": _npz}
"""Ending → function of (path, number of rows) that reads the first of them."""
