"""The user's own groups: domain knowledge as a proposal."""

from typing import Literal

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposal, Proposals
from taskgroup.core.table import did_you_mean
from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.groupers.pairs import Pairs


class Given(Frozen):
    """A partition of the tasks as the user wrote it, whatever the affinity says.

    It needs no evidence and therefore no symmetrization: of the affinity it reads the names of tasks and stages, and
    repeats the notes on what is missing. There is no merge tree. O(T).

    Attributes:
        method: Name in the table.
        groups: Names of tasks, each in at most one group.
        rest: Tasks in no group are each ``alone``, or all ``together`` in one more group.

    Example:
        >>> import numpy as np
        >>> affinity = Affinity(tuple("abcd"), ("trunk",), *(np.zeros((1, 4, 4)),) * 2, np.ones((1, 4, 4), int))
        >>> Given(groups=(("d", "a"),))(affinity).proposals[0].grouping.groups
        (('a', 'd'), ('b',), ('c',))
        >>> Given(groups=(("d", "a"),), rest="together")(affinity).proposals[0].source
        'given, 2 groups'
    """

    method: Literal["given"] = "given"
    groups: tuple[tuple[str, ...], ...]
    rest: Literal["alone", "together"] = "alone"

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """The user's grouping; none, and a note, where it is all together or all apart.

        Raises:
            InputError: If a task is unknown or in two groups, or the affinity has no such stage.
        """
        notes = Pairs.of(affinity, stage).notes
        grouping = self.grouping(affinity.tasks)
        if 1 < len(grouping) < len(affinity.tasks):
            proposal = Proposal(grouping=grouping, source=f"given, {len(grouping)} groups")
            return Proposals(proposals=(proposal,), trees=(), notes=notes)
        end = "all together" if len(grouping) == 1 else "all apart"
        return Proposals(proposals=(), trees=(), notes=(*notes, f"given: {end}, which is always a candidate"))

    def check(self, tasks: tuple[str, ...]) -> None:
        """See that the groups fit these tasks; it needs no affinity, so it can be asked before anything is trained.

        Raises:
            InputError: With one sentence for each task that is unknown or in two places.
        """
        listed = [task for group in self.groups for task in group]
        unknown = [
            f"`groups` should name tasks of the problem, found `{task}`{did_you_mean(task, tasks)}"
            for task in dict.fromkeys(listed)
            if task not in tasks
        ]
        doubled = [
            f"`groups` should name each task once, found `{task}` {listed.count(task)} times"
            for task in dict.fromkeys(listed)
            if listed.count(task) > 1
        ]
        if unknown or doubled:
            raise InputError(unknown + doubled)

    def grouping(self, tasks: tuple[str, ...]) -> Grouping:
        """The partition of ``tasks``.

        Raises:
            InputError: If a task is unknown or in two groups.
        """
        self.check(tasks)
        rest = [task for task in tasks if not any(task in group for group in self.groups)]
        others = [rest] if self.rest == "together" else [[task] for task in rest]
        return Grouping.of(tasks, [group for group in (*self.groups, *others) if group])
