"""Grouping: a partition of the tasks."""

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import model_validator

from taskgroup.core.task import Frozen


def canonical_labels(labels: Iterable[int]) -> tuple[int, ...]:
    """Relabel so that groups are numbered by first appearance: (3, 1, 3) becomes (0, 1, 0)."""
    seen: dict[int, int] = {}
    return tuple(seen.setdefault(int(label), len(seen)) for label in labels)


def groups_of(tasks: Iterable[str], labels: Iterable[int]) -> tuple[tuple[str, ...], ...]:
    """Tasks with equal labels, each group in task order, ordered by their first task."""
    found: dict[int, list[str]] = {}
    for task, label in zip(tasks, labels, strict=True):
        found.setdefault(label, []).append(task)
    return tuple(map(tuple, found.values()))


class Grouping(Frozen):
    """A partition of the tasks.

    Attributes:
        tasks: Task names, shape ``(T,)``.
        labels: Group of each task, shape ``(T,)``, numbered by first appearance.

    Example:
        >>> Grouping.of(["a", "b", "c"], [["c", "a"], ["b"]]).labels
        (0, 1, 0)
    """

    tasks: tuple[str, ...]
    labels: tuple[int, ...]

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if len(self.tasks) != len(self.labels) or not self.tasks:
            raise ValueError(f"a grouping needs one label a task, found {len(self.labels)} for {len(self.tasks)} tasks")
        object.__setattr__(self, "labels", canonical_labels(self.labels))
        return self

    @classmethod
    def of(cls, tasks: Sequence[str], groups: Iterable[Iterable[str]]) -> "Grouping":
        """Grouping from explicit groups, which must hold every task exactly once."""
        listed = [list(g) for g in groups]
        flat = [t for g in listed for t in g]
        if sorted(flat) != sorted(tasks):
            raise ValueError(f"groups should hold each of {sorted(tasks)} exactly once, found {sorted(flat)}")
        label = {t: k for k, group in enumerate(listed) for t in group}
        return cls(tasks=tuple(tasks), labels=tuple(label[t] for t in tasks))

    @classmethod
    def together(cls, tasks: Sequence[str]) -> "Grouping":
        """All tasks in one group."""
        return cls(tasks=tuple(tasks), labels=(0,) * len(tasks))

    @classmethod
    def apart(cls, tasks: Sequence[str]) -> "Grouping":
        """Every task alone."""
        return cls(tasks=tuple(tasks), labels=tuple(range(len(tasks))))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The groups, each in task order, ordered by their first task."""
        return groups_of(self.tasks, self.labels)

    def __len__(self) -> int:
        return max(self.labels) + 1

    def refines(self, other: "Grouping") -> bool:
        """Whether each of these groups lies inside one group of ``other``."""
        return len(set(zip(self.labels, other.labels, strict=True))) == len(self)
