"""What ``taskgroup measure`` prints last."""

import math
import textwrap
from pathlib import Path

import numpy as np

from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.text import printable
from taskgroup.report.summary import WIDTH, aligned, indented
from taskgroup.report.text import DASH, plural, shorten

Z90 = 1.645
"""Half-width of a 90 % interval in standard errors."""
_FILES = (
    ("measures.html", "the measures side by side, opens in any browser"),
    ("measures", "each measure's matrices, and why.csv: reasons for and against every pair"),
)


def comparison_summary(comparison: Comparison, folder: str | Path | None = None) -> str:
    """Measures, their cost and their agreement with the measured gains, in plain text.

    Args:
        comparison: Measures side by side.
        folder: Where the files are, if they are to be listed.
    """
    n_measures, n_tasks = len(comparison.measured), len(comparison.tasks)
    title = f"{shorten(comparison.name, 36)}: {plural(n_measures, 'measure')} of affinity, {plural(n_tasks, 'task')}"
    head = ("measure", "sees", "looking", "training", "reliability", "with gains")
    rows = [head, *(_row(comparison, m) for m in comparison.measured)]
    blocks = [
        [title, *indented(textwrap.wrap(headline(comparison), WIDTH - 2, break_on_hyphens=False))],
        ["Measures", *indented(aligned(rows, "<<>>>>"))],
        ["Gains", *indented(textwrap.wrap(comparison.gains_from, WIDTH - 2, break_on_hyphens=False))],
    ]
    if folder is not None:
        there = [(name, what) for name, what in _FILES if (Path(folder) / name).exists()]
        blocks.append([f"Files in {folder}", *indented(aligned(there, "<<"))])
    return "\n\n".join("\n".join(block) for block in blocks)


def headline(comparison: Comparison) -> str:
    """Which measure agrees best with the measured gains, or that nobody knows."""
    ranked = [
        (agreement, m.name)
        for m in comparison.measured
        if not math.isnan(agreement := comparison.agreement_with_gains(m.name))
    ]
    if not ranked:
        only = comparison.gains is not None and len(comparison.measured) == 1
        return "These are the gains." if only else "None of the measures could be held against measured gains."
    best = max(ranked)[0]
    names = [printable(name) for agreement, name in ranked if signed(agreement) == signed(best)]
    if best <= 0:
        return f"No measure agrees with the measured gains; the best is {' and '.join(names)} ({signed(best)})."
    verb = "agrees" if len(names) == 1 else "agree"
    found = f"{' and '.join(names)} {verb} best with the measured gains: rank correlation {signed(best)}."
    return " ".join([found, *_doubts(comparison)])


def _doubts(comparison: Comparison) -> list[str]:
    """A sentence where few gains are clear of zero: one in ten would be by chance."""
    assert comparison.gains is not None
    gains = comparison.gains.centred(), comparison.gains.centred_stderr()
    known = np.isfinite(gains[0]) & np.isfinite(gains[1])
    clear = int((np.abs(gains[0][known]) > Z90 * gains[1][known]).sum())
    if not known.any() or clear > 0.2 * known.sum():
        return []
    return [
        f"But only {clear} of {int(known.sum())} gains can be told from their column's mean, so that may be chance; "
        "more seeds (--seeds) would tell."
    ]


def signed(value: float | None) -> str:
    """``+0.82``; a dash where it is not known."""
    return DASH if value is None or math.isnan(value) else f"{value:+.2f}"


def seconds(value: float) -> str:
    """``0.31 s``, ``12 s``."""
    return f"{value:.2f} s" if value < 9.95 else f"{value:.0f} s"


def _row(comparison: Comparison, m: Measured) -> tuple[str, ...]:
    return (
        shorten(m.name, 44),
        m.sees,
        seconds(m.look_s),
        seconds(m.training_s) if m.training_s else DASH,
        signed(m.reliability),
        signed(comparison.agreement_with_gains(m.name)),
    )
