"""What the user demands of a grouping: tasks together, tasks apart, the largest group, the number of groups."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from pydantic import Field

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposal, Proposals
from taskgroup.core.table import did_you_mean
from taskgroup.core.task import Frozen
from taskgroup.core.text import plural
from taskgroup.errors import InputError
from taskgroup.groupers.blocks import Blocks, Undecided, resized
from taskgroup.groupers.pairs import Pairs

Sets = tuple[tuple[str, ...], ...]


class Constraints(Frozen):
    """Rules that every grouping has to keep; the default has none.

    Attributes:
        must_link: Sets of tasks that are in one group; sets that share a task are one set.
        cannot_link: Sets of tasks no two of which are in one group; mostly pairs.
        max_size: Most tasks in a group.
        n_groups: Exact number of groups.
        max_groups: Greatest number of groups.

    Example:
        >>> rules = Constraints(must_link=(("a", "b"),), cannot_link=(("b", "c"),))
        >>> rules.admits(Grouping.of("abcd", ["abd", "c"])), rules.admits(Grouping.of("abcd", ["ab", "cd"]))
        (True, True)
        >>> rules.admits(Grouping.of("abcd", ["abc", "d"])), rules.admits(Grouping.of("abcd", ["a", "b", "cd"]))
        (False, False)

    Source:
        Must-link and cannot-link: Wagstaff et al. 2001, "Constrained k-means clustering with background knowledge".
    """

    must_link: Sets = ()
    cannot_link: Sets = ()
    max_size: int | None = Field(default=None, ge=1)
    n_groups: int | None = Field(default=None, ge=1)
    max_groups: int | None = Field(default=None, ge=1)

    def check(self, tasks: Sequence[str]) -> None:
        """See that the rules name these tasks and can all be kept at once.

        Whether they can is decided exactly for up to 10 must-link blocks (a task in no set is a block of its own);
        beyond that a contradiction may go unnoticed here, and :meth:`repaired` then finds nothing.

        Raises:
            InputError: With a sentence for each fault: field, rule and what was found.
        """
        faults = [*self._name_faults(tasks)] or [*self._link_faults(tasks), *self._number_faults(tasks)]
        if not faults and not self._keepable(tasks):
            faults = [f"{self._fields()} cannot all be kept: no grouping of these {len(tasks)} tasks keeps them"]
        if faults:
            raise InputError(faults)

    def admits(self, grouping: Grouping) -> bool:
        """Whether the grouping keeps every rule; the rules should name its tasks, see :meth:`check`."""
        label = dict(zip(grouping.tasks, grouping.labels, strict=True))
        sizes = [grouping.labels.count(k) for k in range(len(grouping))]
        return (
            all(len({label[task] for task in linked}) <= 1 for linked in self.must_link)
            and all(len({label[task] for task in parted}) == len(parted) for parted in self.cannot_link)
            and (self.max_size is None or max(sizes) <= self.max_size)
            and (self.n_groups is None or len(grouping) == self.n_groups)
            and (self.max_groups is None or len(grouping) <= self.max_groups)
        )

    def repaired(self, pairs: Pairs, grouping: Grouping) -> Grouping | None:
        """An admissible grouping near this one with high similarity within its groups; itself where it is admissible.

        Must-link blocks start in the group of most of their tasks. If the number of groups has to change, the two most
        similar groups are merged, or the block least similar to its group is set apart, as often as needed. Blocks are
        then placed by :meth:`~taskgroup.groupers.blocks.Blocks.placed`, and moved and swapped, at this number of
        groups, while ``Σ_{i<j together} s_ij`` rises: a local maximum. Should no partition into so many groups be
        admissible, one more is tried. Follows any permutation of the tasks. O(T²) a step.

        Returns:
            None where no admissible grouping exists; beyond 10 blocks also where none was found.
        """
        if self.admits(grouping):
            return grouping
        names = sorted(pairs.tasks)
        blocks = self.blocks(names)
        members = np.array([[name in block for block in blocks] for name in names], dtype=np.float64)
        benefit = members.T @ pairs.similarity @ members
        label = dict(zip(grouping.tasks, grouping.labels, strict=True))
        votes = [[label[name] for name in block] for block in blocks]
        wish = [max(vote, key=vote.count) for vote in votes]
        rules = self._rules(blocks)
        numbers = self._numbers(len(names), len(blocks))
        for n_groups in range(max(len(grouping), numbers.start), numbers.stop) or numbers[-1:]:
            try:
                found = rules.placed(benefit, resized(benefit, wish, n_groups), n_groups)
            except Undecided:
                continue
            if found is not None:
                best = rules.improved(benefit, found)
                return pairs.grouping(best[next(b for b, block in enumerate(blocks) if n in block)] for n in names)
        return None

    def blocks(self, tasks: Sequence[str]) -> list[tuple[str, ...]]:
        """The tasks that must be together, with those in no set on their own, by name: a partition of ``tasks``."""
        found = [frozenset([task]) for task in tasks]
        for linked in self.must_link:
            touched = [block for block in found if not block.isdisjoint(linked)]
            found = [block for block in found if block not in touched] + [frozenset().union(*touched)]
        return sorted(tuple(sorted(block)) for block in found if block)

    def _rules(self, blocks: Sequence[tuple[str, ...]]) -> Blocks:
        home = {task: b for b, block in enumerate(blocks) for task in block}
        apart = np.zeros((len(blocks), len(blocks)), dtype=bool)
        for one, other in self._parted():
            apart[home[one], home[other]] = apart[home[other], home[one]] = True
        return Blocks(tuple(map(len, blocks)), apart, self.max_size or len(home))

    def _parted(self) -> Iterator[tuple[str, str]]:
        return (pair for parted in self.cannot_link for pair in combinations(parted, 2))

    def _numbers(self, n_tasks: int, n_blocks: int) -> range:
        """Numbers of groups that sizes and limits leave; with one number of them, all greater ones can be kept too."""
        if self.n_groups is not None:
            return range(self.n_groups, self.n_groups + 1)
        least = -(-n_tasks // self.max_size) if self.max_size else 1
        return range(least, min(self.max_groups or n_blocks, n_blocks) + 1)

    def _name_faults(self, tasks: Sequence[str]) -> Iterator[str]:
        listed = [("must_link", names) for names in self.must_link]
        listed += [("cannot_link", names) for names in self.cannot_link]
        for field, names in listed:
            if len(names) < 2:
                yield f"`{field}` should list sets of two tasks or more, found {list(names)}"
            for name in dict.fromkeys(names):
                hint = did_you_mean(name, list(tasks))
                if name not in tasks:
                    yield f"`{field}` should name tasks of the problem, found `{name}`{hint}"
                elif names.count(name) > 1:
                    yield f"`{field}` should name different tasks, found `{name}` twice in {list(names)}"

    def _link_faults(self, tasks: Sequence[str]) -> Iterator[str]:
        blocks = self.blocks(tasks)
        for one, other in self._parted():
            for block in blocks:
                if one in block and other in block:
                    tied = f"`must_link` ties {_listed(block)} together"
                    yield f"{tied}, while `cannot_link` keeps `{one}` and `{other}` apart"
        for block in blocks:
            if self.max_size is not None and len(block) > self.max_size:
                yield f"`must_link` ties {_listed(block)} together, more than `max_size` {self.max_size}"

    def _number_faults(self, tasks: Sequence[str]) -> Iterator[str]:
        n_tasks, n_blocks = len(tasks), len(self.blocks(tasks))
        if self.n_groups is not None and self.max_groups is not None and self.n_groups > self.max_groups:
            yield f"`n_groups` should be at most `max_groups` {self.max_groups}, found {self.n_groups}"
        if self.n_groups is not None and self.n_groups > n_blocks:
            sets = "sets of tasks tied by `must_link`" if n_blocks < n_tasks else "tasks"
            yield f"`n_groups` should be at most {n_blocks}, the number of {sets}, found {self.n_groups}"
        for field, limit in self._limits():
            if self.max_size is not None and limit * self.max_size < n_tasks:
                room = f"{plural(limit, 'group')} of at most {plural(self.max_size, 'task')}"
                yield f"`{field}` {limit} and `max_size` {self.max_size} leave no room: {room} cannot hold {n_tasks}"
            clique = self._clique(tasks)
            if len(clique) > limit:
                yield f"`cannot_link` keeps {_listed(clique)} all apart, which takes more groups than `{field}` {limit}"

    def _limits(self) -> list[tuple[str, int]]:
        return [(name, n) for name in ("n_groups", "max_groups") if (n := getattr(self, name)) is not None]

    def _clique(self, tasks: Sequence[str]) -> list[str]:
        """Tasks that are all apart from each other, met greedily: no two of them can share a group."""
        blocks = self.blocks(tasks)
        apart = self._rules(blocks).apart
        clique: list[int] = []
        for block in sorted(range(len(blocks)), key=lambda b: (-int(apart[b].sum()), b)):
            if all(apart[block, other] for other in clique):
                clique.append(block)
        return sorted(blocks[block][0] for block in clique)

    def _keepable(self, tasks: Sequence[str]) -> bool:
        """Whether any partition keeps all rules; where that is left undecided, True."""
        blocks = self.blocks(tasks)
        numbers = self._numbers(len(tasks), len(blocks))
        try:  # groups can be split until the greatest number is reached, so that one decides
            none = np.zeros((len(blocks), len(blocks)))
            return bool(numbers) and self._rules(blocks).placed(none, range(len(blocks)), numbers[-1]) is not None
        except Undecided:
            return True

    def _fields(self) -> str:
        return ", ".join(f"`{name}`" for name in type(self).model_fields if getattr(self, name))


def _listed(names: Sequence[str]) -> str:
    """The names in words."""
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def constrained(proposals: Proposals, pairs: Pairs, constraints: Constraints) -> Proposals:
    """Every proposal, repaired where it breaks a rule, each grouping once, from coarse to fine.

    The source of a repaired one ends in ``, constrained`` (``, constrained to k groups`` where that number changed) and
    its score is dropped, as it belongs to another grouping. A grouping met before and one that could not be repaired
    are left out, and a note says so. Trees stay as they are: what is cut from them may break the rules.
    """
    kept: dict[Grouping, Proposal] = {}
    doubled, lost = [], []
    for proposal in proposals.proposals:
        grouping = constraints.repaired(pairs, proposal.grouping)
        if grouping is None:
            lost.append(proposal.source)
        elif grouping in kept:
            doubled.append(proposal.source)
        elif grouping == proposal.grouping:
            kept[grouping] = proposal
        else:
            number = f" to {plural(len(grouping), 'group')}" if len(grouping) != len(proposal.grouping) else ""
            kept[grouping] = Proposal(grouping=grouping, source=f"{proposal.source}, constrained{number}")
    notes = (
        [f"constraints: repaired, these became proposals that there are already: {', '.join(doubled)}"]
        if doubled
        else []
    )
    notes += [f"constraints: {', '.join(lost)}: no admissible grouping found, left out"] if lost else []
    ordered = tuple(sorted(kept.values(), key=lambda proposal: len(proposal.grouping)))
    return Proposals(proposals=ordered, trees=proposals.trees, notes=(*proposals.notes, *notes))
