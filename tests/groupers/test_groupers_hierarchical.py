"""Values of hierarchical grouping: linkages worked out by hand, and ward against points."""

from typing import Literal, get_args

import numpy as np
import pytest
from numpy.typing import ArrayLike
from planted_affinities import affinity_of, clades, parts
from pydantic import ValidationError
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from taskgroup.core.affinity import Array, Symmetrization
from taskgroup.groupers import GROUPERS
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
    ("method", "heights"),
    [
        ("average", (0.0, 5.0, 23 / 3)),
        ("complete", (0.0, 6.0, 9.0)),
        ("weighted", (0.0, 5.0, 7.5)),  # d to a and b 8, to c 7
        ("single", (0.0, 4.0, 7.0)),
    ],
)
def test_four_tasks_by_hand(method: Linkage, heights: tuple[float, ...]) -> None:
    # a and b meet at 0; c is 4 and 6 from them; d is 7, 9 and 7 from the three. Tasks are in the order d, b, a, c.
    tree = linkage_tree(pairs_of(four_points(), "dbac"), method)
    assert tree.tasks == ("d", "b", "a", "c")
    assert tree.merges == ((1, 2), (3, 4), (0, 5))
    assert tree.heights == pytest.approx(heights)


@pytest.mark.parametrize(("method", "root"), [("average", 1.5 * U), ("complete", 2 * U), ("single", U)])
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


def test_single_linkage_chains_where_average_does_not() -> None:
    at = np.array([0, 1, 2, 3, 4.5, 4.6])  # a to d in a row, each 1 from the next; e and f close together
    pairs = pairs_of(np.abs(at[:, None] - at), "abcdef")
    assert parts(linkage_tree(pairs, "single").cut(2)) == {frozenset("abcd"), frozenset("ef")}
    assert parts(linkage_tree(pairs, "average").cut(3)) == {frozenset("ab"), frozenset("cd"), frozenset("ef")}
    assert parts(linkage_tree(pairs, "single").cut(3)) != parts(linkage_tree(pairs, "average").cut(3))


@pytest.mark.parametrize("method", ["centroid", "median"])
def test_linkages_of_points_are_refused_with_the_reason(method: str) -> None:
    with pytest.raises(ValidationError, match=f"`{method}` needs points, and affinities tell distances up to a const"):
        GROUPERS.create("hierarchical", {"linkage": method})


def test_why_centroid_is_refused_its_tree_changes_with_a_constant_and_turns_back() -> None:
    triangle = linkage(squareform(1 - np.eye(3)), "centroid")
    assert triangle[:, 2] == pytest.approx([1, np.sqrt(3) / 2])
    squares = squareform(pdist(np.random.default_rng(0).normal(size=(8, 2)), "sqeuclidean"))

    def shapes(method: Literal["centroid", "ward"], constant: float) -> set[frozenset[int]]:
        rows = linkage(squareform(np.sqrt(squares + constant * (1 - np.eye(8)))), method)
        below = [frozenset({k}) for k in range(8)]
        for a, b in rows[:, :2].astype(int):
            below.append(below[a] | below[b])
        return set(below)

    assert shapes("centroid", 0.0) != shapes("centroid", 20.0)
    assert shapes("ward", 0.0) == shapes("ward", 20.0)


def test_the_symmetrization_is_named_where_it_is_not_the_usual_one() -> None:
    # a helps b and b does not help a; c and d help each other a little.
    matrix = [[0, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 4], [0, 0, 4, 0]]
    found = {
        how: Hierarchical(symmetrization=how)(affinity_of(matrix, names="abcd")) for how in get_args(Symmetrization)
    }
    assert {how: (found[how].proposals[-1].source, found[how].trees[0].source) for how in found} == {
        "centred-mean": ("hierarchical(average), 3 groups", "hierarchical(average)"),
        "centred-min": ("hierarchical(average, centred-min), 3 groups", "hierarchical(average, centred-min)"),
        "centred-max": ("hierarchical(average, centred-max), 3 groups", "hierarchical(average, centred-max)"),
    }
    closest = {
        how: next(group for group in found[how].proposals[-1].grouping.groups if len(group) == 2) for how in found
    }
    assert closest == {"centred-mean": ("a", "b"), "centred-min": ("c", "d"), "centred-max": ("a", "b")}
