"""The search space: a candidate tree, a branch point for each of its merges, heads, adapters, helpers, a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.trial import BaseTrial

from taskgroup.core.recipe import Candidate
from taskgroup.core.record import CandidateTree
from taskgroup.core.spec import Architecture, digest
from taskgroup.core.topology import Topology
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.asking import Ask, NotGivenError, Reading, Suggesting, level, one_of
from taskgroup.search.helping import Pair, ask_helpers, helper_params, named_as_offered
from taskgroup.search.recipes import ask_recipe, recipe_params, scales_with, weightings_with


@dataclass(frozen=True)
class Space:
    """Every point is a valid candidate.

    Parameters, in this order: ``tree`` (index into ``trees``), ``split_0 …`` (how many leading stages both sides of a
    merge share; counted from the root, so that ``split_0`` means the same in every tree; raised to the parent's where
    below it), ``head_level`` (index into the head sizes, ascending), those of the adapters (:class:`AdapterChoice`),
    ``helper_0 …`` (whether a pair is chosen), ``lr_level`` (index into the learning-rate scales, ascending) and
    ``weighting``. A parameter is asked for only where it has more than one value and decides something: adapters where
    a copy is shared, a helper where its task is served by another path, a weighting where tasks train together.

    Attributes:
        trees: Frozen list of candidate trees over the same tasks.
        stages: Trunk stages.
        adapters: Where adapters may stand.
        head_size: Width of the heads' hidden layer where nothing else is chosen; 0 is linear heads.
        head_sizes: Others to choose from, one for all heads.
        lr_scales: Factors of the learning rate to choose from, beside 1.
        weightings: Loss weightings to choose from, beside the job's own.
        helpers: Pairs of a task and the task along whose path it may train too (:func:`helper_pairs`).
    """

    trees: tuple[CandidateTree, ...]
    stages: tuple[str, ...]
    adapters: AdapterChoice
    head_size: int = 0
    head_sizes: tuple[int, ...] = ()
    lr_scales: tuple[float, ...] = ()
    weightings: tuple[str, ...] = ()
    helpers: tuple[Pair, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of every tree."""
        return self.trees[0].tree.tasks

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """Head sizes to choose from, ascending."""
        return tuple(sorted({self.head_size, *self.head_sizes}))

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Learning-rate scales to choose from, ascending."""
        return scales_with(self.lr_scales)

    @cached_property
    def losses(self) -> tuple[str, ...]:
        """Loss weightings to choose from."""
        return weightings_with(self.weightings)

    @property
    def has_choice(self) -> bool:
        """Whether there is anything to sample; a single task has neither branch points nor adapters."""
        return max(len(self.tasks), len(self.heads), len(self.scales)) > 1

    @cached_property
    def fingerprint(self) -> str:
        """Hash of trees, stages and choices: a study belongs to one space.

        Adapters used to be asked for where no copy is shared too; parameters of such studies mean what they meant.
        """
        later: list[Any] = [choice for choice in (self.adapters.vary, self.head_size) if choice not in ("stage", 0)]
        choices = {"heads": self.heads, "scales": self.scales, "losses": self.losses}
        added = {name: found for name, found in choices.items() if len(found) > 1}
        added |= {"helpers": self.helpers} if self.helpers else {}
        later += [added] if added else []
        return digest([[t.model_dump() for t in self.trees], self.stages, repr(self.adapters), *later])

    def plain(self, topology: Topology) -> Candidate:
        """``topology`` without adapters and helpers, its heads and training those of the job."""
        return Candidate(architecture=Architecture(topology=topology, head_size=self.head_size))

    def suggest(self, trial: BaseTrial) -> Candidate:
        """Ask ``trial`` for every parameter that decides something, in a fixed order."""
        return self._made(Suggesting(trial))

    def decode(self, params: Mapping[str, Any]) -> Candidate:
        """The candidate at ``params``; what would not be asked for is passed over.

        Raises:
            KeyError: A parameter that would be asked for is missing, or cannot have such a value.
        """
        return self._made(Reading(params))

    def is_complete(self, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` hold every parameter that would be asked for."""
        try:
            self.decode(params)
        except NotGivenError:
            return False
        return True

    def encode(self, candidate: Candidate) -> dict[str, Any] | None:
        """Parameters of the first tree that can express ``candidate``, or None where no tree can.

        :meth:`decode` makes an equal network of them; its helpers may be named by another task of the same path.
        """
        architecture = named_as_offered(self.helpers, candidate.architecture)
        wanted = candidate.model_copy(update={"architecture": architecture})
        topology = architecture.topology
        if (topology.tasks, topology.stages) != (self.tasks, self.stages):
            return None
        for index, found in enumerate(self.trees):
            splits = found.tree.splits_of(topology)
            if splits is not None:  # what else is chosen does not depend on the tree
                by_name = {f"split_{k}": split for k, split in enumerate(reversed(splits))}
                return self._matching(wanted, {"tree": index, **by_name, **self._choices(wanted)})
        return None

    def _choices(self, candidate: Candidate) -> dict[str, Any]:
        architecture = candidate.architecture
        heads = {"head_level": self.heads.index(architecture.head_size)} if architecture.head_size in self.heads else {}
        adapters, helpers = self.adapters.params(architecture), helper_params(self.helpers, architecture)
        return {**heads, **adapters, **helpers, **recipe_params(candidate.recipe, self.scales)}

    def _matching(self, candidate: Candidate, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Those of ``params`` that are asked for, if they lead to ``candidate``."""
        reading = Reading(params)
        try:
            made = self._made(reading)
        except NotGivenError:
            return None
        equal = made == candidate or made.fingerprint == candidate.fingerprint  # the former is far quicker
        return reading.asked if equal else None

    def _made(self, ask: Ask) -> Candidate:
        topology = self._topology(ask)
        head_size = level(ask, "head_level", self.heads)
        adapters = self.adapters.ask(ask, topology)
        helpers = ask_helpers(ask, self.helpers, topology)
        together = bool(helpers) or not topology.is_separate
        recipe = ask_recipe(ask, self.scales, self.losses, together=together)
        network = Architecture(topology=topology, adapters=adapters, helpers=helpers, head_size=head_size)
        return Candidate(architecture=network, recipe=recipe)

    def _topology(self, ask: Ask) -> Topology:
        n_merges = len(self.tasks) - 1
        index = one_of(ask, "tree", range(len(self.trees))) if n_merges else 0
        splits = [ask.number(f"split_{k}", len(self.stages)) for k in range(n_merges)]
        return self.trees[index].tree.topology(self.stages, splits[::-1])
