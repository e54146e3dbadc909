"""Communities of the signed graph of similarities: groups whose links beat what a null model expects."""

from typing import Literal

import networkx as nx
import numpy as np
from pydantic import Field

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.record import Proposals
from taskgroup.core.task import Frozen
from taskgroup.groupers.pairs import DECIMALS, Pairs, source_name
from taskgroup.groupers.refine import refined, within
from taskgroup.groupers.sweep import Labels, swept

Null = Literal["constant", "configuration"]


class Community(Frozen):
    """Louvain and local moves on the signed graph whose weights are the centred similarities ``s_ij``.

    A grouping is as good as ``H_γ = Σ_{i<j together} b_ij(γ)``, γ the resolution. The benefit of a pair is, with
    ``null``

    - ``constant``: ``b_ij = s_ij - γ`` (the constant Potts model; at γ = 0 the pairs better than the targets' average
      attract and the others repel),
    - ``configuration``: ``b_ij = s_ij - γ k⁺_i k⁺_j / 2w⁺ + k⁻_i k⁻_j / 2w⁻`` with ``k^±`` a task's sum of positive and
      negative similarities and ``2w^±`` their totals. At γ = 1 ``H / (w⁺ + w⁻)`` is the signed modularity
      ``Q⁺ w⁺ / (w⁺ + w⁻) - Q⁻ w⁻ / (w⁺ + w⁻)``.

    Negative similarities are evidence against a group and none is dropped. networkx's Louvain knows positive weights
    only, so it sees the pairs with a positive benefit and gives a start. From there, from all apart and from all
    together, tasks are moved one by one and groups merged as long as H rises, see
    :func:`~taskgroup.groupers.refine.refined`, and the best end is taken. The higher γ, the more groups: it is swept
    from where no pair repels to where none attracts. Of several groupings into the same number the best at the natural
    resolution (0 or 1) is proposed.

    Numbers of groups that no resolution gave are named in a note. There is no merge tree. Deterministic; follows any
    permutation of the tasks, since they are worked on in name order. O(T²) for each move.

    Attributes:
        method: Name in the table.
        null: What links are compared with.
        symmetrization: How both directions of a pair become one similarity.
        max_groups: Largest number of groups proposed, at least 2; None sweeps up to T - 1.
        seed: Order in which Louvain visits the tasks.
        tries: Resolutions to try at most.

    Example:
        >>> gain = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 4], [1, 1, 4, 0.0]])[None]
        >>> affinity = Affinity(tuple("abcd"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> Community(max_groups=2)(affinity).proposals[0].grouping.groups
        (('a', 'b'), ('c', 'd'))

    Source:
        Louvain: Blondel et al. 2008, arXiv:0803.0476. Signed modularity: Gómez, Jensen and Arenas 2009,
        arXiv:0812.3030; a resolution for each sign: Traag and Bruggeman 2009, arXiv:0811.2329; constant Potts model:
        Traag, Van Dooren and Nesterov 2011, arXiv:1104.3083. A resolution for positive links only, and the sweep, are
        ours.
    """

    method: Literal["community"] = "community"
    null: Null = "constant"
    symmetrization: Symmetrization = "centred-mean"
    max_groups: int | None = Field(default=None, ge=2)
    seed: int = Field(default=0, ge=0)
    tries: int = Field(default=40, ge=3)

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """One grouping for each number of groups that a resolution gave, from coarse to fine."""
        pairs = Pairs.of(affinity, stage, self.symmetrization)
        name = source_name("community", self.symmetrization, *(["configuration"] if self.null != "constant" else []))
        attraction, repulsion = null_model(pairs.similarity, self.null)
        natural = 0.0 if self.null == "constant" else 1.0

        def labels_at(resolution: float) -> Labels:
            return communities(attraction - resolution * repulsion, self.seed)

        def score(labels: Labels) -> float:
            return within(attraction - natural * repulsion, labels)

        wanted = pairs.sweep(self.max_groups)
        starts = (*resolution_range(attraction, repulsion), natural) if wanted else ()
        found = swept(labels_at, starts, wanted, self.tries, score)
        return Proposals(proposals=found.proposals(pairs, name), trees=(), notes=(*pairs.notes, *found.notes(name)))


def null_model(similarity: Array, null: Null) -> tuple[Array, Array]:
    """``A`` and ``R`` of the benefit ``b_ij = A_ij - γ R_ij``, both symmetric, shape ``(T, T)``."""
    if null == "constant":
        return similarity, np.ones_like(similarity)
    helping, harming = np.maximum(similarity, 0.0), np.maximum(-similarity, 0.0)
    return similarity + _expected(harming), _expected(helping)


def _expected(weights: Array) -> Array:
    """``k_i k_j / 2w``: the weights of a random graph with the same sums of rows; 0 where there are none."""
    strengths = weights.sum(axis=1)
    return np.asarray(np.outer(strengths, strengths) / (strengths.sum() or 1.0))


def resolution_range(attraction: Array, repulsion: Array) -> tuple[float, float]:
    """The least and the greatest resolution at which any pair turns from attracting to repelling; 0 where none does."""
    upper = np.triu_indices(len(attraction), 1)
    turning = repulsion[upper] > 0
    turns = attraction[upper][turning] / repulsion[upper][turning]
    return (float(turns.min()), float(turns.max())) if turning.any() else (0.0, 0.0)


def communities(benefit: Array, seed: int) -> Labels:
    """The best of three local maxima of ``Σ_{i<j together} b_ij``: from Louvain's groups, all apart and all together.

    Args:
        benefit: Symmetric, of either sign, shape ``(T, T)``; the diagonal is not used.
        seed: Order in which Louvain visits the tasks.
    """
    starts = (louvain(benefit, seed), tuple(range(len(benefit))), (0,) * len(benefit))
    ends = [refined(benefit, start) for start in starts]
    return min(ends, key=lambda labels: (-round(within(benefit, labels), DECIMALS), labels))


def louvain(benefit: Array, seed: int) -> Labels:
    """Louvain of networkx on the pairs with a positive benefit."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(benefit)))
    rows, columns = np.nonzero(np.triu(benefit, 1) > 0)
    graph.add_weighted_edges_from((int(i), int(j), float(benefit[i, j])) for i, j in zip(rows, columns, strict=True))
    groups = nx.community.louvain_communities(graph, seed=seed) if len(rows) else [{i} for i in graph]
    label = {i: k for k, group in enumerate(groups) for i in group}
    return canonical_labels(label[i] for i in range(len(benefit)))
