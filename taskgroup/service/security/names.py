"""Names from strangers: of jobs, of uploaded files, of files in headers."""

import re
import unicodedata
from collections.abc import Sequence

from taskgroup.core.table import did_you_mean
from taskgroup.core.validation import NAME_PATTERN
from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.documents import is_odd

MAX_NAME = 100
"""Characters of a name; file systems end at 255 bytes, and files of a job append to it."""


def check_job_name(name: str) -> list[str]:
    """What is wrong with a job's name beyond the config's own rule."""
    return [f"`name`: should have at most {MAX_NAME} characters, found {len(name)}"] if len(name) > MAX_NAME else []


def upload_name(name: str, endings: Sequence[str]) -> str:
    """The name under which an uploaded table is kept: letters, digits, ``.``, ``_`` and ``-``, others become ``_``.

    Raises:
        RefusedError: A path instead of a name, characters that no name has, or an ending that no reader knows.
    """
    if any(is_odd(c) for c in name):
        raise RefusedError(422, "`name`: should have no control characters")
    if "/" in name or "\\" in name or name.startswith(".") or not name.strip():
        raise RefusedError(422, f"`name`: should be a file's name, not a path and not hidden, found `{name[:200]}`")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in endings:
        raise RefusedError(
            422,
            f"`name`: should end in {', '.join(f'.{e}' for e in endings)}, found `{name[-200:]}`"
            f"{did_you_mean(ending, tuple(endings))}",
        )
    plain = unicodedata.normalize("NFKD", name[: -len(ending) - 1]).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    found = f"{stem or 'table'}.{ending}"
    if len(found) > MAX_NAME:
        raise RefusedError(422, f"`name`: should have at most {MAX_NAME} characters, found {len(found)}")
    assert re.fullmatch(NAME_PATTERN, found), "only such characters are left"
    return found


def attachment(name: str) -> dict[str, str]:
    """The header that makes a browser keep a file instead of showing it."""
    return {"Content-Disposition": f'attachment; filename="{re.sub(r"[^A-Za-z0-9._-]+", "_", name)}"'}
