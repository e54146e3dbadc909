"""Values of hierarchical grouping: linkages worked out by hand, and ward against points."""

import numpy as np
import pytest
from numpy.typing import ArrayLike
from planted_affinities import affinity_of, clades, parts
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from taskgroup.core.affinity import Array
from taskgroup.groupers.hierarchical import Hierarchical, Linkage, linkage_tree, ward_distances
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


@pytest.mark.parametrize("seed", range(5))
def test_ward_equals_that_of_the_points(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(7, 3))
    points[6] = points[0]  # the nearest pair has distance 0, as in every matrix max(s) - s
    tree = linkage_tree(pairs_of(squareform(pdist(points)) ** 2 / 2, "gfedcba"), "ward")
    expected = linkage(points, "ward")
    assert tree.heights == pytest.approx(expected[:, 2], abs=1e-6)
    below = [frozenset(name) for name in "abcdefg"]
    for a, b in expected[:, :2].astype(int):
        below.append(below[a] | below[b])
    assert [names for names, _ in clades(tree)] == below[7:]


def test_ward_finds_points_where_similarities_are_no_inner_products() -> None:
    distances = ward_distances(four_points())  # a and b coincide, yet c is 4 from the one and 6 from the other
    squares = distances**2
    centre = np.eye(4) - 0.25
    eigenvalues = np.linalg.eigvalsh(-0.5 * centre @ squares @ centre)
    assert eigenvalues.min() == pytest.approx(0, abs=1e-9)
    added = (squares - 2 * four_points())[np.triu_indices(4, 1)]
    assert added == pytest.approx(np.full(6, added[0]))
    assert added[0] > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_constant_does_not_change_the_tree_of_ward(seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(0, 4, size=(8, 8))
    distances = np.triu(noise, 1) + np.triu(noise, 1).T
    further = distances + 3 * (1 - np.eye(8))
    there = [names for names, _ in clades(linkage_tree(pairs_of(distances, "hgfedcba"), "ward"))]
    # pairs_of(further) would lose the constant again in max(s) - s, so the linkage is asked directly
    rows = linkage(squareform(ward_distances(further)), "ward")
    below = [frozenset(name) for name in "abcdefgh"]
    for a, b in rows[:, :2].astype(int):
        below.append(below[a] | below[b])
    assert there == below[8:]


def test_ward_groups_by_hand() -> None:
    found = Hierarchical(linkage="ward")(affinity_of(np.kron(np.eye(3), np.ones((2, 2))), names="abcdef"))
    assert found.notes == ()
    assert parts(found.proposals[1].grouping) == {frozenset("ab"), frozenset("cd"), frozenset("ef")}
