"""CSV by pandas: the first line names the columns, an empty field is missing."""

import warnings
from pathlib import Path

import pandas as pd

from taskgroup.errors import InputError
from taskgroup.problems.faults import one_line
from taskgroup.problems.source import FrameSource, Source


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
        raise InputError(
            f"{file}: should be comma-separated text in UTF-8 with a header, found: {one_line(error)}"
        ) from error
    repeated = sorted({str(name) for name in header[header.duplicated()].dropna()})
    if repeated:
        raise InputError(f"{file}: column `{name}` should stand in the header once" for name in repeated)
    if len(header) == 1 and any(mark in str(header[0]) for mark in ";\t"):
        raise InputError(f"{file}: columns should be separated by commas, found the one column `{header[0]}`")
    return FrameSource(frame, file)
