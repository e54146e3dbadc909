"""Inputs: what a set holds of them, as the trunk takes them, fitted on the training rows alone."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.problems.inputs import Prepared, checked, fitted
from taskgroup.problems.sets.categories import fitted_categories
from taskgroup.problems.sets.file import SetFile
from taskgroup.problems.sets.shapes import Form, arranged, form_of
from taskgroup.problems.sets.tokens import padded

FARTHEST = 10.0
"""Standard deviations at which a number of ``X_num`` or ``X_desc`` is cut: descriptors have wild values."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SetInputs:
    """Inputs of a set.

    Attributes:
        values: float32, or int64 token ids, shape ``(N, ...)``.
        form: What a row is.
        n_tokens: Size of the vocabulary; 0 where rows are no tokens.
        record: What was done, as plain data.
        notes: What was not as the format says.
    """

    values: NDArray[Any]
    form: Form
    n_tokens: int
    record: dict[str, Any]
    notes: list[str]


def read_inputs(found: SetFile, train: Mask, *, max_len: int, wanted: Form | None = None) -> SetInputs:
    """Inputs of all rows: token ids where there are any, else an ``X`` of three or more axes, else all vectors.

    Args:
        found: The set.
        train: Which rows to learn means, scales and categories from, shape ``(N,)``.
        max_len: Documents are cut after so many tokens.
        wanted: What the trunk takes, where that is given; by default what the file's modality says.
    """
    notes: list[str] = []
    if {"tok_flat", "tok_off"} <= set(found.arrays):
        ids, n_tokens, record = padded(found, max_len)
        return SetInputs(ids, "tokens", n_tokens, record, notes)
    form: Form = "vector"
    if "X" in found.arrays:
        form = form_of(found.arrays["X"], found.meta.get("modality"), wanted)
    if form != "vector":
        values, record = _fitted_array(*arranged(found.arrays["X"], form), train, notes)
        return SetInputs(values, form, 0, record, notes)
    blocks = _blocks(found, train, notes)
    if len(blocks) == 1:
        ((values, record),) = blocks.values()
    else:
        values = np.hstack([block for block, _ in blocks.values()])
        record = {"kind": "blocks", "blocks": {name: record for name, (_, record) in blocks.items()}}
    return SetInputs(values, form, 0, record, notes)


def _blocks(found: SetFile, train: Mask, notes: list[str]) -> dict[str, Prepared]:
    """Vectors by the array that they come from."""
    arrays, blocks = found.arrays, {}
    for name in ("X", "X_num", "X_desc"):
        if name in arrays:
            values, record = fitted(checked(_columns(arrays[name], name, train, notes)), train)
            blocks[name] = values, record
            if name != "X":
                blocks[name] = values.clip(-FARTHEST, FARTHEST), {**record, "farthest": FARTHEST}
    if "X_bits" in arrays:
        bits = np.unpackbits(arrays["X_bits"].astype(np.uint8), axis=1)
        n_bits = found.meta.get("n_bits")
        kept = bits[:, : n_bits if isinstance(n_bits, int) and n_bits > 0 else None]
        blocks["X_bits"] = fitted(checked(kept.reshape(found.n_rows, -1)), train)
    if "X_count" in arrays:
        counts = arrays["X_count"].reshape(found.n_rows, -1).astype(np.float64)
        counts = np.log1p(np.nan_to_num(counts, posinf=0, neginf=0).clip(0))
        values, record = fitted(checked(counts), train)
        blocks["X_count"] = values, {**record, "before": "log(1 + count)"}
    if "X_cat" in arrays:
        blocks["X_cat"] = fitted_categories(arrays["X_cat"].reshape(found.n_rows, -1), train)
    return blocks


def _columns(array: NDArray[Any], name: str, train: Mask, notes: list[str]) -> pd.DataFrame:
    """Numbers as columns, without those that have none in training; infinite ones are missing."""
    numbers = array.reshape(len(array), -1).astype(np.float64)
    infinite = np.isinf(numbers)
    if infinite.any():
        notes.append(f"array `{name}`: {int(infinite.sum())} infinite numbers are taken for missing")
        numbers[infinite] = np.nan
    there = ~np.isnan(numbers[train]).all(axis=0)
    if not there.all():
        notes.append(f"array `{name}`: {int((~there).sum())} columns without a number in training are left out")
    return pd.DataFrame(numbers[:, there], columns=[f"{name}[{j}]" for j in np.flatnonzero(there)])


def _fitted_array(
    array: NDArray[Any], axis: Literal[1, -1], train: Mask, notes: list[str]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Standardized along ``axis``, which holds channels or features; gaps are filled by their mean."""
    values = array.astype(np.float32)
    gaps = ~np.isfinite(values)
    if gaps.any():
        notes.append(f"array `X`: {int(gaps.sum())} gaps are filled by the mean")
        values[gaps] = np.nan
    mean, scale = _moments(values, axis, np.flatnonzero(train))
    shape = [1] * values.ndim
    shape[axis] = -1
    values -= mean.reshape(shape).astype(np.float32)
    values /= scale.reshape(shape).astype(np.float32)
    values[gaps] = 0.0
    record = {"kind": "array", "shape": list(array.shape[1:]), "mean": mean.tolist(), "scale": scale.tolist()}
    return values, {**record, "axis": axis}


def _moments(
    values: NDArray[np.float32], axis: int, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale of the finite numbers of ``rows`` along ``axis``; 0 and 1 where there are none or all are equal.

    In parts, since all rows in double precision may not fit into memory.
    """
    parts = [rows[k : k + 1024] for k in range(0, len(rows), 1024)]

    def over_rows(power: int, centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of ``(x - centre)`` to ``power``."""
        total = np.zeros_like(centre)
        for part in parts:
            flat = np.moveaxis(values[part], axis, -1).reshape(-1, len(centre)).astype(np.float64)
            total += np.nansum((flat - centre) ** power, axis=0) if power else np.isfinite(flat).sum(axis=0)
        return total

    zeros = np.zeros(values.shape[axis])
    n_known = np.maximum(over_rows(0, zeros), 1)
    mean = over_rows(1, zeros) / n_known
    scale = np.sqrt(over_rows(2, mean) / n_known)
    scale[scale <= 1e-7 * np.abs(mean)] = 1.0  # constant but for rounding
    return mean, scale
