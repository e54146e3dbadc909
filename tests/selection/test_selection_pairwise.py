"""HOA by hand, and what calibration learns."""

import numpy as np
import pytest

from taskgroup.core.cover import GroupScores
from taskgroup.errors import InputError
from taskgroup.selection import hoa
from taskgroup.selection.pairwise import all_subsets, predict

NAN = np.nan
PAIRS = GroupScores.of(
    ("a", "b", "c"),
    [{"a": 1.0, "b": 2.0}, {"a": 3.0, "c": 4.0}, {"b": 5.0, "c": 6.0}, {"a": 0.5}],
    [1.0, 1.0, 1.0, 0.5],
)


def table(n_tasks: int = 5, extra: float = 0.5) -> GroupScores:
    """Every group; errors are means over pairs, and ``extra`` higher for each partner beyond the first."""
    rng = np.random.default_rng(0)
    groups = all_subsets(n_tasks)
    pairs = rng.uniform(1, 3, (n_tasks, n_tasks))
    np.fill_diagonal(pairs, 0.0)
    partners = groups.sum(axis=1)[:, None] - 1
    errors = groups @ pairs.T / np.maximum(partners, 1) + extra * np.maximum(partners - 1, 0)
    return GroupScores(tuple("abcde"[:n_tasks]), groups, np.where(groups, errors, NAN), np.ones(len(groups)))


def rows(scores: GroupScores, keep: np.ndarray) -> GroupScores:
    return GroupScores(scores.tasks, scores.members[keep], scores.errors[keep], scores.cost[keep])


def test_mean_over_partners_by_hand() -> None:
    """Task a has 1 beside b and 3 beside c, so 2; b has 2 and 5; c has 4 and 6."""
    scores = hoa(PAIRS, np.array([[True, True, True]]))
    assert scores.errors[-1].tolist() == [2.0, 3.5, 5.0]
    assert scores.cost.tolist() == [1.0, 1.0, 1.0, 0.5, 1.0]
    np.testing.assert_array_equal(scores.errors[:4], PAIRS.errors)


def test_all_subsets_by_default_and_measured_rows_kept() -> None:
    prediction = predict(PAIRS, calibrated=False)
    assert prediction.measured.tolist() == [True] * 4 + [False] * 3
    assert [prediction.scores.group(row) for row in range(4, 7)] == [("b",), ("c",), ("a", "b", "c")]
    assert prediction.notes == ()
    again = predict(PAIRS, all_subsets(3), calibrated=False, keep_measured=False)
    assert again.scores.errors[2].tolist()[:2] == [1.0, 2.0]
    assert not again.measured.any()


def test_unknown_pairs_count_with_the_tasks_mean() -> None:
    """Pair {b, c} unknown: b counts with 2 (its only pair), c with 4."""
    prediction = predict(rows(PAIRS, np.array([True, True, False, True])), np.ones((1, 3), dtype=bool))
    assert prediction.scores.errors[-1].tolist() == [2.0, 2.0, 4.0]
    assert prediction.notes[0] == "1 of 3 pairs are unknown; their tasks' means stand for them"
    assert prediction.notes[1].startswith("not calibrated: calibration needs 3 groups of three or more tasks")
    alone = GroupScores.of(("a", "b", "c"), [{"a": 1.0, "b": 2.0}, {"c": 7.0}])
    assert hoa(alone, np.ones((1, 3), dtype=bool)).errors[-1].tolist() == [1.0, 2.0, 7.0]


def test_a_pair_in_two_rows_counts_with_its_mean() -> None:
    twice = GroupScores.of(("a", "b"), [{"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 6.0}])
    assert hoa(twice, np.ones((1, 2), dtype=bool), keep_measured=False).errors[0].tolist() == [1.5, 5.0]


def test_larger_groups_teach_what_size_costs() -> None:
    truth = table()
    sizes = truth.members.sum(axis=1)
    seen = (sizes <= 2) | (np.arange(len(sizes)) % 2 == 0)
    larger = ~seen & (sizes > 2)
    prediction = predict(rows(truth, seen), truth.members[larger])
    found = prediction.scores.errors[~prediction.measured] - truth.errors[larger]
    plain = hoa(rows(truth, seen), truth.members[larger]).errors[~prediction.measured] - truth.errors[larger]
    assert prediction.calibration is not None
    assert np.sqrt(np.nanmean(found**2)) < 0.2 * np.sqrt(np.nanmean(plain**2))
    assert prediction.calibration.after < 0.2 * prediction.calibration.before


def test_pairs_that_say_it_all_need_no_correction() -> None:
    truth = table(extra=0.0)
    prediction = predict(rows(truth, truth.members.sum(axis=1) != 4), truth.members)
    assert prediction.calibration is not None
    np.testing.assert_allclose(prediction.scores.errors[~prediction.measured], truth.errors[truth.members.sum(1) == 4])


def test_correction_does_not_depend_on_the_unit() -> None:
    truth = table()
    keep = np.arange(len(truth.cost)) % 3 > 0
    factors = np.array([1.0, 10.0, 0.1, 2.0, 5.0])
    scaled = GroupScores(truth.tasks, truth.members, truth.errors * factors + 7.0, truth.cost)
    one, other = predict(rows(truth, keep)).scores, predict(rows(scaled, keep)).scores
    np.testing.assert_allclose(one.errors * factors + 7.0, other.errors)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        (np.ones((2, 4), dtype=bool), r"`groups` should have shape \(groups, 3\), found \(2, 4\)"),
        (np.zeros((1, 3), dtype=bool), "every group of `groups` should have a task"),
    ],
)
def test_wrong_groups_are_refused(groups: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        hoa(PAIRS, groups)


def test_what_cannot_be_predicted_is_named() -> None:
    with pytest.raises(InputError, match="measured in some group, found none for b"):
        hoa(GroupScores.of(("a", "b"), [{"a": 1.0}]))
    names = tuple(f"t{i}" for i in range(13))
    with pytest.raises(InputError, match="needed for more than 12 tasks, found none for 13 tasks"):
        hoa(GroupScores.of(names, [dict.fromkeys(names, 1.0)]))
