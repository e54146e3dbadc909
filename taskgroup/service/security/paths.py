"""Files under the data root, and nothing else."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from taskgroup.service.refusal import RefusedError


def path_fault(text: str, root: Path) -> str:
    """Why a path may not be read, empty if it may: it has to be relative and to stay below ``root``, links included."""
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or text.startswith(("~", "\\")):
        return f"should be relative to the server's data folder, found `{text[:200]}`"
    if "://" in text:
        return f"should be a file in the server's data folder, found the URL `{text[:200]}`"
    if ".." in PurePosixPath(text.replace("\\", "/")).parts:
        return f"should not leave the server's data folder by `..`, found `{text[:200]}`"
    try:
        inside = (root / text).resolve().is_relative_to(root.resolve())
        (root / text).is_file()
    except (OSError, RuntimeError, ValueError):  # links in a circle, longer than the file system takes
        return f"should be a file in the server's data folder, found `{text[:200]}`"
    return "" if inside else f"should lie in the server's data folder, found `{text[:200]}`, which leads out of it"


def contained(path: Path, root: Path) -> Path:
    """``path``, once it is known to lie below ``root`` with no link leading out.

    Raises:
        RefusedError: 404; what lies elsewhere is not there.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise RefusedError(404, f"there is no `{path.name}`") from None
    if not real.is_relative_to(root.resolve()):
        raise RefusedError(404, f"there is no `{path.name}`")
    return path
