"""Uploaded tables: streamed to a temporary file, looked at, and then given their name."""

import errno
import filecmp
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import to_thread

from taskgroup.errors import InputError
from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.names import upload_name
from taskgroup.service.settings import Settings
from taskgroup.service.tables import COLUMNS, EXPANSION, columns_of
from taskgroup.service.tables.heads import look
from taskgroup.service.views import ColumnList, UploadList, UploadView


class Uploads:
    """The folder of uploaded tables.

    Args:
        settings: Of the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.uploads
        self._max_unpacked = EXPANSION * settings.max_upload_bytes

    async def keep(self, name: str, body: AsyncIterator[bytes]) -> tuple[UploadView, bool]:
        """Keep a table.

        Args:
            name: What the client calls it.
            body: Its bytes.

        Returns:
            The table, and whether it is new.

        Raises:
            RefusedError: 422 for its name or content, 409 where another table has that name, 507 for a full disk.
        """
        kept_as = upload_name(name, tuple(COLUMNS))
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, place = tempfile.mkstemp(prefix=".partial-", suffix=f".{kept_as.rpartition('.')[2]}", dir=self._folder)
        partial = Path(place)
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in body:
                    await to_thread.run_sync(file.write, chunk)
            return await to_thread.run_sync(self._take, partial, kept_as)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RefusedError(507, "the server's disk is full; remove jobs, or ask its operator") from None
            raise
        finally:
            partial.unlink(missing_ok=True)

    def _take(self, partial: Path, name: str) -> tuple[UploadView, bool]:
        """Look at a whole file and give it its name, which no other has."""
        try:
            columns = columns_of(partial, self._max_unpacked)
        except InputError as error:
            raise RefusedError(422, [text.replace(partial.name, name) for text in error.problems]) from None
        target = self._folder / name
        view = UploadView(name=name, bytes=partial.stat().st_size, columns=columns)
        try:
            target.touch(exist_ok=False)  # the name is taken by one of several that ask for it at once
        except FileExistsError:
            if not target.is_symlink() and filecmp.cmp(partial, target, shallow=False):
                return view, False
            raise RefusedError(409, f"`{name}` is there already, with other content; give another name") from None
        partial.chmod(0o644)
        partial.replace(target)
        return view, True

    def remove(self, name: str) -> None:
        """Remove a table.

        Raises:
            RefusedError: 404, there is none of this name.
        """
        self._there(name).unlink(missing_ok=True)

    def columns(self, name: str) -> ColumnList:
        """What the columns of a table look like.

        Raises:
            RefusedError: 404, there is none of this name; 422, its rows cannot be read.
        """
        path = self._there(name)
        try:
            return ColumnList(columns=look(path, columns_of(path, self._max_unpacked)))
        except InputError as error:
            raise RefusedError(422, list(error.problems)) from None

    def _there(self, name: str) -> Path:
        path = self._folder / name
        if path.is_symlink() or not path.is_file():
            raise RefusedError(404, f"there is no table `{name}`")
        return path

    def listed(self) -> UploadList:
        """Every table that can be read."""
        found = []
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path.name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            try:
                columns = columns_of(path, self._max_unpacked)
            except (InputError, OSError):
                continue  # the operator's own file, or one that has just gone
            found.append(UploadView(name=path.name, bytes=path.stat().st_size, columns=columns))
        return UploadList(uploads=tuple(found))
