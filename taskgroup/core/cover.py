"""Covers: which networks to keep, and which of them serves which task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from taskgroup.core.task import Frozen

Array = NDArray[np.float64]
Group = tuple[str, ...]
"""The tasks that a network trains, in the order of the task set."""


class Network(Frozen):
    """One network of a cover.

    Attributes:
        trains: Tasks it is trained on, in task order.
        serves: Those of them whose predictions come from it; the others are its helpers.
        cost: What it costs, in full networks.
    """

    trains: Group
    serves: Group
    cost: float = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        strangers = [task for task in self.serves if task not in self.trains]
        if strangers or not self.serves:
            raise ValueError(f"a network serves one or more of {list(self.trains)}, found {list(self.serves)}")
        return self

    @property
    def helpers(self) -> Group:
        """Tasks that it trains and does not serve."""
        return tuple(task for task in self.trains if task not in self.serves)


class Cover(Frozen):
    """Networks of which every task is served by exactly one; a task may train in several.

    Attributes:
        tasks: Task names, shape ``(T,)``.
        networks: By the first task they serve.
        total: Sum over the tasks of their errors; lower is better.
        bound: No cover under the same limits has a smaller total.
    """

    tasks: Group
    networks: tuple[Network, ...]
    total: float
    bound: float

    @model_validator(mode="after")
    def _check(self) -> Self:
        served = sorted(task for network in self.networks for task in network.serves)
        if served != sorted(self.tasks):
            raise ValueError(f"a cover should serve each of {sorted(self.tasks)} exactly once, found {served}")
        return self

    @property
    def cost(self) -> float:
        """Sum of the networks' costs."""
        return sum(network.cost for network in self.networks)

    @property
    def gap(self) -> float:
        """How far the total may be from the optimum: ``total - bound``, in the unit of the errors; 0 when proven."""
        return max(0.0, self.total - self.bound)

    @property
    def proven(self) -> bool:
        """Whether the total is optimal, up to round-off."""
        return self.gap <= 1e-9 * max(1.0, abs(self.total))


@dataclass(frozen=True)
class GroupScores:
    """Errors of the tasks in networks trained on groups of them, measured or predicted; what covers are made from.

    A group may stand in several rows, at different costs (full and half size, several topologies).

    Attributes:
        tasks: Task names, shape ``(T,)``.
        members: Whether a row's network trains a task, shape ``(G, T)``.
        errors: Error of each task in that network, lower is better, summed over tasks as they are; NaN for tasks that
            the row does not train, shape ``(G, T)``.
        cost: Cost of each row, in full networks, positive, shape ``(G,)``.
    """

    tasks: Group
    members: NDArray[np.bool_]
    errors: Array
    cost: Array

    def __post_init__(self) -> None:
        shape = (len(self.cost), len(self.tasks))
        if len(set(self.tasks)) < len(self.tasks) or not self.tasks:
            raise ValueError(f"`tasks` should be one or more different names, found {list(self.tasks)}")
        if self.members.shape != shape or self.errors.shape != shape:
            found = f"{self.members.shape} and {self.errors.shape}"
            raise ValueError(f"`members` and `errors` should have shape (groups, tasks) = {shape}, found {found}")
        if not np.array_equal(np.isfinite(self.errors), self.members):
            raise ValueError("`errors` should be finite for the tasks of each group and NaN for the others")
        if not self.members.any(axis=1).all():
            raise ValueError("every group should have a task, found one without")
        if not (np.isfinite(self.cost) & (self.cost > 0)).all():
            raise ValueError(f"`cost` should be positive, found {self.cost.min()}")

    @classmethod
    def of(
        cls, tasks: Sequence[str], rows: Iterable[Mapping[str, float]], cost: Iterable[float] | None = None
    ) -> "GroupScores":
        """Scores from one mapping (task of the group → its error) a row.

        Raises:
            ValueError: If a row names an unknown task, is empty or holds no finite number.
        """
        listed = list(rows)
        strangers = sorted({name for row in listed for name in row if name not in tasks})
        if strangers:
            raise ValueError(f"groups should hold tasks of {sorted(tasks)}, found {', '.join(strangers)}")
        errors = np.array([[row.get(task, np.nan) for task in tasks] for row in listed], dtype=np.float64)
        errors = errors.reshape(len(listed), len(tasks))
        members = np.array([[task in row for task in tasks] for row in listed]).reshape(errors.shape).astype(bool)
        costs = np.ones(len(listed)) if cost is None else np.array(list(cost), dtype=np.float64)
        if len(costs) != len(listed):
            raise ValueError(f"`cost` should have one number for each of {len(listed)} rows, found {len(costs)}")
        return cls(tuple(tasks), members, errors, costs)

    def group(self, row: int) -> Group:
        """The tasks of a row."""
        return tuple(task for task, inside in zip(self.tasks, self.members[row], strict=True) if inside)

    def cover(self, serving: Sequence[int], bound: float) -> Cover:
        """The cover in which row ``serving[t]`` serves task t, shape ``(T,)``.

        Raises:
            ValueError: If a row does not train the task that it should serve.
        """
        chosen = np.asarray(serving)
        errors = self.errors[chosen, np.arange(len(self.tasks))]
        if np.isnan(errors).any():
            task = self.tasks[int(np.isnan(errors).argmax())]
            raise ValueError(f"task `{task}` should be served by a network that trains it")
        networks = tuple(
            Network(
                trains=self.group(int(row)),
                serves=tuple(t for t, r in zip(self.tasks, chosen, strict=True) if r == row),
                cost=float(self.cost[row]),
            )
            for row in dict.fromkeys(int(r) for r in chosen)
        )
        total = float(errors.sum())
        return Cover(tasks=self.tasks, networks=networks, total=total, bound=min(bound, total))
