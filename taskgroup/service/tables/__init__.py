"""Tables: what can be known of a file of data by its headers or first rows, so that none can take the server's memory.

Knows the formats. Knows nothing of requests and jobs.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from taskgroup.errors import InputError
from taskgroup.service.tables.csv import csv_columns
from taskgroup.service.tables.npz import npz_columns
from taskgroup.service.tables.parquet import parquet_columns

COLUMNS: dict[str, Callable[[Path, int], tuple[str, ...]]] = {
    "csv": csv_columns,
    "npz": npz_columns,
    "parquet": parquet_columns,
}
"""Ending → function of (path, most bytes when unpacked) that checks a file and gives its columns."""

EXPANSION = 8
"""A table may hold so many times the bytes of the largest upload once it is unpacked."""

MAX_UNPACKED = 1 << 40
"""For files that the operator put there himself."""


def columns_of(path: Path, max_unpacked: int = MAX_UNPACKED) -> tuple[str, ...]:
    """Names of the columns of a table.

    Raises:
        InputError: The file is none of the known formats, or would unpack to more than ``max_unpacked`` bytes.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in COLUMNS:
        raise InputError(f"{path.name}: a table should end in {', '.join(f'.{e}' for e in COLUMNS)}, found `{ending}`")
    state = path.stat()
    return _columns(path, ending, max_unpacked, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=1000)
def _columns(path: Path, ending: str, max_unpacked: int, version: tuple[int, int]) -> tuple[str, ...]:
    """Kept for as long as the file stays the same."""
    return COLUMNS[ending](path, max_unpacked)
