"""File: the arrays of a set and what its ``meta`` says, checked to be about the same rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.readers.npz import read_arrays
from taskgroup.problems.source import check_there

Arrays = Mapping[str, NDArray[Any]]

INPUTS = ("X", "X_num", "X_desc", "X_bits", "X_count", "X_cat")
"""Arrays with one row of inputs for each example."""


@dataclass(frozen=True)
class SetFile:
    """A set as it lies in its file.

    Attributes:
        file: For messages.
        name: Of the set.
        arrays: All arrays but ``meta``.
        meta: What the file says of itself; empty where it says nothing.
        n_rows: N.
    """

    file: str
    name: str
    arrays: Arrays
    meta: Mapping[str, Any]
    n_rows: int

    @property
    def separate(self) -> bool:
        """Whether every row belongs to one task."""
        return "Y" not in self.arrays


def read_file(path: str, folder: Path) -> SetFile:
    """The set at ``path``, relative to ``folder``.

    Raises:
        InputError: There is no such file, or it does not hold labels and inputs of the same rows.
    """
    full = folder / path
    check_there(path, full)
    arrays = read_arrays(full, path)
    meta = _meta(arrays.pop("meta", None), path)
    faults = _lacking(arrays, path)
    if faults:
        raise InputError(faults)
    n_rows = len(arrays["Y" if "Y" in arrays else "y"])
    name = meta.get("name")
    found = SetFile(path, name if isinstance(name, str) and name else full.stem, arrays, meta, n_rows)
    faults = _uneven(found) if n_rows else [f"{path}: the file should have rows, found none"]
    if faults:
        raise InputError(faults)
    return found


def _meta(packed: NDArray[Any] | None, file: str) -> Mapping[str, Any]:
    if packed is None:
        return {}
    try:
        text = str(packed.item()) if packed.dtype.kind == "U" else packed.tobytes().decode("utf-8")
        meta = json.loads(text)
    except ValueError as error:
        raise InputError(f"{file}: array `meta` should be JSON as bytes, found: {error}") from error
    if not isinstance(meta, dict):
        raise InputError(f"{file}: array `meta` should be a JSON object, found {type(meta).__name__}")
    return meta


def _lacking(arrays: Arrays, file: str) -> list[str]:
    """Sentences on arrays that every set has."""
    faults = []
    if "Y" not in arrays and not {"y", "task_id"} <= set(arrays):
        faults.append(f"{file}: should hold labels `Y`, or `y` with `task_id`, found neither")
    if not any(name in arrays for name in INPUTS) and not {"tok_flat", "tok_off"} <= set(arrays):
        faults.append(f"{file}: should hold inputs {', '.join(INPUTS)}, or `tok_flat` with `tok_off`, found none")
    numbers = ("Y", "y", "task_id", "tok_flat", "tok_off", *INPUTS)
    return faults + [
        f"{file}: array `{name}` should hold numbers, found {array.dtype} of shape {array.shape}"
        for name, array in arrays.items()
        if (name in numbers or name.startswith("split_")) and (array.dtype.kind not in "biuf" or not array.ndim)
    ]


def _uneven(found: SetFile) -> list[str]:
    """Sentences on arrays that are about another number of rows."""
    lengths = {name: len(found.arrays[name]) for name in ("task_id", *INPUTS) if name in found.arrays}
    if "tok_off" in found.arrays:
        lengths["tok_off"] = len(found.arrays["tok_off"]) - 1
    return [
        f"{found.file}: array `{name}` should be about the {found.n_rows} rows that have labels, found {length}"
        for name, length in lengths.items()
        if length != found.n_rows
    ]


def whole(array: NDArray[Any]) -> NDArray[np.int64]:
    """An array of whole numbers, whatever type it was stored in; what is no number is -1."""
    return np.nan_to_num(array.astype(np.float64), nan=-1, posinf=-1, neginf=-1).astype(np.int64)
