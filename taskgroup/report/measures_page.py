"""The page that puts measures side by side: one HTML file that needs no network, its figure, and all reasons as CSV."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.phases import CLEAR
from taskgroup.core.text import printable
from taskgroup.report.conflicts import conflict_table, conflicts_csv
from taskgroup.report.measures_text import headline, seconds, signed
from taskgroup.report.page import write_figure, write_html
from taskgroup.report.plots.measures import draw_measures
from taskgroup.report.tables import Sheet
from taskgroup.report.text import DASH, plural
from taskgroup.report.why import PairReasons, reasons, reasons_csv

N_WHOLE, N_TOP = 12, 40
"""Up to so many tasks every pair is shown, and of more tasks so many pairs."""

SIGHTS = {
    "probe": "losses and gradients in the course of a joint training",
    "features": "networks trained on one task each, and what they make of common rows",
    "data": "training rows, without any training",
    "shared": "a jointly trained network, parts of it changed",
    "runs": "errors of pairs that were really trained together",
    "file": "a file",
}
"""What a measure is shown, in words."""
_ALT = "Heatmaps of the centred affinity between tasks, one for each measure, all with the same colour scale."


def write_measures_page(comparison: Comparison, folder: Path) -> Path:
    """Write ``measures.html``, ``figures/measures.svg`` and ``.png``, and ``measures/why.csv`` into ``folder``.

    Where cosines were looked at, ``measures/conflicts.csv`` too.
    """
    (folder / "measures").mkdir(parents=True, exist_ok=True)
    found = reasons(comparison)
    (folder / "measures" / "why.csv").write_text(reasons_csv(found), encoding="utf-8", newline="\n")
    conflicts = folder / "measures" / "conflicts.csv"
    if any(m.affinity.classes is not None for m in comparison.measured):
        conflicts.write_text(conflicts_csv(comparison), encoding="utf-8", newline="\n")
    else:
        conflicts.unlink(missing_ok=True)
    picture = write_figure(draw_measures(comparison), "measures", _ALT, folder / "figures")
    return write_html("measures.html", _context(comparison, found, {"measures": picture}), folder)


def _context(comparison: Comparison, found: list[PairReasons], pictures: dict[str, Any]) -> dict[str, Any]:
    told = [pair for pair in found if pair.pro or pair.con]
    return {
        "name": printable(comparison.name),
        "headline": printable(headline(comparison)),
        "gains_from": printable(comparison.gains_from),
        "has_gains": comparison.gains is not None,
        "pictures": pictures,
        "agreement": agreement_table(comparison),
        "costs": cost_table(comparison),
        "families": families(comparison),
        "reasons": [shown(pair) for pair in (told if len(comparison.tasks) <= N_WHOLE else told[:N_TOP])],
        "n_pairs": plural(len(found), "pair"),
        "n_silent": len(found) - len(told),
        "conflicts": [(printable(m.name), conflict_table(m, N_TOP)) for m in comparison.measured if has_classes(m)],
        "clear": CLEAR,
    }


def has_classes(m: Measured) -> bool:
    """Whether it looked at cosines, of two tasks at least."""
    return m.affinity.classes is not None and not np.isnan(m.affinity.classes).all()


def shown(pair: PairReasons) -> dict[str, Any]:
    """A line of the table of reasons."""
    return {
        "pair": f"{printable(pair.a)} and {printable(pair.b)}",
        "net": signed(pair.net),
        "pro": [reason.text for reason in pair.pro],
        "con": [reason.text for reason in pair.con],
    }


def agreement_table(comparison: Comparison) -> Sheet:
    """Rank agreement of each two measures, and with the measured gains."""
    names = [m.name for m in comparison.measured]
    cells = {(a, b): comparison.agreement(a, b) for a, b in itertools.combinations(names, 2)}
    rows = []
    for a in names:
        found = [signed(cells.get((a, b), cells.get((b, a)))) if a != b else "" for b in names]
        gains = [signed(comparison.agreement_with_gains(a))] if comparison.gains is not None else []
        rows.append((printable(a), *gains, *found))
    last = ("measured gains",) if comparison.gains is not None else ()
    return Sheet(("measure", *last, *(printable(name) for name in names)), rows)


def cost_table(comparison: Comparison) -> Sheet:
    """What each measure cost and how sure it is."""
    rows = [
        (
            printable(m.name),
            m.family,
            SIGHTS.get(m.sees, m.sees),
            seconds(m.look_s),
            seconds(m.training_s) if m.training_s else DASH,
            typical_error(m),
            signed(m.reliability),
        )
        for m in comparison.measured
    ]
    head = ("measure", "family", "sees", "looking", "training", "error", "reliability")
    return Sheet(head, rows, texts=frozenset({0, 1, 2}), long=frozenset({2}))


def typical_error(m: Measured) -> str:
    """Median error bar of the trunk's entries in units of their spread."""
    errors = m.affinity.centred_stderr()[~np.eye(len(m.affinity.tasks), dtype=bool)]
    known = errors[~np.isnan(errors)]
    return f"±{np.median(known):.2f}" if len(known) else DASH


def families(comparison: Comparison) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each family with its measures and what they say."""
    by_family: dict[str, list[tuple[str, str]]] = {}
    for m in comparison.measured:
        by_family.setdefault(m.family, []).append((printable(m.name), f"A helps B: {m.meaning}"))
    return list(by_family.items())
