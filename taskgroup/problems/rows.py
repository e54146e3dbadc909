"""Rows: raw inputs and labels of all tasks, gathered from whatever source, before anything is fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.source import Inputs

SHARED = ""
"""Owner of a row that may be labelled for any task."""


@dataclass(frozen=True)
class Rows:
    """Raw rows.

    Attributes:
        inputs: One row each, shape ``(N, columns)`` or ``(N, ...)``.
        labels: Task → its labels as Python objects, indexed by row number, missing ones left out.
        owner: The task that alone owns a row, else ``SHARED``, shape ``(N,)``.
        order: The column that rows are split by, if any, shape ``(N,)``.
        record: What was read, as plain data.
    """

    inputs: Inputs
    labels: Mapping[str, "pd.Series[Any]"]
    owner: NDArray[np.object_]
    order: "pd.Series[Any] | None" = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label for some task, shape ``(N,)``."""
        found = np.zeros(len(self.owner), dtype=bool)
        for labels in self.labels.values():
            found[labels.index.to_numpy()] = True
        return found

    def take(self, kept: NDArray[np.int64]) -> "Rows":
        """Only the rows ``kept``, in that order."""
        where = pd.Series(np.arange(len(kept)), index=kept)
        labels = {t: s[s.index.isin(kept)] for t, s in self.labels.items()}
        renumbered = {t: s.set_axis(where.loc[s.index].to_numpy()) for t, s in labels.items()}
        inputs: Inputs
        if isinstance(self.inputs, pd.DataFrame):
            inputs = self.inputs.iloc[kept].reset_index(drop=True)
        else:
            inputs = self.inputs[kept]
        order = None if self.order is None else self.order.iloc[kept].reset_index(drop=True)
        return Rows(inputs, renumbered, self.owner[kept], order, self.record)


def joined(parts: Sequence[Rows], files: Sequence[str]) -> Rows:
    """The rows of all parts, one after the other.

    Raises:
        InputError: Parts whose inputs do not fit under each other.
    """
    if len(parts) == 1:
        return parts[0]
    shifts = np.cumsum([0] + [len(p.owner) for p in parts])
    labels = {
        t: s.set_axis(s.index + int(at)) for at, p in zip(shifts, parts, strict=False) for t, s in p.labels.items()
    }
    orders = [p.order for p in parts if p.order is not None]
    return Rows(
        _stacked([p.inputs for p in parts], files),
        labels,
        np.concatenate([p.owner for p in parts]),
        pd.concat(orders, ignore_index=True) if orders else None,
        {"rows_read": sum(p.record.get("rows_read", 0) for p in parts)},
    )


def _stacked(inputs: Sequence[Inputs], files: Sequence[str]) -> Inputs:
    first, faults = inputs[0], []
    for other, file in zip(inputs[1:], files[1:], strict=True):
        fault = _misfit(first, other)
        if fault:
            faults.append(f"{file}: inputs should be those of {files[0]}, found {fault}")
    if faults:
        raise InputError(faults)
    frames = [i for i in inputs if isinstance(i, pd.DataFrame)]
    if frames:
        return pd.concat(frames, ignore_index=True)
    return np.concatenate([np.asarray(i) for i in inputs])


def _misfit(first: Inputs, other: Inputs) -> str:
    """In what ``other`` differs, empty if in nothing."""
    if isinstance(first, pd.DataFrame) and isinstance(other, pd.DataFrame):
        lacking = [f"no `{c}`" for c in first.columns if c not in other.columns]
        return ", ".join(lacking + [f"`{c}` besides" for c in other.columns if c not in first.columns])
    if first.shape[1:] != other.shape[1:]:
        return f"rows of shape {other.shape[1:]} instead of {first.shape[1:]}"
    return ""
