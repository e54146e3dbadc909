"""The verdict: one of a fixed set of answers, in words."""

from dataclasses import dataclass

from taskgroup.core.gain import Interval
from taskgroup.core.spec import ArmEvidence, Verdict
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED


@dataclass(frozen=True)
class Lead:
    """The arm with the best validation gain: by how much it leads the chosen one, and what would settle it.

    Attributes:
        name: Of the arm.
        advantage: Its gain against all-separate less the chosen arm's; its interval reaches zero.
        n_more: Further seeds that would put the interval above zero, None where a few would not.
    """

    name: str
    advantage: Interval
    n_more: int | None


def verdict(
    arms: tuple[ArmEvidence, ...],
    against_separate: Interval,
    against_shared: Interval,
    n_seeds: int,
    limits: Limits,
    lead: Lead | None = None,
) -> Verdict:
    """The answer, from the choice (made on validation) and the chosen arm's gains on the test split.

    Args:
        arms: All that were confirmed; one is chosen.
        against_separate: Test gain of the chosen arm against all-separate.
        against_shared: The same against all-shared.
        n_seeds: Paired seeds behind both.
        limits: Under which the choice was made.
        lead: Who is ahead of the chosen arm, None where it is the best itself.
    """
    chosen = next(arm for arm in arms if arm.chosen)
    runs = f"on the test split over {n_seeds} paired seeds"
    if chosen.name == SHARED and lead is not None and lead.n_more is not None:
        more = f"{lead.n_more} more seed{'s' if lead.n_more > 1 else ''}"
        return Verdict(
            code="not_enough",
            text=f"Not enough evidence: {lead.name} is ahead of all-shared by {lead.advantage.percent()} on the "
            f"validation split, and about {more} (confirm.seeds) would settle it. All-shared, the "
            f"cheapest, is kept until then; its gain against all-separate: {against_separate.percent()} {runs}.",
        )
    if chosen.name == SHARED:
        return _shared(arms, against_separate, runs, limits)
    if chosen.name == SEPARATE:
        return Verdict(
            code="separate_everything",
            text=f"Separate everything: whatever is cheaper was distinguishably worse than the best. "
            f"Gain against all-shared: {against_shared.percent()} {runs}.",
        )
    separate = next(arm for arm in arms if arm.name == SEPARATE)
    figures = f"{against_separate.percent()} against all-separate, {against_shared.percent()} against all-shared {runs}"
    share = f"{chosen.cost.macs_ratio / separate.cost.macs_ratio:.0%} of its multiply-accumulates"
    if against_separate.above_zero and against_shared.above_zero:
        return Verdict(code="better_than_both", text=f"Better than both baselines: {figures}.")
    if against_separate.above_zero and not against_shared.below_zero:
        return Verdict(
            code="as_good_as_shared",
            text=f"Better than all-separate; better than all-shared on validation, but not distinguishably {runs}, "
            f"where sharing everything is as good and cheaper: {figures}.",
        )
    if against_shared.above_zero and not against_separate.below_zero:
        return Verdict(
            code="as_good_as_separate",
            text=f"Better than all-shared, and not distinguishable from all-separate at {share}: {figures}.",
        )
    if against_shared.above_zero and not limits.allow(separate.cost):
        return Verdict(
            code="best_within_limits",
            text=f"Better than all-shared within the limits; all-separate is better still, but over them "
            f"({separate.cost.macs_ratio:.1f} times all-shared's multiply-accumulates): {figures}.",
        )
    return Verdict(
        code="not_enough",
        text=f"Not enough evidence: chosen on validation, but the test split does not confirm the choice: {figures}.",
    )


def _shared(arms: tuple[ArmEvidence, ...], against_separate: Interval, runs: str, limits: Limits) -> Verdict:
    n_finalists = sum(arm.name not in (SHARED, SEPARATE) for arm in arms)
    finalists = f"{n_finalists} finalist{'s' if n_finalists > 1 else ''}"
    separate = next(arm for arm in arms if arm.name == SEPARATE)
    if not limits.allow(separate.cost):
        none = f"none of {finalists} was distinguishably better" if n_finalists else "nothing else is left"
        over = f"{separate.cost.macs_ratio:.1f} times all-shared's multiply-accumulates"
        rivals = f"within the limits {none}; all-separate is over them ({over})"
    elif n_finalists:
        rivals = f"neither all-separate nor any of {finalists} was distinguishably better"
    else:
        rivals = "all-separate was not distinguishably better"
    return Verdict(
        code="share_everything",
        text=f"Share everything: nothing is cheaper, and {rivals}. "
        f"Gain against all-separate: {against_separate.percent()} {runs}.",
    )
