import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.cluster.hierarchy import cut_tree, linkage

from taskgroup.core.grouping import Grouping, canonical_labels
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree

# ((a, c), (b, d)), e
TREE = MergeTree(tasks=tuple("abcde"), merges=((0, 2), (1, 3), (5, 6), (4, 7)), heights=(1.0, 2.0, 3.0, 4.0))
STAGES = ("s1", "s2", "s3")


@st.composite
def trees(draw: st.DrawFn) -> MergeTree:
    n_tasks = draw(st.integers(1, 7))
    free, merges = list(range(n_tasks)), []
    for k in range(n_tasks - 1):
        a = free.pop(draw(st.integers(0, len(free) - 1)))
        b = free.pop(draw(st.integers(0, len(free) - 1)))
        merges.append((min(a, b), max(a, b)))
        free.append(n_tasks + k)
    heights = tuple(float(k) for k in range(n_tasks - 1))
    return MergeTree(tasks=tuple("abcdefg"[:n_tasks]), merges=tuple(merges), heights=heights)


@given(trees(), st.data())
def test_every_sequence_of_splits_is_a_topology_and_comes_back(tree: MergeTree, data: st.DataObject) -> None:
    n = len(tree.merges)
    splits = data.draw(st.lists(st.integers(-2, 5), min_size=n, max_size=n))
    topology = tree.topology(STAGES, splits)
    back = tree.splits_of(topology)
    assert back is not None
    assert tree.topology(STAGES, back) == topology
    assert all(b >= min(max(s, 0), 3) for b, s in zip(back, splits, strict=True))  # raised to the parent's, never less
    assert tree.splits_of(tree.topology(STAGES, back)) == back


@given(trees(), st.data())
def test_monotone_splits_are_what_both_sides_share(tree: MergeTree, data: st.DataObject) -> None:
    n_tasks = len(tree.tasks)
    splits = sorted(data.draw(st.lists(st.integers(0, 3), min_size=n_tasks - 1, max_size=n_tasks - 1)), reverse=True)
    topology = tree.topology(STAGES, splits)
    for (a, b), split in zip(tree.merges, splits, strict=True):
        for i in tree.leaves(a):
            for j in tree.leaves(b):
                assert topology.n_shared(tree.tasks[i], tree.tasks[j]) == split
    assert tree.splits_of(topology) == tuple(splits)


@given(trees())
def test_linkage_round_trip(tree: MergeTree) -> None:
    rows = tree.linkage()
    assert rows.shape == (len(tree.merges), 4)
    assert MergeTree.from_linkage(tree.tasks, rows) == tree


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_leaf_counts_are_those_of_scipy(seed: int) -> None:
    rows = linkage(np.random.default_rng(seed).normal(size=(7, 2)), "average")
    tree = MergeTree.from_linkage(tuple("abcdefg"), rows)
    np.testing.assert_allclose(tree.linkage()[:, 2:], rows[:, 2:])
    for k in range(1, 8):
        expected = canonical_labels(int(x) for x in cut_tree(rows, n_clusters=[k])[:, 0])
        assert tree.cut(k).labels == expected


def test_topology_by_hand() -> None:
    # e leaves before stage 1, {a, c} and {b, d} part after stage 1, b and d after stage 2, a and c never.
    topology = TREE.topology(STAGES, (3, 2, 1, 0))
    assert topology.matrix == ((0, 0, 0, 0, 1), (0, 1, 0, 1, 2), (0, 1, 0, 2, 3))
    assert TREE.splits_of(topology) == (3, 2, 1, 0)


def test_a_split_is_raised_to_the_one_above() -> None:
    assert TREE.topology(STAGES, (0, 0, 0, 2)) == TREE.topology(STAGES, (2, 2, 2, 2))
    assert TREE.splits_of(TREE.topology(STAGES, (0, 3, 1, 0))) == (1, 3, 1, 0)


def test_ends() -> None:
    assert TREE.topology(STAGES, (3,) * 4) == Topology.shared(TREE.tasks, STAGES)
    assert TREE.topology(STAGES, (0,) * 4) == Topology.separate(TREE.tasks, STAGES)
    assert TREE.cut(1) == Grouping.together("abcde")
    assert TREE.cut(3) == Grouping.of("abcde", ["ac", "bd", "e"])
    assert TREE.cut(5) == Grouping.apart("abcde")


def test_a_topology_across_the_tree_has_no_splits() -> None:
    crossing = Topology.branched(Grouping.of("abcde", ["ab", "cde"]), STAGES, 1)
    assert TREE.splits_of(crossing) is None


def test_leaves() -> None:
    assert [TREE.leaves(node) for node in (1, 5, 7, 8)] == [(1,), (0, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4)]


def test_one_task() -> None:
    tree = MergeTree(tasks=("a",), merges=(), heights=())
    assert tree.linkage().shape == (0, 4)
    assert tree.topology(STAGES, ()).matrix == ((0,), (0,), (0,))
    assert tree.splits_of(tree.topology(STAGES, ())) == ()


@pytest.mark.parametrize(
    ("merges", "heights", "sentence"),
    [
        (((0, 1),), (1.0,), "a merge tree over 3 tasks needs 2 merges and heights, found 1"),
        (((0, 1), (2, 3)), (1.0,), "needs 2 merges and heights"),
        (((0, 1), (0, 3)), (1.0, 2.0), "every node but the root exactly once"),
        (((0, 3), (1, 2)), (1.0, 2.0), "each after it was made"),
        (((0, 1), (2, 3)), (2.0, 1.0), r"finite and not decrease, found \[2.0, 1.0\]"),
        (((0, 1), (2, 3)), (1.0, float("nan")), "finite and not decrease"),
    ],
)
def test_sentences(merges: tuple[tuple[int, int], ...], heights: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        MergeTree(tasks=("a", "b", "c"), merges=merges, heights=heights)


@pytest.mark.parametrize("n_groups", [0, 6])
def test_cut_outside_the_tree(n_groups: int) -> None:
    with pytest.raises(ValueError, match=f"`n_groups` should be 1 to 5, found {n_groups}"):
        TREE.cut(n_groups)


@pytest.mark.parametrize("splits", [(1, 1, 1), (1, 1, 1, 1, 1)])
def test_one_split_a_merge(splits: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"`splits` should hold one number a merge \(4\), found {len(splits)}"):
        TREE.topology(STAGES, splits)
