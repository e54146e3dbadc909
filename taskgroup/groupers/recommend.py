"""The recommendation: one of the proposals, with the reason in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import GroupCount, Proposal
from taskgroup.groupers.number import Clarity, best_count
from taskgroup.groupers.pairs import Pairs


@dataclass(frozen=True)
class Recommendation:
    """A grouping and why it is recommended.

    Attributes:
        grouping: What is recommended.
        reason: A sentence or two.
        n_groups: The best number of groups, whether or not there are groups at all; None below three tasks.
    """

    grouping: Grouping
    reason: str
    n_groups: int | None


def recommend(
    pairs: Pairs,
    proposals: Sequence[Proposal],
    counts: Sequence[GroupCount],
    clarity: Clarity | None,
    fallback: Grouping,
    constrained: bool = False,
) -> Recommendation:
    """The most stable proposal with the best number of groups, or ``fallback`` where nothing speaks for groups.

    Args:
        pairs: What was seen.
        proposals: To choose from, with score and stability.
        counts: What speaks for each number of groups.
        clarity: Whether the evidence separates groups; None where that cannot be told.
        fallback: All together, or what constraints leave of it.
        constrained: Whether proposals had to keep rules, so that the evidence for groups is not that for these.
    """
    doubt = _doubt(pairs, clarity)
    offered = {len(p.grouping) for p in proposals}
    k = best_count([row for row in counts if row.n_groups in offered], len(pairs.tasks))
    anyhow = best_count(counts, len(pairs.tasks))
    if doubt or k is None:
        only = "the constraints allow no other." if constrained else "no other grouping was proposed."
        return Recommendation(fallback, f"{_words(fallback)}: {doubt or only}", k or anyhow)
    best = max((p for p in proposals if len(p.grouping) == k), key=rank)
    if constrained:
        return Recommendation(best.grouping, _within_rules(best, anyhow, clarity), k)
    how = "silhouette and eigengap" if clarity is None else "silhouette, eigengap and stability"
    most = (len(pairs.tasks) + 1) // 2
    reason = f"{k} groups, of 2 to {most} the number with the best mean rank of {how}."
    return Recommendation(best.grouping, f"{reason} {_strength(clarity)}", k)


def rank(proposal: Proposal) -> tuple[float, float]:
    """The larger, the better: stability, then silhouette; those that are not known come last."""
    unknown = float("-inf")
    stability = unknown if proposal.stability is None else proposal.stability
    return stability, unknown if proposal.score is None else proposal.score


def _within_rules(best: Proposal, anyhow: int | None, clarity: Clarity | None) -> str:
    """What speaks for the best grouping that keeps the rules, and what the evidence says without them."""
    held = "" if best.stability is None else f", with stability {best.stability:.2f}"
    freely = f" Without the constraints {anyhow} groups would do best. {_strength(clarity)}" if anyhow else ""
    return f"{len(best.grouping)} groups, the best number within the constraints{held}.{freely}"


def _words(grouping: Grouping) -> str:
    return "All together" if len(grouping) == 1 else f"{len(grouping)} groups, as few as the constraints leave"


def _doubt(pairs: Pairs, clarity: Clarity | None) -> str:
    """Why no groups are told apart; empty where they are, or where nobody can tell."""
    if len(pairs.tasks) == 1:
        return "there is one task."
    if len(pairs.tasks) == 2:
        return "of two tasks each has a single source, and nothing to compare it with."
    if not pairs.separates:
        unknown = " as far as affinities are known" if pairs.notes and "unknown" in pairs.notes[0] else ""
        return f"all pairs of tasks are equally similar{unknown}."
    if clarity is not None and not clarity.is_clear:
        return (
            "the evidence does not separate groups beyond its error bars. The best cut sets them apart by "
            f"{clarity.separation:.1f} standard errors, and affinities without any structure reach "
            f"{clarity.threshold:.1f} in one draw of twenty."
        )
    return ""


def _strength(clarity: Clarity | None) -> str:
    if clarity is None:
        return "The affinity has no error bars, so nobody can tell whether these groups are more than chance."
    if clarity.threshold == 0:
        return "The error bars are zero."
    return (
        f"The evidence sets groups apart by up to {clarity.separation:.1f} standard errors, where affinities without "
        f"any structure reach {clarity.threshold:.1f} in one draw of twenty."
    )
