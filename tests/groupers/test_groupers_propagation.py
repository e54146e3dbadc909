"""Values of affinity propagation: exemplars against brute force, the range of preferences, ties and no settling."""

from itertools import combinations

import numpy as np
import pytest
from planted_affinities import affinity_of, parts, planted_matrix, random_matrix

from taskgroup.core.affinity import Array
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.propagation import AffinityPropagation, net_similarity, preference_range, settled_labels

# On a line at 0, 1, 2 and 10, 11: the exemplars are 1 and either of the last two.
LINE = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
SIMILARITY = -np.abs(LINE[:, None] - LINE)


def best_exemplars(similarity: Array, preference: float) -> float:
    """The objective's maximum, over every set of exemplars."""
    n_tasks = len(similarity)
    sets = [list(s) for k in range(1, n_tasks + 1) for s in combinations(range(n_tasks), k)]
    others = [[i for i in range(n_tasks) if i not in s] for s in sets]
    return max(
        float(similarity[np.ix_(o, s)].max(axis=1).sum()) + preference * len(s)
        for s, o in zip(sets, others, strict=True)
    )


def test_net_similarity_by_hand() -> None:
    assert net_similarity(SIMILARITY, (0, 0, 0, 1, 1)) == -3  # 0 and 2 to 1, 10 to 11
    assert net_similarity(SIMILARITY, (0, 0, 0, 0, 0)) == -20  # all to 2: 2 + 1 + 8 + 9; to 1 it is 1 + 1 + 9 + 10


def test_range_of_preferences_by_hand() -> None:
    low, high = preference_range(SIMILARITY)
    assert low == -20 + 3  # one exemplar costs 20, two cost 3
    assert high == -1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_reaches_the_best_exemplars_of_brute_force(seed: int, share: float) -> None:
    similarity = -Pairs.of(affinity_of(planted_matrix((3, 2, 3), 0.3, seed)[0])).distances()
    low, high = preference_range(similarity)
    preference = low + share * (high - low)
    labels = settled_labels(similarity, np.full(8, preference), 0.9, 2000)
    assert labels is not None
    reached = net_similarity(similarity, tuple(labels)) + preference * len(set(labels))
    assert reached == pytest.approx(best_exemplars(similarity, preference), abs=1e-6)


def test_below_the_range_one_group_is_best_and_above_it_all_apart() -> None:
    similarity = -Pairs.of(affinity_of(random_matrix(7, 1))).distances()
    low, high = preference_range(similarity)
    one = similarity.sum(axis=0).max()
    assert best_exemplars(similarity, low - 0.01) == pytest.approx(one + low - 0.01)
    assert best_exemplars(similarity, low + 0.01) > one + low + 0.01
    assert best_exemplars(similarity, high + 0.01) == pytest.approx(7 * (high + 0.01))


def test_exact_ties_between_exemplars_are_decided() -> None:
    found = AffinityPropagation()(affinity_of(np.kron(np.eye(3), np.ones((2, 2))), names="fbdace"))
    assert [p.source for p in found.proposals] == ["affinity_propagation, 3 groups"]
    assert parts(found.proposals[0].grouping) == {frozenset("fb"), frozenset("da"), frozenset("ce")}
    assert found.notes == ("affinity_propagation found no grouping into 2, 4 to 5 groups: not proposed",)


def test_messages_that_do_not_settle_are_a_note_and_no_warning() -> None:
    found = AffinityPropagation(max_rounds=3)(affinity_of(random_matrix(6, 0)))
    assert found.proposals == ()
    assert found.notes[-1].startswith("affinity_propagation did not settle at ")
    assert "found no grouping into 2 to 5 groups" in found.notes[0]


def test_a_hub_where_no_preference_gives_two_groups() -> None:
    # b is as near to a and to c as anything is: any two exemplars are worth as much as b alone, less one preference.
    matrix = [[0, 9, 0], [9, 0, 9], [0, 9, 0]]
    found = AffinityPropagation()(affinity_of(matrix, names="abc"))
    assert all(len(p.grouping) == 2 for p in found.proposals)
    assert found.proposals or found.notes


def test_options_are_checked() -> None:
    for options in ({"damping": 0.4}, {"damping": 1.0}, {"tries": 1}, {"max_groups": 1}, {"symmetrization": "mean"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            AffinityPropagation.model_validate(options)


def test_the_symmetrization_is_named() -> None:
    found = AffinityPropagation(symmetrization="centred-max")(affinity_of(planted_matrix((3, 3), 0.1, 0)[0]))
    assert "affinity_propagation(centred-max), 2 groups" in [p.source for p in found.proposals]
