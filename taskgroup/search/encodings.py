"""Encodings of topologies as parameters of a sampler, and a bare study over one: what ``bench samplers`` compares."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.asking import Ask, Reading, Suggesting, one_of
from taskgroup.search.samplers import Genetic, make_sampler
from taskgroup.search.space import Space


class Encoding(Protocol):
    """Which parameters a sampler is asked for, and what they mean; every point is a valid topology."""

    def topology(self, ask: Ask) -> Topology:
        """Ask for every parameter, in a fixed order."""
        ...

    def params(self, topology: Topology) -> dict[str, Any] | None:
        """Parameters that lead to ``topology``, or None where none do."""
        ...


@dataclass(frozen=True)
class Splits:
    """Today's space: the tree, and for each of its merges how many leading stages both sides share.

    Attributes:
        trees: To choose from.
        stages: Of the trunk.
    """

    trees: tuple[CandidateTree, ...]
    stages: tuple[str, ...]

    @cached_property
    def space(self) -> Space:
        """As search has it where there is nothing else to choose."""
        return Space(self.trees, self.stages, AdapterChoice(stages=(), sizes=(0,)))

    def topology(self, ask: Ask) -> Topology:
        """See :class:`~taskgroup.search.space.Space`."""
        return self.space._topology(ask)

    def params(self, topology: Topology) -> dict[str, Any] | None:
        """Of the first tree that has it."""
        return self.space.encode(self.space.plain(topology))


@dataclass(frozen=True)
class Heights:
    """One tree, cut once a stage: ``cut_S`` is one less than the groups at stage S, raised to the stage before.

    Attributes:
        tree: What is cut.
        stages: Of the trunk.
    """

    tree: MergeTree
    stages: tuple[str, ...]

    def topology(self, ask: Ask) -> Topology:
        """Cuts that do not fall from stage to stage: each grouping refines the one before."""
        asked = [ask.number(f"cut_{s}", len(self.tree.tasks) - 1) for s in range(len(self.stages))]
        groupings = [self.tree.cut(1 + cut) for cut in itertools.accumulate(asked, max)]
        return Topology.from_groupings(self.stages, groupings)

    def params(self, topology: Topology) -> dict[str, Any] | None:
        """The number of groups of each stage, where they are the tree's."""
        groupings = [topology.grouping(s) for s in range(len(self.stages))]
        if any(grouping != self.tree.cut(len(grouping)) for grouping in groupings):
            return None
        return {f"cut_{s}": len(grouping) - 1 for s, grouping in enumerate(groupings)}


@dataclass(frozen=True)
class Listed:
    """A category for each topology of a frozen list.

    Attributes:
        topologies: All different.
    """

    topologies: tuple[Topology, ...]

    @classmethod
    def of(cls, trees: Sequence[CandidateTree], groupings: Sequence[Grouping], stages: Sequence[str]) -> "Listed":
        """Every cut of the trees, and every grouping, branching off after each number of stages."""
        cuts = [found.tree.cut(n) for found in trees for n in range(1, len(found.tree.tasks) + 1)]
        branched = [Topology.branched(g, stages, s) for g in (*groupings, *cuts) for s in range(len(stages))]
        return cls(tuple(dict.fromkeys(branched)))

    def topology(self, ask: Ask) -> Topology:
        """The one of that number."""
        return self.topologies[one_of(ask, "topology", range(len(self.topologies)))]

    def params(self, topology: Topology) -> dict[str, Any] | None:
        """Its number in the list."""
        return {"topology": self.topologies.index(topology)} if topology in self.topologies else None


def every_tree(tasks: Sequence[str]) -> tuple[CandidateTree, ...]:
    """Each binary tree over the tasks once: 1, 3, 15, 105 for two to five, ``(2 T - 3)!!``; only for few."""
    n = len(tasks)
    found: dict[frozenset[frozenset[int]], CandidateTree] = {}

    def grow(
        parts: dict[int, frozenset[int]], merges: tuple[tuple[int, int], ...], inner: frozenset[frozenset[int]]
    ) -> None:
        if len(parts) == 1:
            tree = MergeTree(tasks=tuple(tasks), merges=merges, heights=tuple(map(float, range(n - 1))))
            found.setdefault(inner, CandidateTree(source="every tree", tree=tree))
        for a, b in itertools.combinations(parts, 2):
            both = parts[a] | parts[b]
            rest = {k: part for k, part in parts.items() if k not in (a, b)}
            grow({**rest, n + len(merges): both}, (*merges, (a, b)), inner | {both})

    grow({k: frozenset({k}) for k in range(n)}, (), frozenset())
    return tuple(found.values())


def decoded(encoding: Encoding, params: Mapping[str, Any]) -> Topology:
    """The topology at ``params``.

    Raises:
        KeyError: A parameter is missing, or cannot have such a value.
    """
    return encoding.topology(Reading(params))


class BareStudy:
    """A study of gains alone; as in search, the sampler is made anew before every ask.

    Args:
        encoding: Of topologies.
        sampler: A name of the table of samplers.
        seed: Of the sampler.
        n_trials: That it is to expect.
    """

    def __init__(self, encoding: Encoding, sampler: str, seed: int, n_trials: int) -> None:
        make = make_sampler(sampler)
        self._encoding, self._n = encoding, 0
        self._make: Callable[[int], BaseSampler] = lambda k: make(seed + k, n_trials)
        self._study = optuna.create_study(storage=memory(), direction="maximize", pruner=optuna.pruners.NopPruner())

    def place(self, topology: Topology, gain: float) -> None:
        """Show what was found without the sampler; outside the encoding it sees a failed trial."""
        params = self._encoding.params(topology)
        if params is None:
            self._study.add_trial(create_trial(state=TrialState.FAIL))
            self._n += 1
            return
        self._study.enqueue_trial(params)
        self.ask()
        sampler, trial = self._study.sampler, self._study.get_trials(deepcopy=False)[-1]
        if isinstance(sampler, Genetic):  # a trial whose parameters are all given is not seen by it
            for key, value in sampler.generation(self._study, trial).items():
                self._study._storage.set_trial_system_attr(trial._trial_id, key, value)
        self.tell(gain)

    def ask(self) -> Topology:
        """What the sampler suggests next."""
        self._study.sampler, self._n = self._make(self._n), self._n + 1
        return self._encoding.topology(Suggesting(self._study.ask()))

    def tell(self, gain: float) -> None:
        """Of what was asked last."""
        self._study.tell(self._n - 1, gain)


def memory() -> optuna.storages.BaseStorage:
    """A storage that is gone with the process."""
    return optuna.storages.InMemoryStorage()
