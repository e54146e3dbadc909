"""Parcels: a job's files as bytes, to send them where there is no file system in common, and back."""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from taskgroup.errors import InputError
from taskgroup.pipeline.folder import write_bytes

NAME = re.compile(r"(?!.*\.partial$)\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
"""Names of files in a parcel: below the folder, none of them hidden or half written."""


@dataclass(frozen=True)
class Parcel:
    """Files of a folder.

    Attributes:
        content: A ZIP archive without compression (arrays are compressed already), as bytes.
    """

    content: bytes

    @property
    def digest(self) -> str:
        """Hash of the content, which names it wherever it is kept."""
        return hashlib.sha256(self.content).hexdigest()[:32]


def pack(folder: Path, names: Iterable[str]) -> Parcel:
    """Files of a folder; equal files give equal parcels.

    Args:
        folder: Where they lie.
        names: Paths below it. The last is the last to be unpacked.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())  # dated 1980, whatever the file is
    return Parcel(buffer.getvalue())


def unpack(parcel: Parcel, folder: Path) -> list[str]:
    """Write the files into a folder, each whole or not at all and in their order; gives their names.

    Raises:
        InputError: A name leads out of the folder.
    """
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        names = archive.namelist()
        wrong = [name for name in names if NAME.fullmatch(name) is None]
        if wrong:
            raise InputError(f"parcel: names should be of files below the folder, found {wrong[0]!r}")
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(folder / name, archive.read(name))
    return names
