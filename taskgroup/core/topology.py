"""Topology: one grouping per stage of the trunk, each refining the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from taskgroup.core.grouping import Grouping, canonical_labels, groups_of
from taskgroup.core.task import Frozen

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Module:
    """One copy of a trunk stage: ``copy`` counts the copies of that stage, ``tasks`` are those that pass through."""

    stage: int
    copy: int
    tasks: tuple[str, ...]


class Topology(Frozen):
    """Which tasks share which copy of each trunk stage.

    Attributes:
        tasks: Task names, shape ``(T,)``.
        stages: Stage names in order of execution, shape ``(S,)``.
        matrix: Copy of the stage that serves each task, shape ``(S, T)``; rows are numbered by first
            appearance, and every row refines the row above it (tasks that came apart stay apart).

    Example:
        >>> Topology(tasks=("a", "b"), stages=("s1", "s2"), matrix=((0, 0), (0, 1))).groups(1)
        (('a',), ('b',))
    """

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @model_validator(mode="after")
    def _check_tree(self) -> Self:
        if len(self.matrix) != len(self.stages) or not self.stages:
            raise ValueError(f"matrix should have one row a stage ({len(self.stages)}), found {len(self.matrix)} rows")
        for what, names in (("task", self.tasks), ("stage", self.stages)):
            repeated = sorted({n for n in names if names.count(n) > 1})
            if repeated:
                raise ValueError(f"{what} names should be unique, found {', '.join(repeated)} more than once")
        for stage, row in zip(self.stages, self.matrix, strict=True):
            if len(row) != len(self.tasks):
                raise ValueError(
                    f"row of stage `{stage}` should have one entry a task ({len(self.tasks)}), found {len(row)}"
                )
            if row != canonical_labels(row):
                raise ValueError(
                    f"row of stage `{stage}` should number copies by first appearance, found {list(row)} "
                    f"instead of {list(canonical_labels(row))}"
                )
        for s in range(1, len(self.stages)):
            if not self.grouping(s).refines(self.grouping(s - 1)):
                raise ValueError(
                    f"stage `{self.stages[s]}` should refine stage `{self.stages[s - 1]}`: tasks that came apart "
                    f"cannot share again, found {list(self.matrix[s])} below {list(self.matrix[s - 1])}"
                )
        return self

    @classmethod
    def from_groupings(cls, stages: Sequence[str], groupings: Sequence[Grouping]) -> "Topology":
        """Topology from one grouping per stage, all over the same tasks in the same order."""
        orders = sorted({g.tasks for g in groupings})
        if len(orders) > 1:
            raise ValueError(f"groupings should list the same tasks in the same order, found {orders}")
        return cls(tasks=groupings[0].tasks, stages=tuple(stages), matrix=tuple(g.labels for g in groupings))

    @classmethod
    def shared(cls, tasks: Sequence[str], stages: Sequence[str]) -> "Topology":
        """All tasks share every stage (hard parameter sharing)."""
        return cls.from_groupings(stages, [Grouping.together(tasks)] * len(stages))

    @classmethod
    def separate(cls, tasks: Sequence[str], stages: Sequence[str]) -> "Topology":
        """Every task has its own network."""
        return cls.from_groupings(stages, [Grouping.apart(tasks)] * len(stages))

    @classmethod
    def branched(cls, grouping: Grouping, stages: Sequence[str], n_shared: int) -> "Topology":
        """All tasks share the first ``n_shared`` stages, then part into the groups of ``grouping``."""
        together = Grouping.together(grouping.tasks)
        return cls.from_groupings(stages, [together if s < n_shared else grouping for s in range(len(stages))])

    @property
    def is_shared(self) -> bool:
        """Whether all tasks share every stage."""
        return max(self.matrix[-1]) == 0

    @property
    def is_separate(self) -> bool:
        """Whether no two tasks share any stage."""
        return max(self.matrix[0]) == len(self.tasks) - 1

    def grouping(self, stage: int) -> Grouping:
        """The partition at ``stage``."""
        return Grouping(tasks=self.tasks, labels=self.matrix[stage])

    def groups(self, stage: int) -> tuple[tuple[str, ...], ...]:
        """Tasks of each copy of ``stage``."""
        return groups_of(self.tasks, self.matrix[stage])

    def modules(self) -> tuple[Module, ...]:
        """Every copy of every stage, in order of execution."""
        return tuple(
            Module(s, copy, tasks) for s in range(len(self.stages)) for copy, tasks in enumerate(self.groups(s))
        )

    def n_shared(self, a: str, b: str) -> int:
        """Number of leading stages that tasks ``a`` and ``b`` share."""
        i, j = self.tasks.index(a), self.tasks.index(b)
        return sum(row[i] == row[j] for row in self.matrix)

    def graph(self) -> "nx.DiGraph[str]":
        """The tree as a digraph: ``input`` → ``stage/copy`` → ``task:name``; nodes carry ``kind`` and ``tasks``."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_node("input", kind="input", tasks=list(self.tasks))
        parent = dict.fromkeys(self.tasks, "input")
        for module in self.modules():
            name, tasks = self.stages[module.stage], module.tasks
            node = f"{name}/{module.copy}"
            graph.add_node(node, kind="stage", stage=name, copy=module.copy, tasks=list(tasks))
            graph.add_edge(parent[tasks[0]], node)
            parent.update(dict.fromkeys(tasks, node))
        for task in self.tasks:
            graph.add_node(f"task:{task}", kind="task", tasks=[task])
            graph.add_edge(parent[task], f"task:{task}")
        return graph
