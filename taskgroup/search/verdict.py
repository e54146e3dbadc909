"""The verdict: one of a fixed set of answers, in words."""

from dataclasses import dataclass

from taskgroup.core.gain import Interval
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.spec import ArmEvidence, Verdict
from taskgroup.core.text import plural, sentence_case
from taskgroup.search.limits import Limits
from taskgroup.search.statistics import seeds_to_settle

PHRASES = {
    "share_everything": "As good as all-shared at its own cost",
    "separate_everything": "All-separate is best",
    "better_than_both": "Better than both baselines",
    "as_good_as_separate": "As good as all-separate at {share:.0%} of its cost",
    "as_good_as_shared": "As good as all-shared at {times:.2f} times its cost",
    "best_within_limits": "Best within the limits",
    "not_enough": "Not enough evidence: {more} would settle it",
}
"""Code of every answer and the words its text begins with; ``cost`` is multiply-accumulates."""

NEAR = 0.1
"""A finalist that gains so much less than all-separate is not named beside it, however uncertain that is."""

FEW_SEEDS = 4
"""With fewer seeds their spread is hardly known, and so is the number that would do."""


def n_most(n_seeds: int) -> int:
    """Seeds in all beyond which no number is named: who cannot tell two arms apart with four times as many need not."""
    return max(4 * n_seeds, 20)


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


@dataclass(frozen=True)
class Case:
    """What an answer follows from: see :func:`verdict`, whose arguments these are.

    ``lacking`` says of each baseline that could not be chosen why not, as the end of a sentence.
    """

    arms: tuple[ArmEvidence, ...]
    against_separate: Interval
    against_shared: Interval
    shared_vs_separate: Interval | None
    n_seeds: int
    level: float
    lead: Lead | None
    lacking: dict[str, str]
    corrected: bool

    @property
    def chosen(self) -> ArmEvidence:
        """The arm that was chosen."""
        return next(arm for arm in self.arms if arm.chosen)

    @property
    def separate_ratio(self) -> float:
        """Multiply-accumulates of all-separate relative to all-shared."""
        return next(arm.cost.macs_ratio for arm in self.arms if arm.name == SEPARATE)

    @property
    def runs(self) -> str:
        """What the figures rest on."""
        less = ", less what having been chosen adds to them" if self.corrected else ""
        return f"on the test split over {self.n_seeds} paired seeds{less}"

    @property
    def figures(self) -> str:
        """Both gains of the chosen arm."""
        separate, shared = self.against_separate.percent(), self.against_shared.percent()
        return f"{separate} against all-separate, {shared} against all-shared {self.runs}"

    @property
    def finalists(self) -> str:
        """How many arms there are beside the baselines; empty for none."""
        n_finalists = sum(arm.name not in (SHARED, SEPARATE) for arm in self.arms)
        return plural(n_finalists, "finalist") if n_finalists else ""

    def n_more(self, gain: Interval) -> int | None:
        """Further seeds that would probably tell the chosen arm and another apart, one way or the other."""
        away = gain if gain.mean > 0 else Interval(mean=-gain.mean, low=-gain.high, high=-gain.low)
        return seeds_to_settle(away, self.n_seeds, self.level, n_most(self.n_seeds))

    def say(self, code: str, rest: str, more: int = 0) -> Verdict:
        """The answer: the phrase of the code, and the rest."""
        times = self.chosen.cost.macs_ratio
        phrase = PHRASES[code].format(times=times, share=times / self.separate_ratio, more=plural(more, "more seed"))
        rough = "at least: so few seeds say little" if self.n_seeds < FEW_SEEDS else "probably, and roughly"
        return Verdict.model_validate({"code": code, "text": f"{phrase}{f' ({rough}).' if more else ':'} {rest}."})


def verdict(
    arms: tuple[ArmEvidence, ...],
    against_separate: Interval,
    against_shared: Interval,
    n_seeds: int,
    limits: Limits,
    lead: Lead | None = None,
    ruled_out: frozenset[str] = frozenset(),
    *,
    below_floor: frozenset[str] = frozenset(),
    shared_vs_separate: Interval | None = None,
    level: float = 0.9,
    corrected: bool = False,
) -> Verdict:
    """The answer, from the choice (made on validation) and the chosen arm's gains on the test split.

    Where a plan was chosen, by whether the interval of its gain lies above zero, below, or about it:

    ================  ==============  =============================================================================
    against separate  against shared  answer
    ================  ==============  =============================================================================
    above             above           better than both
    about             above           as good as all-separate at a share of its cost; for a plan that is as dear: not
                                      enough evidence where a few seeds more would do, else all-separate is best
    below             above           all-separate is best; best within the limits where that could not be had
    above             about           as good as all-shared
    about             about           not enough evidence where a few seeds more would do, else as good as all-shared
    below             about           all-separate is best; the line before where that could not be had
    above, about      below           all-shared
    below             below           the baseline that is better on the test split
    ================  ==============  =============================================================================

    Where all-shared could not be had and is not clearly worse, the plan is the best within the limits. A baseline that
    was chosen stays the answer unless the test split contradicts it clearly, or, for all-shared, a few seeds more
    would settle who is ahead.

    Args:
        arms: All that were confirmed; one is chosen.
        against_separate: Test gain of the chosen arm against all-separate.
        against_shared: The same against all-shared.
        n_seeds: Paired seeds behind both.
        limits: Under which the choice was made.
        lead: Who is ahead of the chosen arm, None where it is the best itself.
        ruled_out: Baselines that break a rule and could not be chosen.
        below_floor: Baselines that could not be chosen because of a task that loses too much.
        shared_vs_separate: Test gain of all-shared against all-separate.
        level: Coverage of the intervals.
        corrected: Whether the gains are less what having been chosen adds.
    """
    lacking = _lacking(arms, limits, ruled_out, below_floor)
    case = Case(arms, against_separate, against_shared, shared_vs_separate, n_seeds, level, lead, lacking, corrected)
    if case.chosen.name == SHARED:
        return _shared(case)
    return _separate(case) if case.chosen.name == SEPARATE else _plan(case)


def _lacking(
    arms: tuple[ArmEvidence, ...], limits: Limits, ruled_out: frozenset[str], below_floor: frozenset[str]
) -> dict[str, str]:
    """Why a baseline could not be chosen, for those that could not."""
    found = {}
    for arm in arms:
        if arm.name in (SHARED, SEPARATE) and not limits.afford(arm.cost):
            found[arm.name] = f"is over the limits ({arm.cost.macs_ratio:.1f} times all-shared's multiply-accumulates)"
        elif arm.name in ruled_out:
            found[arm.name] = "breaks the constraints"
        elif arm.name in below_floor:
            found[arm.name] = "has a task below the floor"
    return found


def _plan(case: Case) -> Verdict:
    """Neither baseline was chosen."""
    separate, shared = case.against_separate, case.against_shared
    if separate.above_zero and shared.above_zero:
        return case.say("better_than_both", case.figures)
    beaten = _beaten_by(case)
    if beaten:
        return _contradicted(case, beaten)
    if not shared.above_zero and SHARED in case.lacking:
        rest = f"all-shared, which {case.lacking[SHARED]}, is not distinguishably worse than the plan: {case.figures}"
        return case.say("best_within_limits", rest)
    if shared.above_zero and separate.below_zero:
        rest = f"better than all-shared; all-separate is better still, but {case.lacking[SEPARATE]}: {case.figures}"
        return case.say("best_within_limits", rest)
    return _near_separate(case) if shared.above_zero else _near_shared(case)


def _beaten_by(case: Case) -> str:
    """The baseline that could be had and beats the chosen arm on the test split, the better one of two; or none."""
    rivals = ((SHARED, case.against_shared), (SEPARATE, case.against_separate))
    better = [name for name, gain in rivals if gain.below_zero and name not in case.lacking]
    if len(better) == 2:  # the cheaper one, unless it is clearly the worse
        worse = case.shared_vs_separate is not None and case.shared_vs_separate.below_zero
        return SEPARATE if worse else SHARED
    return better[0] if better else ""


def _contradicted(case: Case, by: str) -> Verdict:
    """The choice, made on validation, loses to a baseline on the test split: that baseline is the answer."""
    what = case.chosen.name if case.chosen.name in (SHARED, SEPARATE) else f"the plan ({case.chosen.name})"
    cost = f"{case.chosen.cost.macs_ratio / case.separate_ratio:.0%} of all-separate's multiply-accumulates"
    rest = (
        f"take {by} itself; {what}, chosen on validation, is distinguishably worse on the test split; it gives "
        f"{case.figures}, at {cost}"
    )
    return case.say("separate_everything" if by == SEPARATE else "share_everything", rest)


def _near_separate(case: Case) -> Verdict:
    """The plan is better than all-shared and not distinguishable from all-separate, which may not even be dearer."""
    if SEPARATE in case.lacking or case.chosen.cost.macs_ratio < case.separate_ratio:
        return case.say("as_good_as_separate", f"better than all-shared; {case.figures}")
    more = case.n_more(case.against_separate)
    if more is not None:
        what = "all-separate, which takes no more multiply-accumulates"
        return _told_apart_by(case, what, more)
    ahead = f"{case.chosen.name}, ahead on validation, is not distinguishably better on the test split"
    rest = f"take all-separate itself; {ahead} and takes no fewer multiply-accumulates: {case.figures}"
    return case.say("separate_everything", rest)


def _told_apart_by(case: Case, other: str, more: int) -> Verdict:
    """More seeds would tell the chosen arm from another, which the test split does not."""
    what = f"{sentence_case(case.chosen.name)} was chosen on validation; the test split does not tell it from {other}"
    return case.say("not_enough", f"{what}: {case.figures}. {_again(case, more)}", more)


def _near_shared(case: Case) -> Verdict:
    """What was chosen is not distinguishable from all-shared, which could be had."""
    more = case.n_more(case.against_shared)
    if more is not None and not case.against_separate.above_zero:
        return _told_apart_by(case, SHARED, more)
    better = "all-separate is " if case.chosen.name == SEPARATE else ""
    better = "better than all-separate; " if case.against_separate.above_zero else better
    more_words = f"; {plural(more, 'more seed')} might tell the two apart" if more is not None else ""
    rest = f"{better}better than all-shared on validation, but not distinguishably so on the test split{more_words}"
    return case.say("as_good_as_shared", f"{rest}: {case.figures}")


def _separate(case: Case) -> Verdict:
    """All-separate was chosen."""
    shared = case.against_shared
    gain = f"gain against all-shared: {shared.percent()} {case.runs}"
    if shared.above_zero:
        better = "nothing that keeps the constraints and limits" if SHARED in case.lacking else "nothing"
        rest = f"separate everything; {better} was distinguishably better on validation{_nearly(case)}"
        return case.say("separate_everything", f"{rest}. {sentence_case(gain)}")
    if SHARED in case.lacking:
        rest = f"all-separate; all-shared is not distinguishably worse, but {case.lacking[SHARED]}; {gain}"
        return case.say("best_within_limits", rest)
    return _contradicted(case, SHARED) if shared.below_zero else _near_shared(case)


def _nearly(case: Case) -> str:
    """The cheapest finalist that cannot be told from the chosen all-separate, as the end of a sentence, if any."""
    cheaper = [arm for arm in case.arms if arm.name != SHARED and arm.cost.macs_ratio < case.separate_ratio]
    near = [a for a in cheaper if not a.gain_vs_separate.below_zero and a.gain_vs_separate.mean > -NEAR]
    if not near:
        return ""
    arm = min(near, key=lambda arm: arm.cost.macs_ratio)
    share = f"{arm.cost.macs_ratio / case.separate_ratio:.0%} of its multiply-accumulates"
    return f"; {arm.name}, at {share}, is not distinguishably worse there ({arm.gain_vs_separate.percent()})"


def _shared(case: Case) -> Verdict:
    """All-shared was chosen."""
    gain = f"gain against all-separate: {case.against_separate.percent()} {case.runs}"
    if _beaten_by(case):
        return _contradicted(case, SEPARATE)
    if case.lead is not None and case.lead.n_more is not None:
        return _undecided(case, case.lead, case.lead.n_more, gain)
    none = f"none of {case.finalists} was distinguishably better" if case.finalists else "nothing else is left"
    if SEPARATE in case.lacking:
        within = "limits" if case.lacking[SEPARATE].startswith("is over") else "constraints"
        rivals = f"within the {within} {none}; all-separate {case.lacking[SEPARATE]}"
    elif case.finalists:
        rivals = f"neither all-separate nor any of {case.finalists} was distinguishably better"
    else:
        rivals = "all-separate was not distinguishably better"
    return case.say("share_everything", f"share everything; nothing is cheaper, and {rivals}. {sentence_case(gain)}")


def _undecided(case: Case, lead: Lead, more: int, gain: str) -> Verdict:
    # the choice compares gains against all-separate, whose difference may be less certain than this ratio
    but = ", but in gain against all-separate the two cannot be told apart" if lead.gain.above_zero else ""
    rest = (
        f"The gain of {lead.name} against all-shared is {lead.gain.percent()} on the validation "
        f"split{but}. All-shared, the cheapest, is kept until then; its {gain}. {_again(case, more)}"
    )
    return case.say("not_enough", rest, more)


def _again(case: Case, more: int) -> str:
    seeds = f"confirm.seeds: {case.n_seeds + more}"
    return f"More seeds are a new job, which trains everything again: another `name`, `{seeds}`"
