"""Select: the finalists by validation gain under the limits, and the Pareto front of gain against cost."""

from collections.abc import Sequence

from taskgroup.core.record import TrialRow
from taskgroup.search.limits import Limits
from taskgroup.search.notes import BASELINES


def complete_rows(rows: Sequence[TrialRow], limits: Limits) -> list[TrialRow]:
    """Distinct trained candidates within the limits, best first; among equals the cheaper, then the earlier."""
    found: dict[str, TrialRow] = {}
    for row in rows:
        if row.state == "complete" and row.gain is not None and limits.allow(row.cost):
            found.setdefault(row.architecture.fingerprint, row)
    return sorted(found.values(), key=lambda r: (-(r.gain or 0.0), r.cost.macs_ratio, r.number))


def finalists(rows: Sequence[TrialRow], limits: Limits, n_finalists: int) -> list[TrialRow]:
    """The best ``n_finalists`` that are neither all-shared nor all-separate."""
    return [row for row in complete_rows(rows, limits) if row.origin not in BASELINES][:n_finalists]


def pareto(rows: Sequence[TrialRow], limits: Limits) -> list[TrialRow]:
    """Candidates that no other beats in gain at no higher cost in multiply-accumulates, cheapest first."""
    front: list[TrialRow] = []
    for row in sorted(complete_rows(rows, limits), key=lambda r: (r.cost.macs_ratio, -(r.gain or 0.0))):
        if not front or (row.gain or 0.0) > (front[-1].gain or 0.0):
            front.append(row)
    return front
