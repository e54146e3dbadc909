"""CSV by pandas: the first line names the columns, an empty field is missing."""

import csv
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from taskgroup.core.text import plural
from taskgroup.errors import InputError
from taskgroup.problems.faults import one_line
from taskgroup.problems.source import FrameSource, Source

if TYPE_CHECKING:
    from _csv import Reader as CsvReader


def read(path: Path, file: str) -> Source:
    """Columns of a comma-separated file; empty fields, ``NA``, ``NaN`` and the like are missing.

    Raises:
        InputError: Not a table, not comma-separated, or a column named twice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0]
            frame = pd.read_csv(path, index_col=False, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        found = _long_row(path) or one_line(error)
        raise InputError(f"{file}: should be comma-separated text in UTF-8 with a header, found: {found}") from error
    faults = header_faults(["" if pd.isna(name) else str(name) for name in header], file)
    if faults:
        raise InputError(faults)
    return FrameSource(frame, file)


def header_faults(names: Sequence[str], file: str) -> list[str]:
    """What is wrong with the names of the columns: one that stands there twice, another separator than the comma."""
    repeated = sorted(name for name, n in Counter(names).items() if n > 1 and name)
    faults = [f"{file}: column `{name}` should stand in the header once" for name in repeated]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        faults.append(f"{file}: columns should be separated by commas, found the one column `{names[0]}`")
    return faults


def look_through(reader: "CsvReader", n_columns: int) -> tuple[int, str]:
    """How many rows there are, as far as they are well-formed, and the first with a field beyond the last column.

    Args:
        reader: Behind the header.
        n_columns: That the header names.

    Returns:
        The number, up to such a row, and the words for it, empty where there is none.
    """
    n_rows = 0
    try:
        for row in reader:
            n_rows += bool(row)  # a blank line is none
            if any(row[n_columns:]):
                named = plural(n_columns, "column")
                return n_rows, f"line {reader.line_num} has {len(row)} fields, where the header names {named}"
    except csv.Error:
        n_rows += 1  # whatever is wrong with it, it is there
    return n_rows, ""


def _long_row(path: Path) -> str:
    """Of a file that pandas cannot read; empty where that has another reason."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        try:
            return look_through(reader, len(next(filter(None, reader), [])))[1]
        except csv.Error:
            return ""
