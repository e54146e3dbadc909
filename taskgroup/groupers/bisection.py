"""Recursive spectral bisection: a merge tree made from the root down."""

import numpy as np

from taskgroup.core.affinity import Array
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.kernel import gaussian_kernel
from taskgroup.groupers.pairs import Pairs

Leaves = tuple[int, ...]


def bisection_tree(pairs: Pairs) -> MergeTree:
    """Tree that parts every set of tasks at its thinnest cut, from all tasks down to single ones.

    The weights are those of :func:`~taskgroup.groupers.kernel.gaussian_kernel` over all tasks. The height of a merge is
    the mean distance between its two sides, raised to that of the merges below it where needed, so that heights do not
    decrease towards the root. With one task the tree has no merges. At most T - 1 eigenproblems: O(T³) when balanced.

    Source:
        Shi and Malik 2000, doi:10.1109/34.868688 (recursive two-way normalized cuts).
    """
    n_tasks = len(pairs.tasks)
    distances = pairs.distances()
    weights = gaussian_kernel(distances)
    splits: list[tuple[Leaves, Leaves]] = []
    waiting: list[Leaves] = [tuple(range(n_tasks))]
    while waiting:
        leaves = waiting.pop()
        if len(leaves) > 1:
            sides = thinnest_cut(weights, leaves)
            splits.append(sides)
            waiting += sides
    return _tree(pairs, splits, distances)


def thinnest_cut(weights: Array, leaves: Leaves) -> tuple[Leaves, Leaves]:
    """The two sides of ``leaves`` with the least normalized cut among those that follow the Fiedler vector.

    With W the weights among ``leaves``, D their row sums and ``L = I - D^-½ W D^-½``, the leaves are put in the order
    of ``D^-½ v``, v the eigenvector of L's second eigenvalue, and every place in that order is tried:
    ``Ncut(A, B) = cut(A, B) / vol(A) + cut(A, B) / vol(B)``. Of equal cuts the most balanced is taken, then the first.

    Args:
        weights: Positive and symmetric, shape ``(T, T)``; the diagonal is not used.
        leaves: At least two rows of ``weights``, ascending.

    Returns:
        Both sides, each ascending, the one with the first leaf first.
    """
    inside = weights[np.ix_(leaves, leaves)].copy()
    np.fill_diagonal(inside, 0.0)
    degrees = inside.sum(axis=1)
    scale = 1.0 / np.sqrt(degrees)
    _, vectors = np.linalg.eigh(np.eye(len(leaves)) - inside * scale[:, None] * scale)
    order = np.argsort(np.round(vectors[:, 1] * scale, 9), kind="stable")
    cuts = [_normalized_cut(inside, degrees, order[:n]) for n in range(1, len(leaves))]
    best = min(range(len(cuts)), key=lambda n: (round(cuts[n], 9), abs(len(leaves) - 2 * (n + 1)), n))
    low = tuple(sorted(leaves[i] for i in order[: best + 1]))
    high = tuple(sorted(leaves[i] for i in order[best + 1 :]))
    return (low, high) if low[0] < high[0] else (high, low)


def _normalized_cut(inside: Array, degrees: Array, side: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> float:
    volume = degrees[side].sum()
    cut = volume - inside[np.ix_(side, side)].sum()
    return float(cut / volume + cut / (degrees.sum() - volume))


def _tree(pairs: Pairs, splits: list[tuple[Leaves, Leaves]], distances: Array) -> MergeTree:
    """The tree of these splits, listed parents before children."""
    height: dict[Leaves, float] = {(i,): 0.0 for i in range(len(pairs.tasks))}
    for a, b in reversed(splits):
        between = float(distances[np.ix_(a, b)].mean())
        height[tuple(sorted(a + b))] = max(between, height[a], height[b])
    # A child is never higher than its parent and always smaller: sorted so, it comes first.
    ordered = sorted(splits, key=lambda split: (height[tuple(sorted(split[0] + split[1]))], len(split[0] + split[1])))
    node: dict[Leaves, int] = {(i,): i for i in range(len(pairs.tasks))}
    merges, heights = [], []
    for a, b in ordered:
        whole = tuple(sorted(a + b))
        merges.append((node[a], node[b]))
        heights.append(height[whole])
        node[whole] = len(pairs.tasks) + len(merges) - 1
    return pairs.tree(merges, heights)
