"""Every answer can be given, and says what it says in words that are true."""

from typing import get_args

import pytest
from search_samples import cost_at

from taskgroup.core.gain import Interval
from taskgroup.core.spec import ArmEvidence, Verdict
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.verdict import Lead, verdict

PLAN = "trial 7"
ABOVE, ABOUT, BELOW = (Interval(mean=m, low=m - 0.1, high=m + 0.1) for m in (0.3, 0.0, -0.3))
RATIOS = {SHARED: 1.0, SEPARATE: 4.0, PLAN: 2.0}


def arms(chosen: str, *, with_plan: bool = True) -> tuple[ArmEvidence, ...]:
    return tuple(
        ArmEvidence(
            name=name,
            fingerprint=name,
            cost=cost_at(ratio),
            gain_vs_separate=ABOUT,
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
    "share_everything": of(SHARED, BELOW),
    "separate_everything": of(SEPARATE, ABOUT, ABOVE),
    "better_than_both": of(PLAN, ABOVE, ABOVE),
    "as_good_as_separate": of(PLAN, ABOUT, ABOVE),
    "as_good_as_shared": of(PLAN, ABOVE, ABOUT),
    "best_within_limits": of(PLAN, BELOW, ABOVE, Limits(macs_ratio=3)),
    "not_enough": of(PLAN, ABOUT, ABOUT),
}


@pytest.mark.parametrize("code", CASES)
def test_every_code_is_given(code: str) -> None:
    assert CASES[code].code == code


def test_every_code_is_tried_and_has_a_sentence_of_its_own() -> None:
    assert set(CASES) == set(get_args(Verdict.model_fields["code"].annotation))
    assert len({v.text for v in CASES.values()}) == len(CASES)
    for found in CASES.values():
        assert found.text.endswith(".")
        assert "on the test split over 5 paired seeds" in found.text
        assert "%" in found.text


@pytest.mark.parametrize(
    ("against_separate", "against_shared"),
    [(ABOUT, ABOUT), (BELOW, ABOVE), (ABOVE, BELOW), (BELOW, BELOW), (ABOUT, BELOW), (BELOW, ABOUT)],
)
def test_a_choice_that_the_test_split_does_not_confirm_is_not_enough(
    against_separate: Interval, against_shared: Interval
) -> None:
    assert of(PLAN, against_separate, against_shared).code == "not_enough"


def test_figures_are_those_of_the_test_split() -> None:
    assert "+30.0 % [+20.0, +40.0] against all-separate" in of(PLAN, ABOVE, ABOUT).text
    assert "50% of its multiply-accumulates" in CASES["as_good_as_separate"].text
    assert "4.0 times all-shared's" in CASES["best_within_limits"].text


def test_sharing_names_its_rivals() -> None:
    assert "neither all-separate nor any of 1 finalist was distinguishably better" in CASES["share_everything"].text
    alone = verdict(arms(SHARED, with_plan=False), BELOW, ABOUT, 5, Limits())
    assert "all-separate was not distinguishably better" in alone.text


def test_sharing_says_nothing_of_a_rival_that_the_limits_forbid() -> None:
    """All-separate may well be better; it was not among the choices."""
    limits = Limits(macs_ratio=3)
    found = of(SHARED, BELOW, limits=limits)
    assert found.code == "share_everything"
    assert "none of 1 finalist was distinguishably better; all-separate is over them (4.0 times" in found.text
    alone = verdict(arms(SHARED, with_plan=False), BELOW, ABOUT, 5, limits)
    assert "within the limits nothing else is left; all-separate is over them (4.0 times" in alone.text


@pytest.mark.parametrize(("n_more", "words"), [(1, "1 more seed"), (3, "3 more seeds")])
def test_a_lead_that_a_few_seeds_would_settle_is_not_enough(n_more: int, words: str) -> None:
    found = of(SHARED, BELOW, lead=Lead(PLAN, ABOUT, n_more))
    assert found.code == "not_enough"
    assert f"the gain of {PLAN} against all-shared is +0.0 % [-10.0, +10.0] on the validation split; " in found.text
    assert f"about {words} would probably settle it" in found.text
    assert (
        f"a new job that trains everything again: taskgroup run CONFIG --set name=NEW --set confirm.seeds={5 + n_more}"
        in found.text
    )
    few = verdict(arms(SHARED), BELOW, ABOUT, 2, Limits(), Lead(PLAN, ABOUT, n_more))
    assert f"at least {words} would" in few.text
    assert "told apart" not in found.text
    assert "in gain against all-separate the two cannot be told apart" in of(SHARED, lead=Lead(PLAN, ABOVE, 1)).text


def test_a_baseline_that_breaks_the_constraints_is_no_rival() -> None:
    def ruled(chosen: str, ruled_out: str, separate: Interval, shared: Interval) -> Verdict:
        return verdict(arms(chosen), separate, shared, 5, Limits(), ruled_out=frozenset({ruled_out}))

    sharing = ruled(SHARED, SEPARATE, BELOW, ABOUT)
    assert sharing.code == "share_everything"
    assert "within the constraints none of 1 finalist was distinguishably better; all-separate breaks" in sharing.text
    plan = ruled(PLAN, SHARED, ABOVE, BELOW)
    assert plan.code == "best_within_limits"
    assert "all-shared, which breaks them, is not distinguishably worse: +30.0 %" in plan.text
    assert ruled(PLAN, SHARED, ABOVE, ABOVE) == CASES["better_than_both"]
    assert "cheaper and keeps the constraints was" in ruled(SEPARATE, SHARED, ABOUT, ABOVE).text


def test_a_lead_that_no_seeds_would_settle_changes_nothing() -> None:
    assert of(SHARED, BELOW, lead=Lead(PLAN, ABOUT, None)) == CASES["share_everything"]
    assert of(PLAN, ABOVE, ABOVE, lead=Lead(SEPARATE, ABOUT, 2)) == CASES["better_than_both"]
