import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taskgroup.core.grouping import Grouping, canonical_labels
from taskgroup.core.topology import Module, Topology

TASKS, STAGES = ("a", "b", "c", "d"), ("s1", "s2", "s3")
BRANCHED = Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 2, 0)))


@st.composite
def chains(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Rows of which each refines the one before: the old label together with a fresh one."""
    n_tasks = draw(st.integers(1, 6))
    row: tuple[int, ...] = (0,) * n_tasks
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        fresh = draw(st.lists(st.integers(0, 2), min_size=n_tasks, max_size=n_tasks))
        row = canonical_labels(7 * old + new for old, new in zip(row, fresh, strict=True))
        rows.append(row)
    return tuple(rows)


def topology(rows: tuple[tuple[int, ...], ...]) -> Topology:
    names = tuple(f"t{i}" for i in range(len(rows[0])))
    return Topology(tasks=names, stages=tuple(f"s{i}" for i in range(len(rows))), matrix=rows)


@given(chains())
def test_every_chain_of_refinements_is_a_tree(rows: tuple[tuple[int, ...], ...]) -> None:
    made = topology(rows)
    graph = made.graph()
    assert nx.is_arborescence(graph)
    leaves = {node for node in graph if graph.out_degree(node) == 0}
    assert leaves == {f"task:{name}" for name in made.tasks}
    assert nx.dag_longest_path_length(graph) == len(rows) + 1
    assert Topology.model_validate_json(made.model_dump_json()) == made


@given(chains())
def test_a_row_above_a_coarser_one_is_refused(rows: tuple[tuple[int, ...], ...]) -> None:
    coarser = [k for k in range(1, len(rows)) if max(rows[k]) > max(rows[k - 1])]
    for k in coarser:
        swapped = (*rows[: k - 1], rows[k], rows[k - 1], *rows[k + 1 :])
        with pytest.raises(ValidationError, match="tasks that came apart cannot share again"):
            topology(swapped)


@given(chains(), st.data())
def test_any_matrix_is_accepted_exactly_when_sharing_never_comes_back(
    rows: tuple[tuple[int, ...], ...], data: st.DataObject
) -> None:
    n_tasks = len(rows[0])
    last = canonical_labels(data.draw(st.lists(st.integers(0, 3), min_size=n_tasks, max_size=n_tasks)))
    pairs = [(i, j) for i in range(n_tasks) for j in range(i)]
    valid = all(rows[-1][i] == rows[-1][j] for i, j in pairs if last[i] == last[j])
    if valid:
        assert topology((*rows, last)).matrix[-1] == last
    else:
        with pytest.raises(ValidationError, match="should refine"):
            topology((*rows, last))


def test_groups_modules_and_shared_depth() -> None:
    assert BRANCHED.groups(1) == (("a", "b", "d"), ("c",))
    assert BRANCHED.modules() == (
        Module(0, 0, TASKS),
        Module(1, 0, ("a", "b", "d")),
        Module(1, 1, ("c",)),
        Module(2, 0, ("a", "d")),
        Module(2, 1, ("b",)),
        Module(2, 2, ("c",)),
    )
    assert [BRANCHED.n_shared("a", other) for other in "bcd"] == [2, 1, 3]


def test_graph_by_hand() -> None:
    assert set(BRANCHED.graph().edges) == {
        ("input", "s1/0"),
        *(("s1/0", "s2/0"), ("s1/0", "s2/1")),
        *(("s2/0", "s3/0"), ("s2/0", "s3/1"), ("s2/1", "s3/2")),
        *(("s3/0", "task:a"), ("s3/0", "task:d"), ("s3/1", "task:b"), ("s3/2", "task:c")),
    }
    assert BRANCHED.graph().nodes["s2/0"] == {"kind": "stage", "stage": "s2", "copy": 0, "tasks": ["a", "b", "d"]}


def test_shared_separate_and_branched() -> None:
    shared, separate = Topology.shared(TASKS, STAGES), Topology.separate(TASKS, STAGES)
    assert (shared.is_shared, shared.is_separate) == (True, False)
    assert (separate.is_shared, separate.is_separate) == (False, True)
    assert not BRANCHED.is_shared
    assert not BRANCHED.is_separate
    grouping = Grouping.of(TASKS, ["ac", "bd"])
    assert Topology.branched(grouping, STAGES, 2).matrix == ((0, 0, 0, 0), (0, 0, 0, 0), (0, 1, 0, 1))
    assert Topology.branched(grouping, STAGES, 3) == shared
    assert BRANCHED.grouping(1) == Grouping.of(TASKS, ["abd", "c"])


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (((0, 0, 0, 0),), r"one row a stage \(3\), found 1 rows"),
        (((0, 0, 0),) * 3, r"row of stage `s1` should have one entry a task \(4\), found 3"),
        (((1, 0, 0, 0),) * 3, r"number copies by first appearance, found \[1, 0, 0, 0\] instead of \[0, 1, 1, 1\]"),
        (((0, 0, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0)), "stage `s2` should refine stage `s1`"),
    ],
)
def test_sentences(matrix: tuple[tuple[int, ...], ...], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Topology(tasks=TASKS, stages=STAGES, matrix=matrix)


def test_groupings_of_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="the same tasks in the same order"):
        Topology.from_groupings(("s1", "s2"), [Grouping.together("ab"), Grouping.apart("ba")])
