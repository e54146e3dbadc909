"""What the benchmark was asked to reach, beside what it reached."""

import statistics
from collections.abc import Sequence

from taskgroup.bench.frame import Row
from taskgroup.bench.grouping.regret import OURS

KNOWN = {
    ("standley_setting1", 1.5): (0.4613, 0.4613),
    ("standley_setting1", 2.5): (0.4461, 0.4505),
    ("standley_setting1", 5): (0.4348, 0.4418),
    ("standley_setting2", 2): (0.3173, 0.3173),
}
"""Table and budget → totals on test of the optimum and of HOA, found before by others' code."""
GOALS = ((16, "mean", 0.90), (16, "worst", 0.80), (21, "mean", 0.98), (21, "worst", 0.95))
"""Networks trained of 31, over the Standley settings, gap closed."""
SETTINGS = "standley_setting"


def goal_rows(rows: Sequence[Row]) -> list[Row]:
    """A row per goal that the tables at hand can answer."""
    return [*_known(rows), *_gap(rows), *_never_below_random(rows)]


def _goal(goal: str, wanted: str, reached: str, met: bool) -> Row:
    return {"goal": goal, "wanted": wanted, "reached": reached, "met": "yes" if met else "no"}


def _known(rows: Sequence[Row]) -> list[Row]:
    totals = {(r["table"], r["budget"], r["method"]): r["total"] for r in rows if r["part"] == "exactness"}
    found = []
    for (table, budget), wanted in KNOWN.items():
        for method, total in zip(("optimum", "hoa"), wanted, strict=True):
            reached = totals.get((table, budget, method))
            if reached is not None:
                met = round(reached, 4) == total
                found.append(_goal(f"{method}: {table}, budget {budget:g}", f"{total:.4f}", f"{reached:.4f}", met))
    return found


def _gap(rows: Sequence[Row]) -> list[Row]:
    found = []
    ours = [r for r in rows if r["part"] == "regret" and r["method"] == OURS and r["table"].startswith(SETTINGS)]
    for measured, what, wanted in GOALS:
        closed = [row["gap_closed"] for row in ours if row["measured"] == measured]
        if closed:
            reached = statistics.mean(closed) if what == "mean" else min(closed)
            words = f"ours, {what} of {len(closed)} Standley settings at N = {measured} of 31"
            found.append(_goal(words, f"≥ {wanted:.2f}", f"{reached:.2f}", reached >= wanted))
    return found


def _never_below_random(rows: Sequence[Row]) -> list[Row]:
    regret = [row for row in rows if row["part"] == "regret"]
    areas: dict[str, dict[str, float]] = {}
    for row in regret:
        if row["method"] in (OURS, "random"):
            curve = areas.setdefault(row["table"], {})
            curve[row["method"]] = curve.get(row["method"], 0.0) + row["gap_closed"]
    both = {table: of for table, of in areas.items() if len(of) == 2}
    if not both:
        return []
    below = [table for table, of in both.items() if of[OURS] < of["random"]]
    goal = "ours not below random on any table, mean of the curve"
    return [
        _goal(goal, "none below", f"below on {', '.join(below)}" if below else f"none of {len(both)} below", not below)
    ]
