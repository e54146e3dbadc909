"""CSV: UTF-8 from end to end, and a first line that names columns."""

import codecs
import csv
import io
from pathlib import Path

from taskgroup.errors import InputError
from taskgroup.problems.readers.csv import header_faults, look_through

MAX_HEADER = 1 << 20
CHUNK = 1 << 20


def csv_columns(path: Path, max_unpacked: int) -> tuple[str, ...]:
    """Columns of the first line.

    Args:
        path: The file.
        max_unpacked: Of no use here: what is read is as long as the file.

    Raises:
        InputError: Other bytes than text, no header, a header or a row near the start that does not fit.
    """
    del max_unpacked
    file = path.name
    _check_text(path)
    with path.open("rb") as content:
        head = content.read(MAX_HEADER).decode("utf-8-sig", "ignore")
    lines = csv.reader(io.StringIO(head, newline=""), strict=True)
    try:
        columns = next(lines, [])
    except csv.Error as error:
        raise InputError(f"{file}: the first line should name the columns, found: {error}") from None
    if not any(name.strip() for name in columns):
        raise InputError(f"{file}: the first line should name the columns, found none")
    if len(head) == MAX_HEADER and "\n" not in head and "\r" not in head:
        raise InputError(f"{file}: the first line should have less than {MAX_HEADER} characters, found more")
    faults = header_faults(columns, file)
    n_rows, long_row = look_through(lines, len(columns))
    if not n_rows and len(head) < MAX_HEADER:
        faults.append(f"{file}: should have rows below the line that names the columns, found none")
    if long_row:
        faults.append(f"{file}: no row should have more fields than there are columns: {long_row}")
    if faults:
        raise InputError(faults)
    return tuple(name or f"Unnamed: {k}" for k, name in enumerate(columns))  # as the reader calls them


def _check_text(path: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as lines:
        while chunk := lines.read(CHUNK):
            if b"\0" in chunk:
                raise InputError(f"{path.name}: should be text, found a NUL byte")
            try:
                decoder.decode(chunk, final=False)
            except UnicodeDecodeError as error:
                found = f"byte {error.object[error.start]:#04x}"
                raise InputError(f"{path.name}: should be UTF-8 text, found {found}") from None
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: should be UTF-8 text, found half a character at its end") from None
