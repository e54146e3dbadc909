"""Parquet by pandas and pyarrow."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from taskgroup.errors import InputError
from taskgroup.problems.faults import one_line
from taskgroup.problems.source import FrameSource, Source


def read(path: Path, file: str) -> Source:
    """Columns of a Parquet file; nulls are missing.

    Raises:
        InputError: Not a Parquet file.
    """
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(f"{file}: should be a Parquet file, found: {one_line(error)}") from error
    return FrameSource(frame.set_axis([str(c) for c in frame.columns], axis="columns"), file)
