"""Spectral grouping: cut the graph of similarities where it is thinnest."""

from typing import Literal

from pydantic import Field
from sklearn.cluster import SpectralClustering

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.record import CandidateTree, Proposal, Proposals
from taskgroup.core.task import Frozen
from taskgroup.groupers.bisection import bisection_tree
from taskgroup.groupers.kernel import gaussian_kernel
from taskgroup.groupers.pairs import Pairs, source_name


class Spectral(Frozen):
    """Normalized spectral clustering of the graph with weights ``w_ij = exp(-d_ij² / 2σ²)``.

    ``d_ij = max(s) - s_ij`` with s ``Affinity.similarity``, σ the median distance, see
    :func:`~taskgroup.groupers.kernel.gaussian_kernel`. For each number k of groups scikit-learn embeds the tasks by the
    first k eigenvectors of the normalized Laplacian and assigns them by pivoted QR, which needs no random start. It
    may leave one of the k groups empty; that k is then not proposed and a note says so. The merge tree comes from
    recursive bisection, :func:`~taskgroup.groupers.bisection.bisection_tree`, and its cuts need not be the proposals.

    Deterministic; follows any permutation of the tasks, since they are worked on in name order. Where eigenvalues
    coincide (exact ties) the eigensolver picks a basis, the same for the same input. O(T³) for each k. The gaps between
    eigenvalues, which speak for a number of groups, are :func:`~taskgroup.groupers.kernel.eigengaps`.

    Attributes:
        method: Name in the table.
        symmetrization: How both directions of a pair become one similarity.
        max_groups: Largest number of groups proposed, at least 2; None sweeps up to T - 1.

    Example:
        >>> import numpy as np
        >>> gain = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 4], [1, 1, 4, 0.0]])[None]
        >>> affinity = Affinity(tuple("abcd"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> Spectral(max_groups=2)(affinity).proposals[0].grouping.groups
        (('a', 'b'), ('c', 'd'))

    Source:
        von Luxburg 2007, arXiv:0711.0189; pivoted-QR assignment: Damle, Minden and Ying 2019,
        doi:10.1093/imaiai/iay008. The kernel on centred affinities is ours.
    """

    method: Literal["spectral"] = "spectral"
    symmetrization: Symmetrization = "centred-mean"
    max_groups: int | None = Field(default=None, ge=2)

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """Spectral clusterings from coarse to fine, and the bisection tree."""
        pairs = Pairs.of(affinity, stage, self.symmetrization)
        name = source_name("spectral", self.symmetrization)
        weights = gaussian_kernel(pairs.distances())
        proposals, empty = [], []
        for k in pairs.sweep(self.max_groups):
            grouping = pairs.grouping(_labels(weights, k))
            if len(grouping) == k:
                proposals.append(Proposal(grouping=grouping, source=f"{name}, {k} groups"))
            else:
                empty.append(str(k))
        notes = [f"spectral clustering left a group empty for {', '.join(empty)} groups: not proposed"] if empty else []
        tree = CandidateTree(source=source_name("spectral bisection", self.symmetrization), tree=bisection_tree(pairs))
        return Proposals(proposals=tuple(proposals), trees=(tree,), notes=(*pairs.notes, *notes))


def _labels(weights: Array, n_groups: int) -> list[int]:
    clustering = SpectralClustering(n_groups, affinity="precomputed", assign_labels="cluster_qr", random_state=0)
    return [int(label) for label in clustering.fit_predict(weights)]
