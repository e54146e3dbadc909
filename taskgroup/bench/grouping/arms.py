"""What ours is compared with: simple ways to choose the next group to train, each an Asker over a table's groups."""

from collections.abc import Mapping, Sequence

import numpy as np

from taskgroup.active import Request
from taskgroup.core.cover import Group


class Arm:
    """Asks for groups from a list of wishes, and at random once a new list brings nothing new.

    Args:
        tasks: Task names.
        groups: The groups that may be asked for, each in task order.
        max_networks: Largest number of networks of the covers that matter.
        seed: Of everything random.
    """

    def __init__(self, tasks: Sequence[str], groups: Sequence[Group], max_networks: int, seed: int) -> None:
        self.tasks, self.groups, self.max_networks = tuple(tasks), tuple(groups), max_networks
        self.rng = np.random.default_rng(seed)
        self.told: dict[Group, Mapping[str, float]] = {}
        self._asked: set[Group] = set()
        self._wishes: list[Group] = []

    def wishes(self) -> Sequence[Group]:
        """Groups to train next, first things first; called again when all of them are asked for."""
        return ()

    def ask(self, n: int = 1) -> tuple[Request, ...]:
        """The next ``n`` wishes."""
        asked: list[Request] = []
        while len(asked) < n and len(self._asked) < len(self.groups):
            if not self._wishes:
                self._wishes = self._new(self.wishes()) or self.shuffled(self._new(self.groups))[:1]
            group = self._wishes.pop(0)
            self._asked.add(group)
            asked.append(Request(group))
        return tuple(asked)

    def tell(self, group: Group, errors: Mapping[str, float], seed: int = 0) -> None:
        """Remembered."""
        self.told[group] = dict(errors)

    def shuffled(self, groups: Sequence[Group]) -> list[Group]:
        """In random order."""
        return [groups[k] for k in self.rng.permutation(len(groups))]

    def of_size(self, low: int, high: int) -> list[Group]:
        """Groups of ``low`` to ``high`` tasks, in random order."""
        return self.shuffled([group for group in self.groups if low <= len(group) <= high])

    @property
    def together(self) -> list[Group]:
        """All tasks in one group, if it may be asked for."""
        return [group for group in self.groups if len(group) == len(self.tasks)]

    def _new(self, groups: Sequence[Group]) -> list[Group]:
        return [group for group in dict.fromkeys(groups) if group not in self._asked]


class RandomArm(Arm):
    """All together, then uniformly."""

    def wishes(self) -> Sequence[Group]:
        """One order of all groups."""
        return [*self.together, *self.shuffled(self.groups)]


class LargerRandomArm(Arm):
    """Groups of three and more uniformly, then the others."""

    def wishes(self) -> Sequence[Group]:
        """One order of all groups."""
        return [*self.of_size(3, len(self.tasks)), *self.of_size(1, 2)]


class AllPairsArm(Arm):
    """All together and singles, then the pairs in random order, then larger groups uniformly."""

    def pairs_first(self) -> list[Group]:
        """All together, singles and pairs."""
        return [*self.together, *self.of_size(1, 1), *self.of_size(2, 2)]

    def wishes(self) -> Sequence[Group]:
        """One order of all groups."""
        return [*self.pairs_first(), *self.of_size(3, len(self.tasks))]


class LargestFirstArm(Arm):
    """From all together down to singles, ties at random."""

    def wishes(self) -> Sequence[Group]:
        """One order of all groups."""
        return sorted(self.shuffled(self.groups), key=len, reverse=True)


class LeaveOneOutArm(Arm):
    """All together, then all but one, then uniformly."""

    def leave_one_out(self) -> list[Group]:
        """All together and all but one."""
        return [*self.together, *self.of_size(len(self.tasks) - 1, len(self.tasks) - 1)]

    def wishes(self) -> Sequence[Group]:
        """One order of all groups."""
        return [*self.leave_one_out(), *self.shuffled(self.groups)]
