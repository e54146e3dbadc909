"""Every answer can be given, begins with its phrase, and says what it says in words that are true."""

import itertools
import re
from typing import get_args

import pytest
from search_samples import cost_at

from taskgroup.core.gain import Interval
from taskgroup.core.spec import ArmEvidence, Verdict
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.verdict import PHRASES, Lead, verdict

PLAN = "trial 7"
ABOVE, ABOUT, BELOW = (Interval(mean=m, low=m - 0.1, high=m + 0.1) for m in (0.3, 0.0, -0.3))
LEANING, SINKING = (Interval(mean=m, low=m - 0.1, high=m + 0.1) for m in (0.07, -0.07))
"""Not distinguishable from zero, but a few seeds more would do."""
SELF = Interval(mean=0.0, low=0.0, high=0.0)
RATIOS = {SHARED: 1.0, SEPARATE: 4.0, PLAN: 1.5}
CODES = get_args(Verdict.model_fields["code"].annotation)


def arms(
    chosen: str, *, with_plan: bool = True, plan_costs: float = 1.5, plan_gains: Interval | None = None
) -> tuple[ArmEvidence, ...]:
    return tuple(
        ArmEvidence(
            name=name,
            fingerprint=name,
            cost=cost_at(plan_costs if name == PLAN else ratio),
            gain_vs_separate=plan_gains or ABOUT,
            gain_vs_shared=ABOUT,
            chosen=name == chosen,
        )
        for name, ratio in RATIOS.items()
        if with_plan or name != PLAN
    )


def of(
    chosen: str,
    against_separate: Interval = ABOUT,
    against_shared: Interval = ABOUT,
    limits: Limits | None = None,
    lead: Lead | None = None,
) -> Verdict:
    return verdict(arms(chosen), against_separate, against_shared, 5, limits or Limits(), lead)


CASES = {
    "share_everything": of(SHARED, ABOUT, SELF),
    "separate_everything": of(SEPARATE, SELF, ABOVE),
    "better_than_both": of(PLAN, ABOVE, ABOVE),
    "as_good_as_separate": of(PLAN, ABOUT, ABOVE),
    "as_good_as_shared": of(PLAN, ABOVE, ABOUT),
    "best_within_limits": of(PLAN, BELOW, ABOVE, Limits(macs_ratio=3)),
    "not_enough": of(PLAN, ABOUT, LEANING),
}


def begins_with_its_phrase(found: Verdict) -> bool:
    phrase = re.escape(PHRASES[found.code])
    for name, figure in (("share:\\.0%", r"\d+%"), ("times:\\.2f", r"\d+\.\d\d"), ("more", r"\d+ more seeds?")):
        phrase = phrase.replace(rf"\{{{name}\}}", figure)
    return re.match(phrase + r"(:| \()", found.text) is not None


@pytest.mark.parametrize("code", CASES)
def test_every_code_is_given(code: str) -> None:
    assert CASES[code].code == code
    assert begins_with_its_phrase(CASES[code])


def test_the_vocabulary() -> None:
    starts = {
        "share_everything": "As good as all-shared at its own cost: share everything; nothing is cheaper",
        "separate_everything": "All-separate is best: separate everything",
        "better_than_both": "Better than both baselines: +30.0 % [+20.0, +40.0] against all-separate",
        "as_good_as_separate": "As good as all-separate at 38% of its cost: better than all-shared",
        "as_good_as_shared": "As good as all-shared at 1.50 times its cost: better than all-separate",
        "best_within_limits": "Best within the limits: better than all-shared",
        "not_enough": "Not enough evidence: 11 more seeds would settle it (probably, and roughly). Trial 7 was chosen",
    }
    assert set(starts) == set(CASES) == set(PHRASES) == set(CODES)
    for code, start in starts.items():
        assert CASES[code].text.startswith(start), CASES[code].text


def test_every_answer_is_a_sentence_with_figures() -> None:
    assert len({v.text for v in CASES.values()}) == len(CASES)
    for found in CASES.values():
        assert found.text.endswith(".")
        assert "on the test split over 5 paired seeds" in found.text
        assert "%" in found.text


GAINS = (ABOVE, LEANING, ABOUT, SINKING, BELOW)
LEADS = (None, Lead(PLAN, ABOVE, None), Lead(PLAN, ABOUT, 3))
LACKING: tuple[frozenset[str], ...] = tuple(
    frozenset(names) for k in range(3) for names in itertools.combinations((SHARED, SEPARATE), k)
)


@pytest.mark.parametrize("chosen", RATIOS)
@pytest.mark.parametrize("lacking", LACKING, ids=lambda names: " ".join(sorted(names)) or "none")
@pytest.mark.parametrize("why", ["rules", "floor"])
def test_whatever_the_intervals_there_is_an_answer_with_its_phrase(
    chosen: str, lacking: frozenset[str], why: str
) -> None:
    if chosen in lacking:
        return
    ruled_out, below_floor = (lacking, frozenset[str]()) if why == "rules" else (frozenset[str](), lacking)
    for separate, shared, lead, baselines in itertools.product(GAINS, GAINS, LEADS, (None, ABOVE, BELOW)):
        gains = (SELF if chosen == SEPARATE else separate, SELF if chosen == SHARED else shared)
        found = verdict(
            arms(chosen), *gains, 5, Limits(), lead, ruled_out, below_floor=below_floor, shared_vs_separate=baselines
        )
        assert begins_with_its_phrase(found), found.text
        assert not (SEPARATE in lacking and found.code == "separate_everything" and chosen != SEPARATE)
        assert not (SHARED in lacking and found.code in ("share_everything", "as_good_as_shared"))


@pytest.mark.parametrize(
    ("against_separate", "against_shared", "code"),
    [
        (ABOVE, ABOVE, "better_than_both"),
        (ABOUT, ABOVE, "as_good_as_separate"),
        (BELOW, ABOVE, "separate_everything"),
        (ABOVE, LEANING, "as_good_as_shared"),
        (LEANING, ABOUT, "as_good_as_shared"),
        (ABOUT, LEANING, "not_enough"),
        (ABOUT, SINKING, "not_enough"),
        (BELOW, ABOUT, "separate_everything"),
        (ABOVE, BELOW, "share_everything"),
        (ABOUT, BELOW, "share_everything"),
        (BELOW, BELOW, "share_everything"),
    ],
)
def test_the_table_of_answers_for_a_plan(against_separate: Interval, against_shared: Interval, code: str) -> None:
    assert of(PLAN, against_separate, against_shared).code == code


def test_where_both_baselines_beat_the_plan_the_better_one_is_the_answer() -> None:
    for baselines, code in ((ABOVE, "share_everything"), (ABOUT, "share_everything"), (BELOW, "separate_everything")):
        found = verdict(arms(PLAN), BELOW, BELOW, 5, Limits(), shared_vs_separate=baselines)
        assert found.code == code


def test_a_test_split_in_favour_of_all_separate_recommends_it_and_names_what_the_plan_gives() -> None:
    text = of(PLAN, BELOW, ABOVE).text
    assert text.startswith(
        "All-separate is best: take all-separate itself; the plan (trial 7), chosen on validation, is "
    )
    assert "it gives -30.0 % [-40.0, -20.0] against all-separate" in text
    assert "at 38% of all-separate's multiply-accumulates" in text
    shared = of(SHARED, BELOW, SELF, lead=Lead(PLAN, ABOUT, 3))
    assert shared.text.startswith("All-separate is best: take all-separate itself; all-shared, chosen on validation")
    assert "at 25% of all-separate's" in shared.text


@pytest.mark.parametrize(
    ("gain", "code"),
    [
        (ABOVE, "separate_everything"),
        (LEANING, "not_enough"),
        (ABOUT, "as_good_as_shared"),
        (BELOW, "share_everything"),
    ],
)
def test_all_separate_has_to_be_better_than_all_shared_on_the_test_split_too(gain: Interval, code: str) -> None:
    found = of(SEPARATE, SELF, gain)
    assert found.code == code
    if code == "as_good_as_shared":
        start = "As good as all-shared at 4.00 times its cost: all-separate is better than all-shared on validation"
        assert found.text.startswith(start)


@pytest.mark.parametrize(
    ("costs", "gain", "start"),
    [
        (3.9, LEANING, "As good as all-separate at 98% of its cost: better than all-shared; "),
        (4.0, LEANING, "Not enough evidence: 11 more seeds would settle it"),
        (4.4, ABOUT, "All-separate is best: take all-separate itself; trial 7, ahead on validation, is not disting"),
        (4.4, ABOVE, "Better than both baselines: "),
    ],
)
def test_a_plan_as_dear_as_all_separate_has_to_be_better(costs: float, gain: Interval, start: str) -> None:
    found = verdict(arms(PLAN, plan_costs=costs), gain, ABOVE, 5, Limits())
    assert found.text.startswith(start)
    over = verdict(arms(PLAN, plan_costs=costs), ABOUT, ABOVE, 5, Limits(), ruled_out=frozenset({SEPARATE}))
    assert over.code == "as_good_as_separate"  # which cannot be had, whatever it costs


@pytest.mark.parametrize(("mean", "named"), [(-0.09, True), (-0.11, False)])
def test_what_is_far_below_all_separate_is_not_named_beside_it(mean: float, named: bool) -> None:
    wide = Interval(mean=mean, low=mean - 1, high=mean + 1)
    found = verdict(arms(SEPARATE, plan_gains=wide), SELF, ABOVE, 5, Limits())
    assert ("is not distinguishably worse there" in found.text) == named


def test_figures_are_those_of_the_test_split() -> None:
    assert "+30.0 % [+20.0, +40.0] against all-separate" in of(PLAN, ABOVE, ABOUT).text
    assert "4.0 times all-shared's" in CASES["best_within_limits"].text


def test_figures_say_whether_they_are_corrected() -> None:
    found = verdict(arms(PLAN), ABOVE, ABOVE, 5, Limits(), corrected=True)
    assert found.text.endswith("over 5 paired seeds, less what having been chosen adds to them.")


def test_more_seeds_are_named_where_they_might_tell_a_plan_from_all_shared() -> None:
    assert "; 11 more seeds might tell the two apart: " in of(PLAN, ABOVE, LEANING).text
    assert "more seed" not in of(PLAN, ABOVE, ABOUT).text
    assert of(PLAN, ABOUT, LEANING).text.endswith("`confirm.seeds: 16`.")


def test_sharing_names_its_rivals() -> None:
    assert "neither all-separate nor any of 1 finalist was distinguishably better" in CASES["share_everything"].text
    alone = verdict(arms(SHARED, with_plan=False), ABOUT, SELF, 5, Limits())
    assert "all-separate was not distinguishably better" in alone.text


def test_sharing_says_nothing_of_a_rival_that_the_limits_forbid() -> None:
    """All-separate may well be better; it was not among the choices."""
    limits = Limits(macs_ratio=3)
    found = of(SHARED, BELOW, SELF, limits=limits)
    assert found.code == "share_everything"
    assert "none of 1 finalist was distinguishably better; all-separate is over the limits (4.0 times" in found.text
    alone = verdict(arms(SHARED, with_plan=False), BELOW, SELF, 5, limits)
    assert "within the limits nothing else is left; all-separate is over the limits (4.0 times" in alone.text


@pytest.mark.parametrize(("n_more", "words"), [(1, "1 more seed"), (3, "3 more seeds")])
def test_a_lead_that_a_few_seeds_would_settle_is_not_enough(n_more: int, words: str) -> None:
    found = of(SHARED, ABOUT, SELF, lead=Lead(PLAN, ABOUT, n_more))
    assert found.code == "not_enough"
    assert found.text.startswith(
        f"Not enough evidence: {words} would settle it (probably, and roughly). The gain of {PLAN}"
    )
    assert f"{PLAN} against all-shared is +0.0 % [-10.0, +10.0] on the validation split. " in found.text
    assert f"a new job, which trains everything again: another `name`, `confirm.seeds: {5 + n_more}`" in found.text
    few = verdict(arms(SHARED), ABOUT, SELF, 2, Limits(), Lead(PLAN, ABOUT, n_more))
    assert f"{words} would settle it (at least: so few seeds say little). " in few.text
    assert "told apart" not in found.text
    leading = of(SHARED, ABOUT, SELF, lead=Lead(PLAN, ABOVE, 1))
    assert "in gain against all-separate the two cannot be told apart" in leading.text


def test_a_baseline_that_breaks_the_constraints_is_no_rival() -> None:
    def ruled(chosen: str, ruled_out: str, separate: Interval, shared: Interval) -> Verdict:
        return verdict(arms(chosen), separate, shared, 5, Limits(), ruled_out=frozenset({ruled_out}))

    sharing = ruled(SHARED, SEPARATE, BELOW, SELF)
    assert sharing.code == "share_everything"
    assert "within the constraints none of 1 finalist was distinguishably better; all-separate breaks" in sharing.text
    plan = ruled(PLAN, SHARED, ABOVE, BELOW)
    assert plan.code == "best_within_limits"
    assert "all-shared, which breaks the constraints, is not distinguishably worse than the plan: +30.0 %" in plan.text
    assert ruled(PLAN, SHARED, ABOVE, ABOVE) == CASES["better_than_both"]
    assert "nothing that keeps the constraints and limits was" in ruled(SEPARATE, SHARED, SELF, ABOVE).text
    near = "is not distinguishably worse there (+0.0 % [-10.0, +10.0])"
    assert near in ruled(SEPARATE, SHARED, SELF, ABOVE).text
    forced = ruled(SEPARATE, SHARED, SELF, ABOUT)
    assert forced.code == "best_within_limits"
    assert "all-separate; all-shared is not distinguishably worse, but breaks the constraints" in forced.text


def test_a_lead_that_no_seeds_would_settle_changes_nothing() -> None:
    assert of(SHARED, ABOUT, SELF, lead=Lead(PLAN, ABOUT, None)) == CASES["share_everything"]
    assert of(PLAN, ABOVE, ABOVE, lead=Lead(SEPARATE, ABOUT, 2)) == CASES["better_than_both"]
