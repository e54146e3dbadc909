"""The user's own groups: what is proposed of them, and what is refused."""

import pytest
from planted_affinities import affinity_of, parts, random_matrix

from taskgroup.errors import InputError
from taskgroup.groupers.given import Given

AFFINITY = affinity_of(random_matrix(5, 0), names=("mass", "age", "loops", "ink", "rim"))


def test_tasks_left_out_are_alone_by_default() -> None:
    (proposal,) = Given(groups=(("ink", "mass"),))(AFFINITY).proposals
    assert proposal.source == "given, 4 groups"
    assert proposal.grouping.tasks == AFFINITY.tasks
    assert proposal.grouping.groups == (("mass", "ink"), ("age",), ("loops",), ("rim",))


def test_or_together_in_one_more_group() -> None:
    (proposal,) = Given(groups=(("ink", "mass"), ("rim",)), rest="together")(AFFINITY).proposals
    assert proposal.source == "given, 3 groups"
    assert parts(proposal.grouping) == {frozenset({"ink", "mass"}), frozenset({"rim"}), frozenset({"age", "loops"})}


def test_a_whole_partition_leaves_no_rest() -> None:
    groups = (("ink", "mass"), ("rim", "age", "loops"))
    for rest in ("alone", "together"):
        found = Given.model_validate({"groups": groups, "rest": rest})(AFFINITY)
        assert parts(found.proposals[0].grouping) == {frozenset(group) for group in groups}
        assert (found.trees, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("groups", "rest", "end"),
    [
        ((("mass", "age", "loops", "ink", "rim"),), "alone", "together"),
        ((), "together", "together"),
        ((), "alone", "apart"),
    ],
)
def test_the_ends_are_no_proposals_and_said(groups: tuple[tuple[str, ...], ...], rest: str, end: str) -> None:
    found = Given.model_validate({"groups": groups, "rest": rest})(AFFINITY)
    assert found.proposals == ()
    assert found.notes == (f"given: all {end}, which is always a candidate",)


def test_unknown_and_doubled_tasks_are_all_told_at_once() -> None:
    grouper = Given(groups=(("mas", "age"), ("age", "ink"), ("zzz",)))
    for ask in (lambda: grouper(AFFINITY), lambda: grouper.check(AFFINITY.tasks)):
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.problems == (
            "`groups` should name tasks of the problem, found `mas`, did you mean `mass`?",
            "`groups` should name tasks of the problem, found `zzz`",
            "`groups` should name each task once, found `age` 2 times",
        )


def test_groups_have_to_be_given() -> None:
    with pytest.raises(ValueError, match="groups"):
        Given.model_validate({})
