"""Parquet: the schema, and a size that fits into memory."""

from pathlib import Path

from taskgroup.errors import InputError

CELL = 8
"""Bytes of a cell, at least; run lengths can make a few bytes into any number of cells."""


def parquet_columns(path: Path, max_unpacked: int) -> tuple[str, ...]:
    """Columns of the schema.

    Args:
        path: The file.
        max_unpacked: Most bytes of all cells.

    Raises:
        InputError: Not a Parquet file, or one that would unpack to more than that.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path.name
    try:
        with pq.ParquetFile(path) as table:
            meta, n_rows = table.metadata, table.metadata.num_rows
            index = (table.schema_arrow.pandas_metadata or {}).get("index_columns", ())  # which the reader drops
            names = tuple(str(name) for name in table.schema_arrow.names if name not in index)
            stated = sum(meta.row_group(k).total_byte_size for k in range(meta.num_row_groups))
            size = max(stated, n_rows * len(names) * CELL)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file}: should be a Parquet file, found: {str(error).splitlines()[0][:200]}") from None
    if size > max_unpacked:
        raise InputError(f"{file}: should unpack to at most {max_unpacked} bytes, would be {size}")
    if not names:
        raise InputError(f"{file}: should have columns, found none")
    if not n_rows:
        raise InputError(f"{file}: should have rows, found none")
    return names
