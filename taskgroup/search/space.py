"""The search space: a candidate tree, a branch point for each of its merges, adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from taskgroup.core.record import CandidateTree
from taskgroup.core.spec import Architecture, digest
from taskgroup.core.topology import Topology
from taskgroup.search.adapters import AdapterChoice


@dataclass(frozen=True)
class Space:
    """Every point is a valid architecture.

    Parameters: ``tree`` (index into ``trees``), ``split_0 …`` (how many leading stages both sides of a merge share;
    counted from the root, so that ``split_0`` means the same in every tree; raised to the parent's where below it)
    and those of the adapters (:class:`AdapterChoice`).

    Attributes:
        trees: Frozen list of candidate trees over the same tasks.
        stages: Trunk stages.
        adapters: Where adapters may stand.
        head_size: Width of the heads' hidden layer, the same in every architecture; 0 is linear heads.
    """

    trees: tuple[CandidateTree, ...]
    stages: tuple[str, ...]
    adapters: AdapterChoice
    head_size: int = 0

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of each parameter; those with a single value are left out."""
        n_merges = len(self.trees[0].tree.merges)
        found: dict[str, BaseDistribution] = {}
        if len(self.trees) > 1 and n_merges:
            found["tree"] = CategoricalDistribution(list(range(len(self.trees))))
        found |= {f"split_{k}": IntDistribution(0, len(self.stages)) for k in range(n_merges)}
        return found | self.adapters.distributions(n_merges + 1)

    @property
    def fingerprint(self) -> str:
        """Hash of trees, stages and choices: a study belongs to one space."""
        later = [choice for choice in (self.adapters.vary, self.head_size) if choice not in ("stage", 0)]
        return digest([[t.model_dump() for t in self.trees], self.stages, repr(self.adapters), *later])

    def plain(self, topology: Topology) -> Architecture:
        """The architecture of ``topology`` without adapters."""
        return Architecture(topology=topology, head_size=self.head_size)

    def decode(self, params: Mapping[str, Any]) -> Architecture:
        """The architecture at ``params``."""
        tree = self.trees[params.get("tree", 0)].tree
        n_merges = len(tree.merges)
        splits = [params[f"split_{n_merges - 1 - k}"] for k in range(n_merges)]
        topology = tree.topology(self.stages, splits)
        adapters = self.adapters.entries(params, topology)
        return Architecture(topology=topology, adapters=adapters, head_size=self.head_size)

    def encode(self, architecture: Architecture) -> dict[str, Any] | None:
        """Parameters of the first tree that can express ``architecture``, or None."""
        wanted = self.adapters.params(architecture)
        for index, candidate in enumerate(self.trees):
            splits = candidate.tree.splits_of(architecture.topology)
            if splits is None:
                continue
            params = {"tree": index, **{f"split_{k}": s for k, s in enumerate(reversed(splits))}, **wanted}
            known = {name: value for name, value in params.items() if name in self.distributions}
            if self._contains(known) and self.decode(known).fingerprint == architecture.fingerprint:
                return known
        return None

    def _contains(self, params: Mapping[str, Any]) -> bool:
        return all(
            d.choices.count(params[name]) > 0 if isinstance(d, CategoricalDistribution) else True
            for name, d in self.distributions.items()
        )

    def suggest(self, trial: optuna.Trial) -> Architecture:
        """Ask ``trial`` for every parameter, in a fixed order."""
        found: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                found[name] = trial.suggest_categorical(name, distribution.choices)
            elif isinstance(distribution, IntDistribution):
                found[name] = trial.suggest_int(name, distribution.low, distribution.high)
        return self.decode(found)
