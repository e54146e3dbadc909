"""Readers of a matrix with task names, as CSV or as NPZ."""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.measures.views import Array, FileView


def read_csv(path: Path, file: str, view: FileView) -> Array:
    """The matrix of a CSV file in the order of the view's tasks, shape ``(T, T)``.

    Args:
        path: Where it lies.
        file: What to call it in sentences.
        view: Names that it should have.

    Raises:
        InputError: With a sentence for each wrong name, row or cell.
        OSError: No such file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = [[cell.strip() for cell in row] for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: should be CSV in UTF-8, found: {error}") from error
    if not table or table[0][0].lower() != "source":
        found = f"`{table[0][0]}`" if table else "an empty file"
        raise InputError(f"{file}: the first row should be `source` and the names of the target tasks, found {found}")
    targets, rows = table[0][1:], table[1:]
    sources = [row[0] for row in rows]
    faults = [*_name_faults(file, "target", targets, view), *_name_faults(file, "source", sources, view)]
    faults += [
        f"{file}: row `{row[0]}` should have {len(targets)} values, one for each target, found {len(row) - 1}"
        for row in rows
        if len(row) - 1 != len(targets)
    ]
    if not faults:
        faults = list(_cell_faults(file, targets, rows))
    if faults:
        raise InputError(faults)
    values = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
    return values[np.ix_(_order(sources, view), _order(targets, view))]


def read_npz(path: Path, file: str, view: FileView) -> Array:
    """The array ``values`` of an NPZ file in the order of the view's tasks, shape ``(T, T)`` or ``(S + 1, T, T)``.

    Args:
        path: Where it lies.
        file: What to call it in sentences.
        view: Names that it should have.

    Raises:
        InputError: Not such a file, or with a sentence for each wrong name or the wrong shape.
        OSError: No such file.
    """
    values, names = _arrays(path, file)
    n_tasks, n_slices = len(view.tasks), len(view.stages) + 1
    shapes = ((n_tasks, n_tasks), (n_slices, n_tasks, n_tasks))
    faults = [] if names is None else list(_name_faults(file, "given", names, view))
    if values.shape not in shapes:
        faults.append(
            f"{file}: `values` should have shape {shapes[0]} (source, target) or {shapes[1]} (stages and trunk, "
            f"source, target), found {values.shape}"
        )
    if values.dtype.kind not in "biuf":
        faults.append(f"{file}: `values` should hold numbers, found {values.dtype}")
    if faults:
        raise InputError(faults)
    order = list(range(n_tasks)) if names is None else _order(names, view)
    return np.asarray(values[..., order, :][..., order], dtype=np.float64)


def _arrays(path: Path, file: str) -> tuple[NDArray[np.generic], list[str] | None]:
    """``values``, and ``tasks`` if there."""
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            if "values" not in arrays:
                raise InputError(f"{file}: should hold an array `values`, found {', '.join(arrays) or 'no array'}")
            names = [str(name) for name in np.atleast_1d(arrays["tasks"])] if "tasks" in arrays else None
            return arrays["values"], names
    except InputError:
        raise
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: should be an NPZ file of plain arrays, found: {error}") from error


def _name_faults(file: str, what: str, found: Sequence[str], view: FileView) -> Iterator[str]:
    names = view.tasks.names
    for name in dict.fromkeys(found):
        if name not in names:
            yield f"{file}: {what} task `{name}` is not a task of the problem{did_you_mean(name, names)}"
        elif list(found).count(name) > 1:
            yield f"{file}: {what} task `{name}` should come once, found {list(found).count(name)} times"
    missing = [f"`{name}`" for name in names if name not in found]
    if missing:
        yield f"{file}: every task should be a {what} task, found none called {', '.join(missing)}"


def _cell_faults(file: str, targets: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        for target, cell in zip(targets, row[1:], strict=True):
            try:
                float(cell or "nan")
            except ValueError:
                yield f"{file}: row `{row[0]}`, column `{target}` should be a number or empty, found `{cell}`"


def _order(found: Sequence[str], view: FileView) -> list[int]:
    """Where each task of the view stands in ``found``."""
    return [list(found).index(name) for name in view.tasks.names]
