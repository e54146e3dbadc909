"""Values of hierarchical grouping: linkages worked out by hand, and ward against points."""

import numpy as np
import pytest
from numpy.typing import ArrayLike
from planted_affinities import affinity_of, clades, parts
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from taskgroup.core.affinity import Array
from taskgroup.groupers.hierarchical import Hierarchical, Linkage, euclidean_defect, linkage_tree, refusal
from taskgroup.groupers.pairs import Pairs

U = np.sqrt(1.5)  # similarities of BALANCED are U, 0 and -U: gains 6, 3, 0 less their mean 3, over their rms sqrt(6)
BALANCED = [[0, 6, 3, 0], [6, 0, 0, 3], [3, 0, 0, 6], [0, 3, 6, 0]]


def pairs_of(distances: ArrayLike, names: str = "abcd") -> Pairs:
    """Pairs at these distances, given in alphabetical order; ``names`` is the order of the tasks."""
    order = tuple(names.index(name) for name in sorted(names))
    return Pairs(tuple(names), order, -np.array(distances, dtype=np.float64), ())


def four_points() -> Array:
    return np.array([[0, 0, 4, 7], [0, 0, 6, 9], [4, 6, 0, 7], [7, 9, 7, 0]], dtype=np.float64)


@pytest.mark.parametrize(
    ("method", "heights"), [("average", (0.0, 5.0, 23 / 3)), ("complete", (0.0, 6.0, 9.0))], ids=["average", "complete"]
)
def test_four_tasks_by_hand(method: Linkage, heights: tuple[float, ...]) -> None:
    # a and b meet at 0; c is 4 and 6 from them; d is 7, 9 and 7 from the three. Tasks are in the order d, b, a, c.
    tree = linkage_tree(pairs_of(four_points(), "dbac"), method)
    assert tree.tasks == ("d", "b", "a", "c")
    assert tree.merges == ((1, 2), (3, 4), (0, 5))
    assert tree.heights == pytest.approx(heights)


@pytest.mark.parametrize(("method", "root"), [("average", 1.5 * U), ("complete", 2 * U)])
def test_from_the_affinity_to_the_tree_by_hand(method: Linkage, root: float) -> None:
    found = Hierarchical(linkage=method)(affinity_of(BALANCED, names="abcd"))
    assert clades(found.trees[0].tree) == [
        (frozenset("ab"), 0.0),
        (frozenset("cd"), 0.0),
        (frozenset("abcd"), round(root, 6)),
    ]
    assert [p.source for p in found.proposals] == [
        f"hierarchical({method}), 2 groups",
        f"hierarchical({method}), 3 groups",
    ]
    assert parts(found.proposals[0].grouping) == {frozenset("ab"), frozenset("cd")}


def test_ties_go_by_name() -> None:
    found = Hierarchical()(affinity_of(BALANCED, names="dcba"))  # ab and cd tie for the first merge: ab goes first
    assert parts(found.proposals[1].grouping) == {frozenset("ab"), frozenset("c"), frozenset("d")}


def test_ward_is_refused_where_no_points_have_the_distances() -> None:
    pairs = pairs_of(four_points())  # a and b coincide, yet c is 4 from the one and 6 from the other
    assert "needs Euclidean distances" in str(refusal(pairs, "ward"))
    assert refusal(pairs, "average") is None
    found = Hierarchical(linkage="ward")(affinity_of([[0, 5, 1, 1], [5, 0, 1, 2], [1, 1, 0, 4], [1, 2, 4, 0]]))
    assert (found.proposals, found.trees) == ((), ())
    assert len(found.notes) == 1
    assert found.notes[0].startswith("ward linkage is left out")


@pytest.mark.parametrize("seed", range(5))
def test_ward_equals_that_of_the_points(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(7, 3))
    points[6] = points[0]  # the nearest pair has distance 0, as in every matrix max(s) - s
    pairs = pairs_of(squareform(pdist(points)), "gfedcba")
    assert refusal(pairs, "ward") is None
    tree = linkage_tree(pairs, "ward")
    expected = linkage(points, "ward")
    assert tree.heights == pytest.approx(expected[:, 2])
    below = [frozenset(name) for name in "abcdefg"]
    for a, b in expected[:, :2].astype(int):
        below.append(below[a] | below[b])
    assert [names for names, _ in clades(tree)] == below[7:]


def test_ward_groups_where_it_is_valid() -> None:
    found = Hierarchical(linkage="ward")(affinity_of(np.kron(np.eye(3), np.ones((2, 2))), names="abcdef"))
    assert found.notes == ()
    assert parts(found.proposals[1].grouping) == {frozenset("ab"), frozenset("cd"), frozenset("ef")}


def test_euclidean_defect_by_hand() -> None:
    # B of the distances 1, 1, 3 has the eigenvalues 9/2, 0 and -5/6: the side 3 is longer than 1 + 1.
    assert euclidean_defect(np.array([[0, 1, 1], [1, 0, 3], [1, 3, 0.0]])) == pytest.approx((5 / 6) / (9 / 2))
    assert euclidean_defect(np.zeros((3, 3))) == 0
    assert euclidean_defect(np.zeros((1, 1))) == 0


@pytest.mark.parametrize("seed", range(3))
def test_points_have_no_defect(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(8, 2))
    assert euclidean_defect(squareform(pdist(points))) < 1e-12
    assert euclidean_defect(squareform(pdist(points, "cityblock"))) > 1e-3
