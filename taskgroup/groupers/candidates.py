"""Candidate trees: what search may cut, as a frozen list."""

from collections.abc import Iterable, Sequence

import numpy as np

from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree, Proposal
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.bisection import bisection_tree
from taskgroup.groupers.hierarchical import STANDARD, linkage_tree
from taskgroup.groupers.pairs import Pairs

N_FIRST = 4
"""Proposals that search can surely express."""


def distinct(trees: Iterable[CandidateTree]) -> tuple[CandidateTree, ...]:
    """The first tree of each shape.

    Two trees have the same shape when their merges make the same sets of leaves, in whatever order and at whatever
    heights: cut stage by stage they express the same topologies.
    """
    first: dict[frozenset[tuple[int, ...]], CandidateTree] = {}
    for candidate in trees:
        tree = candidate.tree
        shape = frozenset(tree.leaves(len(tree.tasks) + k) for k in range(len(tree.merges)))
        first.setdefault(shape, candidate)
    return tuple(first.values())


def standard_trees(pairs: Pairs) -> list[CandidateTree]:
    """Average, complete and ward linkage, and the spectral bisection."""
    linkages = [
        CandidateTree(source=f"hierarchical({method})", tree=linkage_tree(pairs, method)) for method in STANDARD
    ]
    return [*linkages, CandidateTree(source="spectral bisection", tree=bisection_tree(pairs))]


def proposal_trees(pairs: Pairs, proposals: Sequence[Proposal]) -> list[CandidateTree]:
    """Average linkage within the groups, then of the groups, for what some proposal means to search.

    Of a grouping that no other tree cuts (given by the user, repaired for constraints, or from a method without a tree)
    search could make no use. The first four proposals get such a tree, and those that the user gave.
    """
    partial = [p for p in proposals if 1 < len(p.grouping) < len(pairs.tasks)]
    chosen = [p for k, p in enumerate(partial) if k < N_FIRST or "given" in p.source]
    return [
        CandidateTree(source=f"within {p.source.split(' (also ')[0]}", tree=_tree_within(pairs, p.grouping))
        for p in chosen
    ]


def _tree_within(pairs: Pairs, grouping: Grouping) -> MergeTree:
    labels = np.array([grouping.labels[i] for i in pairs.order])
    far = 1.0 + float(np.ptp(pairs.similarity))
    raised = Pairs(pairs.tasks, pairs.order, pairs.similarity + far * (labels[:, None] == labels), ())
    return linkage_tree(raised, "average")


def resampled_trees(affinity: Affinity, stage: str, n: int, seed: int) -> tuple[list[CandidateTree], list[str]]:
    """Average linkage of ``n`` draws from the error bars, and notes on the error bars that are missing.

    The draws are made in name order, so that the same seed gives permuted tasks the permuted trees.
    """
    if n == 0 or len(affinity.tasks) < 3:  # fewer than three tasks have one tree
        return [], []
    notes = _missing_bars(affinity, stage)
    by_name = affinity.reordered(sorted(affinity.tasks))
    rng = np.random.default_rng(seed)
    trees = []
    for k in range(1, n + 1):
        pairs = Pairs.of(by_name.resampled(rng).reordered(affinity.tasks), stage)
        trees.append(CandidateTree(source=f"resampled {k} of {n}", tree=linkage_tree(pairs, "average")))
    return trees, notes


def _missing_bars(affinity: Affinity, stage: str) -> list[str]:
    known = ~np.isnan(affinity.slice(stage)) & ~np.eye(len(affinity.tasks), dtype=bool)
    bars = affinity.stderr[affinity.stages.index(stage)]
    n_missing = int((known & np.isnan(bars)).sum())
    if not n_missing:
        return []
    remedy = "leave them as is" if n_missing == known.sum() else "give them the widest of the others'"
    return [f"{n_missing} of {known.sum()} affinities at `{stage}` have no error bar: resampled trees {remedy}"]
