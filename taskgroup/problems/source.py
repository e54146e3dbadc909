"""Source: a file of named columns, whatever its format, and the table of readers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.core.table import Table, did_you_mean
from taskgroup.errors import InputError
from taskgroup.problems.faults import some

Inputs = pd.DataFrame | NDArray[Any]
"""Raw inputs: named columns, or one array ``(N, ...)`` of three or more axes."""


class Source(Protocol):
    """What a reader makes of a file."""

    file: str
    """For messages."""

    n_rows: int

    @property
    def names(self) -> list[str]:
        """Every name that :meth:`column` takes."""
        ...

    def column(self, name: str) -> "pd.Series[Any]":
        """One value a row, indexed 0 to N - 1.

        Raises:
            InputError: No such column.
        """
        ...

    def inputs(self, names: Sequence[str] | None, exclude: set[str]) -> Inputs:
        """The named inputs, by default all but ``exclude``; a new object.

        Raises:
            InputError: With a sentence for each name that is missing.
        """
        ...


READERS: Table[Callable[[Path, str], Source]] = Table(
    "data reader",
    "taskgroup.readers",
    {
        "csv": "taskgroup.problems.readers.csv:read",
        "npz": "taskgroup.problems.readers.npz:read",
        "parquet": "taskgroup.problems.readers.parquet:read",
    },
)
"""File ending → function of (path, name for messages)."""


def read(path: str, folder: Path) -> Source:
    """The source at ``path``, relative to ``folder``, by the reader of its ending.

    Raises:
        InputError: No such file, no reader for its ending, or a file that the reader cannot make out.
    """
    full = folder / path
    if full.is_dir():
        raise InputError(f"{path or full}: should be a file ending in {', '.join(READERS.names)}, found a folder")
    ending = full.suffix.lower().removeprefix(".")
    if ending not in READERS.names:
        raise InputError(f"{path}: the file's ending should be one of {', '.join(READERS.names)}, found `{ending}`")
    check_there(path, full)
    source = READERS[ending](full, path)
    if not source.n_rows:
        raise InputError(f"{path}: the file should have rows, found none")
    return source


def check_there(path: str, full: Path) -> None:
    """See to it that there is a file.

    Raises:
        InputError: There is none.
    """
    if not full.is_file():
        beside = [p.name for p in sorted(full.parent.iterdir())] if full.parent.is_dir() else []
        raise InputError(f"{path}: there is no such file in {full.parent}{did_you_mean(full.name, beside)}")


def unknown_column(file: str, name: str, names: Sequence[str]) -> str:
    """The sentence for a column that is not there."""
    hint = did_you_mean(name, list(names))
    return f"{file}: there is no column `{name}`{hint or f'; the columns are {some(names)}'}"


class FrameSource:
    """Columns of a data frame."""

    def __init__(self, frame: pd.DataFrame, file: str) -> None:
        self.frame = frame.reset_index(drop=True)
        self.file = file
        self.n_rows = len(frame)

    @property
    def names(self) -> list[str]:
        """Column names."""
        return [str(c) for c in self.frame.columns]

    def column(self, name: str) -> "pd.Series[Any]":
        """See :class:`Source`."""
        if name not in self.names:
            raise InputError(unknown_column(self.file, name, self.names))
        return self.frame[name]

    def inputs(self, names: Sequence[str] | None, exclude: set[str]) -> Inputs:
        """See :class:`Source`."""
        chosen = [n for n in self.names if n not in exclude] if names is None else list(names)
        missing = [unknown_column(self.file, n, self.names) for n in chosen if n not in self.names]
        if missing:
            raise InputError(missing)
        return self.frame[chosen].copy()


def plain(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Values present, as Python objects (whole floats as ints), indexed by their row numbers; blank text is missing."""
    present = values.dropna()
    present = present[[not (isinstance(v, str) and not v.strip()) for v in present]]
    listed = [int(v) if isinstance(v, float) and v.is_integer() else v for v in present.tolist()]
    objects = np.empty(len(listed), dtype=object)
    objects[:] = listed
    return pd.Series(objects, index=present.index, dtype=object)
