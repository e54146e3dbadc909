"""Guess: what a column probably is, for ``taskgroup init`` to write down and the user to correct."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from taskgroup.core.task import Kind
from taskgroup.problems.faults import few, some
from taskgroup.problems.source import plain
from taskgroup.problems.split import WORDS

MAX_CLASSES = 20
"""A column of whole numbers with more different values than this is taken for a quantity."""

MAX_TEXTS = 50
"""A text column with more different values than this is taken for names or prose, not categories."""

SPLIT_NAMES = ("split", "fold", "set", "subset", "partition")


@dataclass(frozen=True)
class Guess:
    """A task's kind, and why.

    Attributes:
        kind: None where the column cannot be a label.
        why: What was seen.
    """

    kind: Kind | None
    why: str


def guess_kind(labels: "pd.Series[Any]") -> Guess:
    """Two different values: binary; few whole numbers or texts: multiclass; other numbers: regression."""
    present = plain(labels)
    values = sorted(set(present), key=str)
    gaps = len(labels) - len(present)
    seen = f"{len(values)} values" + (f": {some(values, 4)}" if len(values) <= 4 else "")
    seen += f"; {gaps} rows without label" if gaps else ""
    stray = stray_text(present)
    seen += f"; {stray}" if stray else ""
    if len(values) < 2:
        return Guess(None, f"should have at least two different labels, found {few(values) or 'none'}")
    if len(values) == 2:
        return Guess("binary", seen)
    if any(isinstance(v, str) for v in values):
        kind: Kind | None = "multiclass" if len(values) <= MAX_TEXTS else None
        found = stray or f"{len(values)} different texts: {few(values)}"
        return Guess(kind, seen if kind else f"should be numbers or classes, found {found}")
    if all(isinstance(v, int) for v in values) and len(values) <= MAX_CLASSES:
        return Guess("multiclass", seen)
    if not pd.api.types.is_numeric_dtype(labels):
        return Guess(None, f"should be numbers or classes, found {labels.dtype}")
    return Guess("regression", seen)


def unfit_input(column: "pd.Series[Any]") -> str:
    """Why a column had better not be an input, empty if it may."""
    values = column.dropna()
    if values.nunique() <= 1 and len(values) == len(column):
        return "constant"
    if values.empty:
        return "empty"
    if pd.api.types.is_numeric_dtype(column):
        steps = column.diff().iloc[1:]
        whole = pd.api.types.is_integer_dtype(column)
        return "counts the rows" if whole and len(column) > 2 and (steps == steps.iloc[0]).all() else ""
    if pd.api.types.infer_dtype(values) not in ("string", "boolean", "categorical"):
        return f"neither numbers nor text ({column.dtype})"
    return stray_text(values) or f"{values.nunique()} different texts" if values.nunique() > MAX_TEXTS else ""


def stray_text(values: "pd.Series[Any]") -> str:
    """The first text in a column that is numbers for the most part, and its row; empty where it is not so."""
    texts = values[[isinstance(v, str) for v in values]]
    strays = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if strays.empty or 2 * len(strays) >= len(values):
        return ""
    more = f" and {len(strays) - 1} more" if len(strays) > 1 else ""
    return f"text `{few(strays.iloc[:1])}` among numbers in data row {strays.index[0] + 1}{more}"


def is_split(name: str, column: "pd.Series[Any]") -> bool:
    """Whether the column names each row's split in words or codes."""
    words = {str(v).strip().lower() for v in plain(column)}
    codes = {WORDS.get(w) for w in words}
    return name.lower() in SPLIT_NAMES and codes >= {0, 1, 2} and None not in codes
