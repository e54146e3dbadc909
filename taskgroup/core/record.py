"""The record of a job: everything that report and summary show, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.spec import Architecture, Cost, Spec
from taskgroup.core.task import Frozen
from taskgroup.core.text import plural
from taskgroup.core.tree import MergeTree

SHARED, SEPARATE = "all-shared", "all-separate"
"""Origins of the baselines."""


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
