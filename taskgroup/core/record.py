"""The record of a job: everything that report and summary show, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from taskgroup.core.affinity import Affinity, Symmetrization
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate, Recipe
from taskgroup.core.spec import Architecture, Cost, Spec
from taskgroup.core.task import Frozen, Sparse
from taskgroup.core.text import plural
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree

SHARED, SEPARATE = "all-shared", "all-separate"
"""Origins of the baselines."""


class Proposal(Frozen):
    """A candidate grouping and where it comes from.

    Attributes:
        grouping: The partition.
        source: Grouper, options and number of groups, e.g. ``hierarchical(average), 3 groups``.
        score: Mean silhouette of the grouping on the similarity, from -1 to 1; None where undefined (1 or T groups).
        stability: Mean adjusted Rand index with what redrawn affinities lead to, at most 1; None for 1 or T groups, and
            where the affinity has no error bars.
    """

    grouping: Grouping
    source: str
    score: float | None = None
    stability: float | None = None


class CandidateTree(Frozen):
    """A merge tree that search may cut, and where it comes from."""

    source: str
    tree: MergeTree


class GroupCount(Frozen):
    """What speaks for a number of groups, all measured on the average-linkage tree cut into so many.

    Attributes:
        n_groups: 1 to T - 1.
        silhouette: Mean silhouette; None for one group.
        eigengap: Gap after as many eigenvalues of the normalized Laplacian.
        stability: Mean adjusted Rand index with the cuts of redrawn affinities; None for one group or without error
            bars.
        separation: Mean similarity within the groups less that across, in standard errors; None as ``stability``.
    """

    n_groups: int
    silhouette: float | None = None
    eigengap: float | None = None
    stability: float | None = None
    separation: float | None = None


class Chain(Frozen):
    """Partitions over the stages, each refining the one before: tasks that part early, late or never.

    Attributes:
        topology: The partitions, over the affinity's stages without the last slice.
        source: The tree whose branches they are.
        separation: Largest separation that a branch of that tree has at each stage, in standard errors.
        threshold: What affinities without any structure reach in one of twenty draws.
    """

    topology: Topology
    source: str
    separation: tuple[float, ...]
    threshold: float


class Proposals(Frozen):
    """Outcome of the propose step.

    Attributes:
        proposals: Groupings, the recommended one first, then by falling stability, all together and all apart last.
        trees: For search.
        notes: What could not be used, and why.
        recommended: What the affinity speaks for; None in files of older versions.
        reason: Why, in a sentence or two.
        counts: The numbers of groups that were compared.
        together: Share of the redrawn affinities that put two tasks into one group, when each is cut into as many
            groups as the evidence speaks for; shape ``(T, T)``, empty without error bars or below three tasks.
        consensus: Average linkage of ``1 - together``.
        chain: Partitions over the stages; None where the affinity has no stages or no error bars.
        n_draws: Redrawn affinities behind stabilities and ``together``.
        symmetrization: Of the similarities behind scores, stabilities, counts and chain.
    """

    proposals: tuple[Proposal, ...]
    trees: tuple[CandidateTree, ...]
    notes: tuple[str, ...] = ()
    recommended: Grouping | None = None
    reason: str = ""
    counts: tuple[GroupCount, ...] = ()
    together: tuple[tuple[float, ...], ...] = ()
    consensus: MergeTree | None = None
    chain: Chain | None = None
    n_draws: int = 0
    symmetrization: Symmetrization = "centred-mean"


class TrialRow(Sparse):
    """One line of the trials table.

    Attributes:
        number: Order in which search asked for it.
        origin: ``all-shared``, ``all-separate``, ``proposal: …``, ``sampler`` or ``repeat of N``.
        state: ``complete``, ``pruned``, ``failed`` or ``over limit`` (not trained).
        architecture: What was (or would have been) trained.
        cost: Its cost.
        gain: Validation gain against all-separate under the search seed, see :func:`~taskgroup.core.gain.mean_gain`;
            None unless complete.
        errors: Validation error of each task; empty unless complete or pruned.
        seconds: Training time.
        recipe: How it was trained, where that is searched too.
        trainings: Compute, in trainings of all-shared as long as ``train.steps``; 0 where it was not counted.
        again: Gains under the further seeds of the short list, against the same errors of all-separate.
    """

    later: ClassVar[frozenset[str]] = frozenset({"recipe", "trainings", "again"})
    number: int
    origin: str
    state: str
    architecture: Architecture
    cost: Cost
    gain: float | None
    errors: dict[str, float]
    seconds: float
    recipe: Recipe = Recipe()
    trainings: float = 0.0
    again: tuple[float, ...] = ()

    @property
    def mean_gain(self) -> float | None:
        """Mean of ``gain`` and those under further seeds; None unless complete."""
        return None if self.gain is None else (self.gain + sum(self.again)) / (1 + len(self.again))

    @property
    def candidate(self) -> Candidate:
        """Network and recipe."""
        return Candidate(architecture=self.architecture, recipe=self.recipe)


def search_words(rows: Sequence[TrialRow]) -> str:
    """What a search did, the same in the terminal and in the report.

    ``12 candidates trained, 3 of them stopped early (5 repeats and 1 over a limit not trained, 1 failed)``.
    """
    spent = [row for row in rows if row.errors and not row.origin.startswith("repeat of ")]
    stopped = sum(row.state == "pruned" for row in spent)
    repeats = sum(row.origin.startswith("repeat of ") for row in rows)
    over = sum(row.state == "over limit" and not row.origin.startswith("repeat of ") for row in rows)
    failed = sum(row.state == "failed" and not row.origin.startswith("repeat of ") for row in rows)
    idle = " and ".join([plural(repeats, "repeat")] * (repeats > 0) + [f"{over} over a limit"] * (over > 0))
    rest = ", ".join([f"{idle} not trained"] * bool(idle) + [f"{failed} failed"] * (failed > 0))
    words = plural(len(spent), "candidate") + " trained" + (f", {stopped} of them stopped early" if stopped else "")
    return words + (f" ({rest})" if rest else "")


@dataclass(frozen=True)
class Record:
    """A finished job."""

    name: str
    spec: Spec
    affinity: Affinity
    proposals: Proposals
    trials: tuple[TrialRow, ...]

    @property
    def plan(self) -> Candidate:
        """The chosen network and recipe."""
        return Candidate(architecture=self.spec.architecture, recipe=self.spec.recipe)
