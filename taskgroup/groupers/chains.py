"""Chains: nested partitions over the stages, where tasks part early, late or never."""

from collections.abc import Sequence

import numpy as np

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.record import Chain
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.cuts import Cuts, Ints
from taskgroup.groupers.number import structureless, upper
from taskgroup.groupers.pairs import DECIMALS, Pairs
from taskgroup.groupers.separation import Noisy, branch_separations, observed
from taskgroup.groupers.stability import has_bars


def chain_over_stages(affinity: Affinity, how: Symmetrization, seed: int) -> tuple[Chain, MergeTree] | None:
    """The nested partitions that the slices of the stages speak for, and the tree they were cut from.

    Candidate trees are the average linkages of each slice, the trunk's among them, and of the stages' mean (each slice
    in units of its noise). In a tree, ``z_ms`` is the separation of merge m at stage s, see
    :func:`~taskgroup.groupers.separation.branch_separations`, and ``c`` what the largest of all z over stages, trees
    and merges reaches in one of twenty affinities without structure. Merge m comes apart before stage τ_m (never, where
    τ_m is the number of stages), no earlier than the merge above it, such that

        ``Σ_m ( Σ_{s ≥ τ_m} soft(z_ms, c) - max(0, c - z_ms at s = τ_m) )``,  ``soft(z, c) = sign(z) max(|z| - c, 0)``

    is largest, never parting counting 0; a dynamic program over the tree finds it exactly. So a split comes with the
    first stage that separates its sides beyond noise, stages that do not tell inherit it, and stages that clearly speak
    against it hold it back; a split that is only made to reach one below it pays for what it lacks. Equal totals go to
    the later split and the earlier tree. The best tree's partitions are the chain: all tasks together at every stage
    where nothing separates, as it should be in 95 of 100 affinities without structure.

    None below three tasks, without stages, and where a slice has no error bars. O(200 S² T²).
    """
    stages = affinity.stages[:-1]
    if not stages or len(affinity.tasks) < 3 or not all(has_bars(affinity, stage) for stage in affinity.stages):
        return None
    seen = observed(affinity, affinity.stages, how)
    null = (Noisy.of(values, seen.variance, how) for values in structureless(affinity, affinity.stages, seed))
    largest = [np.max([z.max(axis=(1, 2)) for _, z in _branches(noisy, stages).values()], axis=0) for noisy in null]
    threshold = upper(np.concatenate(largest))
    branches = _branches(seen, stages)
    totals = {name: best_splits(cuts.merges[0], z[0], threshold) for name, (cuts, z) in branches.items()}
    name = max(totals, key=lambda key: totals[key][0])
    cuts, separations = branches[name]
    tree = Pairs.of(affinity).tree([(int(a), int(b)) for a, b in cuts.merges[0]], cuts.heights[0].tolist())
    chain = Chain(
        topology=tree.topology(stages, totals[name][1]),
        source=f"average linkage of {name}",
        separation=tuple(round(float(z), DECIMALS) for z in separations[0].max(axis=0)),
        threshold=threshold,
    )
    return chain, tree


def _branches(noisy: Noisy, stages: Sequence[str]) -> dict[str, tuple[Cuts, Array]]:
    """Candidate trees by source, and the separation of their merges at each stage, shape ``(B, T - 1, S)``.

    Args:
        noisy: Slices of the stages and, last, of the trunk.
        stages: Names of the stages.
    """
    profile = Noisy(noisy.similarity[:, :-1], noisy.spread[:, :-1], noisy.variance[:-1])
    variances = noisy.variance.sum(axis=(1, 2)) / (noisy.variance.shape[1] * (noisy.variance.shape[2] - 1))
    scale = np.where(variances > 0, noisy.spread / np.sqrt(np.where(variances > 0, variances, 1.0)), 1.0)
    mean = np.round((noisy.similarity * scale[:, :, None, None])[:, :-1].mean(axis=1), DECIMALS)
    trees = {f"slice `{stage}`": Cuts.of(noisy.similarity[:, s]) for s, stage in enumerate((*stages, TRUNK))}
    trees["the stages' mean"] = Cuts.of(mean)
    return {name: (cuts, branch_separations(cuts, profile)) for name, cuts in trees.items()}


def best_splits(merges: Ints, separations: Array, threshold: float) -> tuple[float, tuple[int, ...]]:
    """The largest total of a tree, and the stages before which its merges come apart.

    Args:
        merges: Of the tree, shape ``(T - 1, 2)``.
        separations: ``z`` of each merge at each stage, shape ``(T - 1, S)``.
        threshold: ``c``.

    Returns:
        Total and, for each merge, how many leading stages its sides share, 0 to S: see
        :meth:`taskgroup.core.tree.MergeTree.topology`. O(S T).
    """
    n_merges, n_stages = separations.shape
    n_tasks = n_merges + 1
    soft = np.sign(separations) * np.maximum(np.abs(separations) - threshold, 0.0)
    own = np.zeros((n_merges, n_stages + 1))  # of parting before stage τ
    own[:, :-1] = soft[:, ::-1].cumsum(axis=1)[:, ::-1] - np.maximum(threshold - separations, 0.0)
    total = np.zeros((2 * n_tasks - 1, n_stages + 1))  # of a node and all below it, parting before stage τ or later
    choice = np.zeros((n_merges, n_stages + 1), dtype=int)
    for k, (a, b) in enumerate(merges):
        exactly = np.round(own[k] + total[a] + total[b], DECIMALS)
        best = n_stages
        for stage in range(n_stages, -1, -1):
            best = stage if exactly[stage] > exactly[best] else best
            choice[k, stage], total[n_tasks + k, stage] = best, exactly[best]
    return float(total[-1, 0]), _followed(merges, choice)


def _followed(merges: Ints, choice: Ints) -> tuple[int, ...]:
    """The choices from the root down: no merge parts before the one above it."""
    n_merges = len(merges)
    earliest = np.zeros(2 * n_merges + 1, dtype=int)
    splits = [0] * n_merges
    for k in range(n_merges - 1, -1, -1):
        splits[k] = int(choice[k, earliest[n_merges + 1 + k]])
        earliest[merges[k]] = splits[k]
    return tuple(splits)
