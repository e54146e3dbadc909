"""Why two tasks should share or not: the strongest evidence of all measures, in words."""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.text import printable

Array = NDArray[np.float64]

N_REASONS = 3
"""Pieces of evidence shown on each side."""
BAR = 1.645
"""Standard errors on either side of a 90 % interval."""

FLOOR = 0.1
"""Weight of a measure that neither agrees with the measured gains nor contradicts them."""


@dataclass(frozen=True)
class Reason:
    """One piece of evidence.

    Attributes:
        measure: Its name.
        text: In words.
        strength: ``|z| · weight``: how far the pair lies from the measure's mean over pairs, in standard deviations,
            times :func:`weight_of` the measure.
    """

    measure: str
    text: str
    strength: float


@dataclass(frozen=True)
class PairReasons:
    """Two tasks, and what speaks for and against their sharing, strongest first.

    Attributes:
        a: One task.
        b: The other.
        net: Strength of all evidence for, less that of all evidence against.
        weight: Strength of all evidence on both sides.
        pro: The strongest for.
        con: The strongest against.
    """

    a: str
    b: str
    net: float
    weight: float
    pro: tuple[Reason, ...]
    con: tuple[Reason, ...]


@dataclass(frozen=True)
class _Column:
    """What one measure says of all pairs, each array of shape ``(n_pairs,)``.

    Attributes:
        measured: The measure.
        z: Standardized value, NaN where unknown.
        strength: Signed; 0 where it is no evidence.
        rank: Place among the known pairs, 1 for the highest.
        n_known: How many are known.
        forward: Whether the first task is the source in the direction that says it more clearly.
    """

    measured: Measured
    z: Array
    strength: Array
    rank: NDArray[np.int64]
    n_known: int
    forward: NDArray[np.bool_]


def reasons(comparison: Comparison) -> list[PairReasons]:
    """Evidence on every pair, clearest pairs first.

    A measure's value of a pair is the mean of both directions, each centred over the target's sources. It counts as
    evidence where its 90 % error bar excludes zero; where no error bar is known, if it lies at least one standard
    deviation from the mean over pairs. A measure that contradicts the measured gains gives no evidence.

    Cost: linear in measures times pairs.
    """
    tasks = comparison.tasks
    pairs = list(itertools.combinations(range(len(tasks)), 2))
    if not pairs:
        return []
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    columns = [_column(comparison, m, first, second) for m in comparison.measured]
    strength = np.stack([column.strength for column in columns])
    best, worst = (np.argsort(sign * strength, axis=0, kind="stable")[:N_REASONS] for sign in (-1, 1))
    found = []
    for p, (i, j) in enumerate(pairs):
        pro = [_reason(columns[k], p, tasks[i], tasks[j]) for k in best[:, p] if strength[k, p] > 0]
        con = [_reason(columns[k], p, tasks[i], tasks[j]) for k in worst[:, p] if strength[k, p] < 0]
        net, weight = float(strength[:, p].sum()), float(np.abs(strength[:, p]).sum())
        found.append(PairReasons(tasks[i], tasks[j], net, weight, tuple(pro), tuple(con)))
    return sorted(found, key=lambda pair: -abs(pair.net))


def _column(comparison: Comparison, m: Measured, first: NDArray[np.int_], second: NDArray[np.int_]) -> _Column:
    centred, errors = m.affinity.centred(), m.affinity.centred_stderr()
    both = np.stack([centred[first, second], centred[second, first]])
    known = ~np.isnan(both)
    n_known = known.sum(axis=0)
    value = np.where(n_known > 0, np.where(known, both, 0.0).sum(axis=0) / np.maximum(n_known, 1), np.nan)
    error = _pair_error(np.stack([errors[first, second], errors[second, first]]), known)
    z = _standardized(value)
    sure = np.where(error > 0, np.abs(value) > BAR * error, np.abs(z) >= 1.0)  # NaN errors compare as unknown
    strength = np.where(sure & ~np.isnan(z), z, 0.0) * weight_of(comparison, m)
    order = np.argsort(np.where(np.isnan(z), np.inf, -z), kind="stable")
    rank = np.empty(len(z), dtype=np.int64)
    rank[order] = np.arange(1, len(z) + 1)
    forward = np.ones(len(z), dtype=bool) if m.symmetric else _clearer(both, z)
    return _Column(m, z, strength, rank, int((n_known > 0).sum()), forward)


def weight_of(comparison: Comparison, m: Measured) -> float:
    """How much a measure's evidence counts: as much as it agrees with the measured gains, at least a tenth.

    1 where there are no gains, and for the gains themselves. Chance alone makes agreements of about
    ``1 / sqrt(T (T - 1))``, so only what lies clearly below zero (1.645 times that) counts nothing.
    """
    if comparison.gains is None or comparison.is_gains(m.name):
        return 1.0
    agreement = comparison.agreement_with_gains(m.name)
    n_entries = len(comparison.tasks) * (len(comparison.tasks) - 1)
    if np.isnan(agreement):
        return FLOOR
    return 0.0 if agreement < -BAR / n_entries**0.5 else max(agreement, FLOOR)


def _clearer(both: Array, z: Array) -> NDArray[np.bool_]:
    """Whether the first direction lies further to the side on which the pair does; a known one before an unknown."""
    towards = np.where(np.nan_to_num(z) >= 0, both, -both)
    ranked = np.where(np.isnan(towards), -np.inf, towards)
    return np.asarray(ranked[0] >= ranked[1])


def _pair_error(errors: Array, known: NDArray[np.bool_]) -> Array:
    """Standard error of the mean of the known directions; NaN where one of theirs is not known."""
    squares = np.where(known, errors**2, 0.0).sum(axis=0)
    return np.asarray(np.sqrt(squares) / np.maximum(known.sum(axis=0), 1))


def _standardized(value: Array) -> Array:
    known = value[~np.isnan(value)]
    spread = float(known.std()) if len(known) else 0.0
    if spread <= 1e-12:
        return np.where(np.isnan(value), np.nan, 0.0)
    return np.asarray((value - known.mean()) / spread)


def _reason(column: _Column, pair: int, a: str, b: str) -> Reason:
    m, strength = column.measured, float(column.strength[pair])
    source, target = (a, b) if column.forward[pair] else (b, a)
    words = in_words(m.meaning, source, target)
    place = f"{ordinal(int(column.rank[pair]))} of {column.n_known} pairs"
    less = "" if strength > 0 else "less than between other tasks: "
    return Reason(m.name, f"{printable(m.name)}: {less}{words} ({place})", abs(strength))


def in_words(meaning: str, source: str, target: str) -> str:
    """``meaning`` with the names of the tasks for A and B."""
    names = {"A": printable(source), "B": printable(target)}
    return re.sub(r"\b[AB]\b", lambda match: names[match[0]], meaning)


def ordinal(number: int) -> str:
    """``1st``, ``12th``, ``23rd``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def reasons_csv(found: Sequence[PairReasons]) -> str:
    """All pairs as comma-separated text, one line each."""
    sides = [f"{side}_{k}" for side in ("for", "against") for k in range(1, N_REASONS + 1)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["task_a", "task_b", "net_strength", *sides])
    for pair in found:
        cells = [_padded([reason.text for reason in side]) for side in (pair.pro, pair.con)]
        writer.writerow([pair.a, pair.b, f"{pair.net:.4g}", *cells[0], *cells[1]])
    return buffer.getvalue()


def _padded(texts: list[str]) -> list[str]:
    return texts + [""] * (N_REASONS - len(texts))
