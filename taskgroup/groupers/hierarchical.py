"""Hierarchical grouping: merge the most similar groups until all tasks are together."""

from typing import Literal

import numpy as np
from pydantic import Field
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from taskgroup.core.affinity import TRUNK, Affinity, Array
from taskgroup.core.record import CandidateTree, Proposal, Proposals
from taskgroup.core.task import Frozen
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.pairs import Pairs

Linkage = Literal["average", "complete", "ward"]

TOLERANCE = 1e-6
"""Euclidean defect that is put down to round-off."""


class Hierarchical(Frozen):
    """Agglomerative clustering of the distances ``d_ij = max(s) - s_ij``, s being ``Affinity.similarity``.

    The distance between groups A and B is, with ``linkage``

    - ``average``: ``mean_{i in A, j in B} d_ij`` (UPGMA),
    - ``complete``: ``max_{i in A, j in B} d_ij``,
    - ``ward``: ``sqrt(2 |A| |B| / (|A| + |B|)) · ‖mean_A - mean_B‖`` of points with these distances.

    Adding a constant to all d shifts the heights of average and complete and leaves their trees as they are. Ward
    needs points: where no points have these distances (see :func:`euclidean_defect`), its result has no proposals, no
    tree and a note with the defect. With measured affinities that is the rule: the most similar pair has distance 0, so
    its two tasks would have to be equally far from every third.

    Ties are decided by scipy's algorithm on the tasks in name order: the answer is deterministic and follows any
    permutation of the tasks, but renaming tied tasks may change it. O(T²) time and memory.

    Attributes:
        method: Name in the table.
        linkage: Distance between groups.
        max_groups: Largest number of groups proposed, at least 2; None sweeps up to T - 1.

    Example:
        >>> gain = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 4], [1, 1, 4, 0.0]])[None]
        >>> affinity = Affinity(tuple("abcd"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> Hierarchical(max_groups=2)(affinity).proposals[0].grouping.groups
        (('a', 'b'), ('c', 'd'))

    Source:
        scipy.cluster.hierarchy.linkage; Müllner 2011, arXiv:1109.2378 (algorithms). Clustering task affinities by
        average linkage follows the branching heuristics of Vandenhende et al. 2020, arXiv:1904.02920; the per-target
        centring before it is ours.
    """

    method: Literal["hierarchical"] = "hierarchical"
    linkage: Linkage = "average"
    max_groups: int | None = Field(default=None, ge=2)

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """Cuts of the merge tree from coarse to fine, and the tree."""
        pairs = Pairs.of(affinity, stage)
        if note := refusal(pairs, self.linkage):
            return Proposals(proposals=(), trees=(), notes=(*pairs.notes, note))
        tree = linkage_tree(pairs, self.linkage)
        name = f"hierarchical({self.linkage})"
        cuts = tuple(Proposal(grouping=tree.cut(k), source=f"{name}, {k} groups") for k in pairs.sweep(self.max_groups))
        return Proposals(proposals=cuts, trees=(CandidateTree(source=name, tree=tree),), notes=pairs.notes)


def linkage_tree(pairs: Pairs, method: Linkage) -> MergeTree:
    """The whole merge tree; with one task it has no merges."""
    if len(pairs.tasks) == 1:
        return pairs.tree((), ())
    rows = linkage(squareform(pairs.distances()), method)
    return pairs.tree([(int(a), int(b)) for a, b in rows[:, :2]], rows[:, 2].tolist())


def refusal(pairs: Pairs, method: Linkage) -> str | None:
    """Why this linkage does not apply to these pairs, None where it does."""
    defect = euclidean_defect(pairs.distances()) if method == "ward" else 0.0
    if defect <= TOLERANCE:
        return None
    return (
        "ward linkage is left out: it needs Euclidean distances, and no points have these "
        f"(negative part {defect:.2g} of the largest eigenvalue, allowed {TOLERANCE:g})"
    )


def euclidean_defect(distances: Array) -> float:
    """How far distances are from those of points: ``max(0, -λ_min) / λ_max`` of ``B = -½ J D² J``, ``J = I - 11ᵀ/T``.

    Distances are Euclidean exactly when B, the Gram matrix of the centred points, is positive semidefinite, that is
    when this is 0. A pure number that does not depend on the unit; O(T³).

    Args:
        distances: Symmetric, zero diagonal, shape ``(T, T)``.

    Example:
        >>> round(euclidean_defect(np.array([[0.0, 3, 4], [3, 0, 5], [4, 5, 0]])), 12)  # a right triangle
        0.0
        >>> euclidean_defect(np.array([[0.0, 1, 1], [1, 0, 3], [1, 3, 0]])) > 0.1  # 3 > 1 + 1
        True

    Source:
        Schoenberg 1935, doi:10.2307/1968654; Gower 1982 for the centred form.
    """
    squares = distances**2
    gram = -0.5 * (squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True) + squares.mean())
    eigenvalues = np.linalg.eigvalsh(gram)
    top = float(np.abs(eigenvalues).max())
    return max(0.0, -float(eigenvalues.min())) / top if top > 0 else 0.0
