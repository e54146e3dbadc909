"""Select: the finalists by validation gain under the limits, and the Pareto front of gain against cost."""

from collections.abc import Sequence

from taskgroup.core.record import TrialRow
from taskgroup.search.limits import Limits
from taskgroup.search.notes import BASELINES, SHARED


def complete_rows(rows: Sequence[TrialRow], limits: Limits) -> list[TrialRow]:
    """Distinct trained candidates within the limits, best first; among equals the cheaper, then the earlier."""
    found: dict[str, TrialRow] = {}
    for row in rows:
        if row.state == "complete" and row.gain is not None and limits.allow(row.architecture, row.cost):
            found.setdefault(row.candidate.fingerprint, row)
    return sorted(found.values(), key=lambda r: (-rating(r), r.cost.macs_ratio, r.number))


def finalists(rows: Sequence[TrialRow], limits: Limits, n_finalists: int) -> list[TrialRow]:
    """Candidates worth confirming, best first; no baselines.

    First those on the Pareto front of gain against cost that keep at least half of the best one's advantage over
    all-shared: the best, the cheapest, and others evenly between them. Confirmation chooses the cheapest that is
    about as good as the best, and what lies below the front is neither. Then the next best by gain. Where some were
    trained under further seeds, they come before all others, and gain is the mean over their seeds.

    Args:
        rows: The trials table, with the baselines: their networks are no finalists, whatever the recipe.
        limits: Candidates over a limit are left out.
        n_finalists: How many at most.
    """
    plain = {row.origin: row.architecture.fingerprint for row in rows if row.origin in BASELINES}
    ranked = [row for row in complete_rows(rows, limits) if row.architecture.fingerprint not in plain.values()]
    if not ranked:
        return []
    listed = [row for row in ranked if row.again] or ranked
    same = [rating(row) for row in rows if row.architecture.fingerprint == plain.get(SHARED) and row.gain is not None]
    enough = (rating(listed[0]) + max(same, default=rating(listed[-1]))) / 2
    front = [row for row in pareto(listed, limits)[::-1] if rating(row) >= enough] or listed[:1]
    n_front = min(n_finalists, len(front))
    places = [round(k * (len(front) - 1) / max(n_front - 1, 1)) for k in range(n_front)]
    chosen = [front[place] for place in places]
    rest = [row for row in (*listed, *(row for row in ranked if row not in listed)) if row not in chosen]
    return [*chosen, *rest][:n_finalists]


def rating(row: TrialRow) -> float:
    """Mean gain over the seeds that a candidate was trained under; minus infinity unless complete."""
    return float("-inf") if row.mean_gain is None else row.mean_gain


def pareto(rows: Sequence[TrialRow], limits: Limits) -> list[TrialRow]:
    """Candidates that no other beats in gain at no higher cost in multiply-accumulates, cheapest first."""
    front: list[TrialRow] = []
    for row in sorted(complete_rows(rows, limits), key=lambda r: (r.cost.macs_ratio, -rating(r))):
        if not front or rating(row) > rating(front[-1]):
            front.append(row)
    return front
