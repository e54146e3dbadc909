"""The verdict: one of a fixed set of answers, in words."""

from dataclasses import dataclass

from taskgroup.core.gain import Interval
from taskgroup.core.spec import ArmEvidence, Cost, Verdict
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED

FEW_SEEDS = 4
"""With fewer seeds their spread is hardly known, and so is the number that would do."""


@dataclass(frozen=True)
class Lead:
    """The arm with the best validation gain: by how much it leads the chosen one, and what would settle it.

    Attributes:
        name: Of the arm.
        gain: Its validation gain against the chosen arm, ``1 - error / error of the chosen``.
        n_more: Further seeds that would probably tell the two apart, None where a few would not.
    """

    name: str
    gain: Interval
    n_more: int | None


def verdict(
    arms: tuple[ArmEvidence, ...],
    against_separate: Interval,
    against_shared: Interval,
    n_seeds: int,
    limits: Limits,
    lead: Lead | None = None,
    ruled_out: frozenset[str] = frozenset(),
) -> Verdict:
    """The answer, from the choice (made on validation) and the chosen arm's gains on the test split.

    Args:
        arms: All that were confirmed; one is chosen.
        against_separate: Test gain of the chosen arm against all-separate.
        against_shared: The same against all-shared.
        n_seeds: Paired seeds behind both.
        limits: Under which the choice was made.
        lead: Who is ahead of the chosen arm, None where it is the best itself.
        ruled_out: Baselines that break a rule and could not be chosen.
    """
    chosen = next(arm for arm in arms if arm.chosen)
    runs = f"on the test split over {n_seeds} paired seeds"
    if chosen.name == SHARED and lead is not None and lead.n_more is not None:
        return _undecided(lead, against_separate, n_seeds, runs)
    if chosen.name == SHARED:
        return _shared(arms, against_separate, runs, limits, ruled_out)
    if chosen.name == SEPARATE:
        return Verdict(
            code="separate_everything",
            text=f"Separate everything: whatever is cheaper {_but(ruled_out)}was distinguishably worse than the best. "
            f"Gain against all-shared: {against_shared.percent()} {runs}.",
        )
    separate = next(arm for arm in arms if arm.name == SEPARATE)
    answer = _branched(chosen.cost, separate.cost, limits, (against_separate, against_shared), runs)
    return _within_rules(answer, ruled_out, (against_separate, against_shared), runs)


def _branched(chosen: Cost, separate: Cost, limits: Limits, against: tuple[Interval, Interval], runs: str) -> Verdict:
    """The answer where neither baseline was chosen; ``against`` all-separate and all-shared."""
    vs_separate, vs_shared = against
    figures = f"{vs_separate.percent()} against all-separate, {vs_shared.percent()} against all-shared {runs}"
    if vs_separate.above_zero and vs_shared.above_zero:
        return Verdict(code="better_than_both", text=f"Better than both baselines: {figures}.")
    if vs_separate.above_zero and not vs_shared.below_zero:
        return Verdict(
            code="as_good_as_shared",
            text=f"Better than all-separate; better than all-shared on validation, but not distinguishably {runs}, "
            f"where sharing everything is as good and cheaper: {figures}.",
        )
    if vs_shared.above_zero and not vs_separate.below_zero:
        share = f"{chosen.macs_ratio / separate.macs_ratio:.0%} of its multiply-accumulates"
        return Verdict(
            code="as_good_as_separate",
            text=f"Better than all-shared, and not distinguishable from all-separate at {share}: {figures}.",
        )
    if vs_shared.above_zero and not limits.afford(separate):
        return Verdict(
            code="best_within_limits",
            text=f"Better than all-shared within the limits; all-separate is better still, but over them "
            f"({separate.macs_ratio:.1f} times all-shared's multiply-accumulates): {figures}.",
        )
    return Verdict(
        code="not_enough",
        text=f"Not enough evidence: chosen on validation, but the test split does not confirm the choice: {figures}.",
    )


def _but(ruled_out: frozenset[str]) -> str:
    return "and keeps the constraints " if SHARED in ruled_out else ""


def _within_rules(answer: Verdict, ruled_out: frozenset[str], against: tuple[Interval, Interval], runs: str) -> Verdict:
    """The answer again, unless a baseline that looks as good or better could not be had."""
    vs_separate, vs_shared = against
    lacking = [name for name, gain in ((SEPARATE, vs_separate), (SHARED, vs_shared)) if not gain.above_zero]
    broken = " and ".join(name for name in lacking if name in ruled_out)
    if not broken or answer.code == "as_good_as_separate":
        return answer
    verb = "break" if " and " in broken else "breaks"
    figures = f"{vs_separate.percent()} against all-separate, {vs_shared.percent()} against all-shared {runs}"
    return Verdict(
        code="best_within_limits",
        text=f"The best within the constraints; {broken}, which {verb} them, is not distinguishably worse: {figures}.",
    )


def _undecided(lead: Lead, against_separate: Interval, n_seeds: int, runs: str) -> Verdict:
    assert lead.n_more is not None, "only called where some would do"
    more = f"{lead.n_more} more seed{'' if lead.n_more == 1 else 's'}"
    rough = f"at least {more}" if n_seeds < FEW_SEEDS else f"about {more}"
    # the choice compares gains against all-separate, whose difference may be less certain than this ratio
    but = ", but in gain against all-separate the two cannot be told apart" if lead.gain.above_zero else ""
    return Verdict(
        code="not_enough",
        text=f"Not enough evidence: the gain of {lead.name} against all-shared is {lead.gain.percent()} on the "
        f"validation split{but}; {rough} would probably settle it. All-shared, the cheapest, is kept until then; its "
        f"gain against all-separate: {against_separate.percent()} {runs}. More seeds are a new job "
        f"that trains everything again: taskgroup run CONFIG --set name=NEW "
        f"--set confirm.seeds={n_seeds + lead.n_more}.",
    )


def _shared(
    arms: tuple[ArmEvidence, ...], against_separate: Interval, runs: str, limits: Limits, ruled_out: frozenset[str]
) -> Verdict:
    n_finalists = sum(arm.name not in (SHARED, SEPARATE) for arm in arms)
    finalists = f"{n_finalists} finalist{'s' if n_finalists > 1 else ''}"
    separate = next(arm for arm in arms if arm.name == SEPARATE)
    if not limits.afford(separate.cost):
        none = f"none of {finalists} was distinguishably better" if n_finalists else "nothing else is left"
        over = f"{separate.cost.macs_ratio:.1f} times all-shared's multiply-accumulates"
        rivals = f"within the limits {none}; all-separate is over them ({over})"
    elif SEPARATE in ruled_out:
        none = f"none of {finalists} was distinguishably better" if n_finalists else "nothing else is left"
        rivals = f"within the constraints {none}; all-separate breaks them"
    elif n_finalists:
        rivals = f"neither all-separate nor any of {finalists} was distinguishably better"
    else:
        rivals = "all-separate was not distinguishably better"
    return Verdict(
        code="share_everything",
        text=f"Share everything: nothing is cheaper, and {rivals}. "
        f"Gain against all-separate: {against_separate.percent()} {runs}.",
    )
