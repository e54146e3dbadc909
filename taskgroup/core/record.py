"""The record of a job: everything that report and summary show, as data."""

from dataclasses import dataclass

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.spec import Architecture, Cost, Spec
from taskgroup.core.task import Frozen
from taskgroup.core.tree import MergeTree


class Proposal(Frozen):
    """A candidate grouping and where it comes from.

    Attributes:
        grouping: The partition.
        source: Grouper, options and number of groups, e.g. ``hierarchical(average), 3 groups``.
        score: Mean silhouette of the grouping on the similarity, from -1 to 1; None where undefined (1 or T groups).
    """

    grouping: Grouping
    source: str
    score: float | None = None


class CandidateTree(Frozen):
    """A merge tree that search may cut, and where it comes from."""

    source: str
    tree: MergeTree


class Proposals(Frozen):
    """Outcome of the propose step: groupings from coarse to fine, trees for search, and what could not be used."""

    proposals: tuple[Proposal, ...]
    trees: tuple[CandidateTree, ...]
    notes: tuple[str, ...] = ()


class TrialRow(Frozen):
    """One line of the trials table.

    Attributes:
        number: Order in which search asked for it.
        origin: ``all-shared``, ``all-separate``, ``proposal: …``, ``sampler`` or ``repeat of N``.
        state: ``complete``, ``pruned``, ``failed`` or ``over limit`` (not trained).
        architecture: What was (or would have been) trained.
        cost: Its cost.
        gain: Validation gain against all-separate under the search seed; None unless complete.
        errors: Validation error of each task; empty unless complete or pruned.
        seconds: Training time.
    """

    number: int
    origin: str
    state: str
    architecture: Architecture
    cost: Cost
    gain: float | None
    errors: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Record:
    """A finished job."""

    name: str
    spec: Spec
    affinity: Affinity
    proposals: Proposals
    trials: tuple[TrialRow, ...]
