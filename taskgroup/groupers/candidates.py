"""Candidate trees: what search may cut, as a frozen list."""

from collections.abc import Iterable
from typing import get_args

import numpy as np

from taskgroup.core.affinity import Affinity
from taskgroup.core.record import CandidateTree
from taskgroup.groupers.bisection import bisection_tree
from taskgroup.groupers.hierarchical import Linkage, linkage_tree
from taskgroup.groupers.pairs import Pairs


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
    """Every linkage and the spectral bisection."""
    linkages = [
        CandidateTree(source=f"hierarchical({method})", tree=linkage_tree(pairs, method))
        for method in get_args(Linkage)
    ]
    return [*linkages, CandidateTree(source="spectral bisection", tree=bisection_tree(pairs))]


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
