"""Readers of affinities from files: those of a run, and matrices of the user's own with or without error bars."""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.task import Task, TaskSet
from taskgroup.errors import InputError
from taskgroup.measures.measured.files import read_csv
from taskgroup.measures.views import FileView

LONG = ("source", "target", "value")
"""Columns that every line of a long table has; ``stage`` and ``stderr`` may be there."""


def load_affinity(path: str | Path) -> Affinity:
    """The affinity of a run directory or a file.

    - A run directory, or its ``affinity.npz`` or ``affinity.csv``.
    - NPZ: ``tasks`` (T names), ``values`` of shape ``(T, T)`` or ``(S + 1, T, T)``, axes source and target, NaN where
      unknown; where wanted ``stderr`` of the same shape and ``stages`` (S + 1 names, the last ``trunk``).
    - CSV, one line an entry: columns ``source``, ``target``, ``value``, where wanted ``stderr`` and ``stage``.
    - CSV, a matrix: the first row is ``source`` and the names of the target tasks, each further row a source's name
      and its values.

    Raises:
        InputError: No such file, or with a sentence for each thing that is wrong in it.
    """
    path = Path(path)
    path = path / "affinity.npz" if path.is_dir() else path
    readers = {".npz": _from_npz, ".csv": _from_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: affinities should be in a run directory or a .npz or .csv file")
    try:
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError(f"{path}: should be a file that can be read, found: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {error}") from None


def _from_npz(path: Path) -> Affinity:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays}
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: should be an NPZ file of plain arrays, found: {error}") from None
    lacking = [name for name in ("tasks", "values") if name not in found]
    if lacking:
        there = ", ".join(found) or "none"
        raise InputError([f"{path}: should hold an array `{name}`, found {there}" for name in lacking])
    faults = [
        f"{path}: `{name}` should hold numbers, found {found[name].dtype}"
        for name in ("values", "stderr", "counts")
        if name in found and found[name].dtype.kind not in "biuf"
    ]
    if faults:
        raise InputError(faults)
    return _affinity(path, found)


def _affinity(path: Path, found: Mapping[str, NDArray[Any]]) -> Affinity:
    """From arrays by name; what is not there is unknown."""
    values = np.asarray(found["values"], dtype=np.float64)
    values = values[None] if values.ndim == 2 else values
    named = [str(stage) for stage in np.atleast_1d(found["stages"])] if "stages" in found else None
    stages = named or [*(f"stage{k}" for k in range(1, len(values))), TRUNK]
    if stages[-1] != TRUNK:
        raise InputError(
            f"{path}: the last of `stages` should be `{TRUNK}`, all of them together, found `{stages[-1]}`"
        )
    bars = np.asarray(found["stderr"], dtype=np.float64) if "stderr" in found else np.full(values.shape, np.nan)
    counts = found["counts"] if "counts" in found else (~np.isnan(values)).astype(np.int64)
    if (bars < 0).any():
        raise InputError(f"{path}: `stderr` should be 0 or more, or NaN where unknown, found {bars[bars < 0].min():g}")
    return Affinity(
        tuple(str(task) for task in np.atleast_1d(found["tasks"])),
        tuple(stages),
        values,
        bars[None] if bars.ndim == 2 else bars,
        counts[None] if counts.ndim == 2 else counts,
        {"file": str(path)},
    )


def _from_csv(path: Path) -> Affinity:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = [[cell.strip() for cell in row] for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: should be CSV in UTF-8, found: {error}") from None
    head = [cell.lower() for cell in table[0]] if table else []
    if set(LONG) <= set(head):
        return _from_lines(path, head, table[1:])
    names = tuple(dict.fromkeys(table[0][1:])) if table else ()
    tasks = TaskSet(tasks=tuple(Task(name=name or "?", kind="regression") for name in names or ("none",)))
    return _affinity(path, {"tasks": np.array(tasks.names), "values": read_csv(path, str(path), FileView(tasks, ()))})


def _from_lines(path: Path, head: Sequence[str], lines: Sequence[Sequence[str]]) -> Affinity:
    """A table with one line an entry; what has no line is unknown."""
    faults, entries = [], []
    for number, line in enumerate(lines, start=2):
        cells = dict(zip(head, line, strict=False))
        numbers = {}
        for name in ("value", "stderr"):
            try:
                numbers[name] = float(cells.get(name) or "nan")
            except ValueError:
                faults.append(f"{path}, line {number}: `{name}` should be a number or empty, found `{cells[name]}`")
        entries.append((cells.get("stage") or TRUNK, cells.get("source"), cells.get("target"), numbers))
    tasks = list(dict.fromkeys(str(name) for _, *pair, _ in entries for name in pair))
    stages = list(dict.fromkeys(stage for stage, *_ in entries))
    keys = [entry[:3] for entry in entries]
    doubled = [key for key in dict.fromkeys(keys) if keys.count(key) > 1] if len(set(keys)) < len(keys) else []
    faults += [f"{path}: `{s}` → `{t}` at `{stage}` should come once, found more" for stage, s, t in doubled]
    faults += [] if entries else [f"{path}: should have a line for every pair of tasks, found none"]
    if faults:
        raise InputError(faults)
    arrays = {name: np.full((len(stages), len(tasks), len(tasks)), np.nan) for name in ("value", "stderr")}
    for stage, source, target, numbers in entries:
        for name, value in numbers.items():
            arrays[name][stages.index(stage), tasks.index(str(source)), tasks.index(str(target))] = value
    found = {"tasks": np.array(tasks), "stages": np.array(stages), "values": arrays["value"]}
    return _affinity(path, {**found, "stderr": arrays["stderr"]})
