"""NPZ: plain arrays that are as large as they say; bombs and pickles are found by the headers alone."""

import math
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from taskgroup.errors import InputError

MAX_MEMBERS = 1000
MAX_NAMES = 5000
"""Columns of one matrix that are named."""

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What ``numpy.savez`` writes."""

READABLE = "biufMUS"
"""Kinds of arrays that can be columns."""


@dataclass(frozen=True)
class Header:
    """What an array says of itself.

    Attributes:
        shape: Its shape.
        by_columns: Whether it lies column by column.
        dtype: Of its elements.
    """

    shape: tuple[int, ...]
    by_columns: bool
    dtype: "np.dtype[np.generic]"


def npz_columns(path: Path, max_unpacked: int) -> tuple[str, ...]:
    """Vectors by name, matrices column by column (``Y[3]``).

    Args:
        path: The file.
        max_unpacked: Most bytes of all arrays together.

    Raises:
        InputError: Not an archive of plain arrays, or one that would unpack to more than that.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = _headers(archive, path.name, max_unpacked)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise InputError(f"{path.name}: should be an NPZ file of arrays, found: {error}") from None
    return _names(headers)


def _headers(archive: zipfile.ZipFile, file: str, max_unpacked: int) -> dict[str, Header]:
    members = archive.infolist()
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise InputError(f"{file}: should hold 1 to {MAX_MEMBERS} arrays, found {len(members)}")
    total = sum(member.file_size for member in members)
    if total > max_unpacked:
        raise InputError(f"{file}: should unpack to at most {max_unpacked} bytes, says {total} of itself")
    if len({member.filename for member in members}) < len(members):
        raise InputError(f"{file}: every array should be there once, found two of one name")
    found = {}
    for member in members:
        if not member.filename.endswith(".npy") or member.compress_type not in PACKED or member.flag_bits & 1:
            raise InputError(f"{file}: should hold arrays as numpy.savez writes them, found `{member.filename[:100]}`")
        with archive.open(member) as stream:
            name = member.filename.removesuffix(".npy")
            found[name] = header_of(stream, member.file_size, f"{file}: array `{name[:100]}`")
    return found


def header_of(stream: IO[bytes], size: int, what: str) -> Header:
    """Shape and type of an array, checked against the bytes that are there; the stream is then at its first element.

    Raises:
        InputError: It is no array of numbers or text, or not as large as it says.
    """
    try:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise InputError(f"{what} should be in NPY format 1.0 or 2.0, found {version}")
        shape, by_columns, dtype = readers[version](stream)
    except InputError:
        raise
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError) as error:
        raise InputError(f"{what} should be an NPY array, found: {str(error).splitlines()[0][:200]}") from None
    if dtype.hasobject:
        raise InputError(f"{what} should be numbers or text, found pickled objects")
    expected = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or expected != size - stream.tell():
        raise InputError(f"{what} should hold {expected} bytes by its header, found {size - stream.tell()}")
    return Header(shape, by_columns, dtype)


def rows_of(shapes: Iterable[tuple[int, ...]]) -> int:
    """The number of rows: the commonest length."""
    lengths = Counter(shape[0] for shape in shapes)
    return max(lengths, key=lambda n: (lengths[n], n)) if lengths else 0


def shapes_of(headers: dict[str, Header]) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays that can hold columns."""
    return {name: header.shape for name, header in headers.items() if header.shape and header.dtype.kind in READABLE}


def _names(headers: dict[str, Header]) -> tuple[str, ...]:
    """As the reader of such files names columns."""
    shapes = shapes_of(headers)
    n_rows = rows_of(shapes.values())
    found: list[str] = []
    for name, shape in shapes.items():
        if shape == (n_rows,):
            found.append(name)
        elif len(shape) == 2 and n_rows in shape:
            n_columns = shape[1] if shape[0] == n_rows else shape[0]
            found += [f"{name}[{j}]" for j in range(min(n_columns, MAX_NAMES))]
    return tuple(found)
