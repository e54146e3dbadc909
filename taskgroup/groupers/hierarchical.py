"""Hierarchical grouping: merge the most similar groups until all tasks are together."""

from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.record import CandidateTree, Proposal, Proposals
from taskgroup.core.task import Frozen
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.pairs import Pairs, source_name

Linkage = Literal["average", "complete", "ward", "single", "weighted"]

STANDARD: tuple[Linkage, ...] = ("average", "complete", "ward")
"""Linkages whose trees search always gets; the others enter it where their grouper is asked for."""

ROUND_OFF = 1e-9
"""Negative eigenvalues down to this part of the largest are put down to round-off."""


class Hierarchical(Frozen):
    """Agglomerative clustering of the distances ``d_ij = max(s) - s_ij``, s being ``Affinity.similarity``.

    The distance between groups A and B is, with ``linkage``

    - ``average``: ``mean_{i in A, j in B} d_ij`` (UPGMA),
    - ``weighted``: ``(d(A₁, B) + d(A₂, B)) / 2`` with A₁ and A₂ the two groups that made A (WPGMA),
    - ``complete``: ``max_{i in A, j in B} d_ij``,
    - ``single``: ``min_{i in A, j in B} d_ij``, which chains: one similar pair is enough to merge two groups,
    - ``ward``: ``sqrt(2 |A| |B| / (|A| + |B|)) · ‖mean_A - mean_B‖`` of points with the squared distances
      ``2 (max(s) - s_ij) + 2 c``, see :func:`ward_distances`.

    Adding a constant to all d (or, for ward, to their squares) shifts the heights and leaves the tree as it is. That
    matters, since affinities are centred and tell distances up to a constant only. scipy's ``centroid`` and ``median``
    are refused for that reason: they need points, the points exist only after such a constant is chosen, and their tree
    changes with it. They also make inversions (the third corner of an equilateral triangle of side 1 is √3/2 < 1 from
    the middle of the other two), while the heights of a merge tree do not decrease.

    Ties are decided by scipy's algorithm on the tasks in name order: the answer is deterministic and follows any
    permutation of the tasks, but renaming tied tasks may change it. O(T²) time and memory.

    Attributes:
        method: Name in the table.
        linkage: Distance between groups.
        symmetrization: How both directions of a pair become one similarity.
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
    symmetrization: Symmetrization = "centred-mean"
    max_groups: int | None = Field(default=None, ge=2)

    @field_validator("linkage", mode="before")
    @classmethod
    def _needs_no_points(cls, value: Any) -> Any:
        if value in ("centroid", "median"):
            raise ValueError(
                f"`{value}` needs points, and affinities tell distances up to a constant only, on which its tree would "
                "depend; `average`, `weighted` and `ward` do not"
            )
        return value

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """Cuts of the merge tree from coarse to fine, and the tree."""
        pairs = Pairs.of(affinity, stage, self.symmetrization)
        tree = linkage_tree(pairs, self.linkage)
        name = source_name("hierarchical", self.symmetrization, self.linkage)
        cuts = tuple(Proposal(grouping=tree.cut(k), source=f"{name}, {k} groups") for k in pairs.sweep(self.max_groups))
        return Proposals(proposals=cuts, trees=(CandidateTree(source=name, tree=tree),), notes=pairs.notes)


def linkage_tree(pairs: Pairs, method: Linkage) -> MergeTree:
    """The whole merge tree; with one task it has no merges."""
    if len(pairs.tasks) == 1:
        return pairs.tree((), ())
    distances = ward_distances(pairs.distances()) if method == "ward" else pairs.distances()
    rows = linkage(squareform(distances), method)
    return pairs.tree([(int(a), int(b)) for a, b in rows[:, :2]], rows[:, 2].tolist())


def ward_distances(distances: Array) -> Array:
    """Distances of points whose inner products are the similarities, as ward linkage needs them.

    With similarities as inner products the squared distances are ``D²_ij = 2 (max(s) - s_ij) + 2 c``. Points with these
    distances exist when ``B = -½ J D² J`` (``J = I - 11ᵀ/T``) has no negative eigenvalue; ``c ≥ 0`` is the smallest
    constant for which that is so. It adds the same amount to the cost of every merge, so the tree does not depend on
    it. O(T³).

    Args:
        distances: ``max(s) - s_ij``, symmetric, zero diagonal, shape ``(T, T)``.

    Returns:
        Shape ``(T, T)``, zero diagonal.

    Example:
        >>> bool(np.allclose(ward_distances(np.array([[0, 9, 16], [9, 0, 25], [16, 25, 0]]) / 2)[0], [0, 3, 4]))
        True

    Source:
        Gower 1982 for B; Lingoes 1971, doi:10.1007/BF02291398 for the constant.
    """
    squares = 2.0 * distances
    gram = -0.5 * (squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True) + squares.mean())
    eigenvalues = np.linalg.eigvalsh(gram)
    lacking = -float(eigenvalues.min())
    if lacking > ROUND_OFF * float(np.abs(eigenvalues).max()):
        squares = squares + 2.0 * lacking * (1.0 - np.eye(len(squares)))
    return np.asarray(np.sqrt(squares))
