import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taskgroup.core.grouping import Grouping, canonical_labels

LABELS = st.lists(st.integers(-3, 5), min_size=1, max_size=8)


def grouping(*labels: int) -> Grouping:
    return Grouping(tasks=tuple("abcdefgh"[: len(labels)]), labels=labels)


def test_labels_are_numbered_by_first_appearance() -> None:
    assert canonical_labels([3, 1, 3, -2]) == (0, 1, 0, 2)
    assert grouping(7, 7, 2).labels == (0, 0, 1)
    assert grouping(1, 0) == grouping(0, 1)


@given(LABELS)
def test_canonical_labels_keep_the_partition(labels: list[int]) -> None:
    canonical = canonical_labels(labels)
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    assert all((labels[i] == labels[j]) == (canonical[i] == canonical[j]) for i, j in pairs)
    assert canonical_labels(canonical) == canonical
    assert set(canonical) == set(range(len(set(labels))))


def test_of_and_groups_are_inverse() -> None:
    made = Grouping.of(["c", "a", "b"], [["b"], ["a", "c"]])
    assert made.labels == (0, 0, 1)
    assert made.groups == (("c", "a"), ("b",))
    assert len(made) == 2


@pytest.mark.parametrize("groups", [[["a"]], [["a", "b"], ["b"]], [["a", "b", "c"]]])
def test_groups_must_hold_every_task_once(groups: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=r"groups should hold each of \['a', 'b'\] exactly once, found"):
        Grouping.of(["a", "b"], groups)


def test_one_label_a_task() -> None:
    with pytest.raises(ValidationError, match="one label a task, found 1 for 2 tasks"):
        Grouping(tasks=("a", "b"), labels=(0,))
    with pytest.raises(ValidationError, match="found 0 for 0 tasks"):
        Grouping(tasks=(), labels=())


def test_together_and_apart() -> None:
    assert Grouping.together("abc").groups == (("a", "b", "c"),)
    assert Grouping.apart("abc").groups == (("a",), ("b",), ("c",))


def test_refines_by_hand() -> None:
    fine, coarse, crossing = grouping(0, 0, 1, 2), grouping(0, 0, 1, 1), grouping(0, 1, 0, 1)
    assert fine.refines(coarse)
    assert not coarse.refines(fine)
    assert not crossing.refines(coarse)


@given(LABELS, st.data())
def test_refines_is_inclusion_of_groups(labels: list[int], data: st.DataObject) -> None:
    one = grouping(*labels)
    two = grouping(*data.draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))))
    inside = all(any(set(g) <= set(h) for h in two.groups) for g in one.groups)
    assert one.refines(two) == inside
    assert one.refines(one)
    assert one.refines(Grouping.together(one.tasks))
    assert Grouping.apart(one.tasks).refines(one)
