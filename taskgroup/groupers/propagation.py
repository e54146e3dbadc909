"""Affinity propagation: tasks choose one of them as the exemplar of their group, by passing messages."""

import warnings
from typing import Literal

import numpy as np
from pydantic import Field
from sklearn.cluster import AffinityPropagation as Clustering
from sklearn.exceptions import ConvergenceWarning

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.record import Proposals
from taskgroup.core.task import Frozen
from taskgroup.groupers.pairs import Pairs, source_name
from taskgroup.groupers.sweep import Labels, swept

STEADY = 50
"""Rounds without a change of exemplars after which messages count as settled; scikit-learn's 15 is too soon at ties."""

TILT = 1e-6
"""What decides which of tied tasks is the exemplar, as part of the range of preferences."""


class AffinityPropagation(Frozen):
    """Exemplars that maximize ``Σ_i s(i, e_i) + p · K``, found by message passing.

    Every task i belongs to an exemplar e_i, K of them are their own; s is ``Affinity.similarity`` less its maximum (the
    constant changes nothing), p the *preference* for being an exemplar. The higher p, the more groups: p is swept from
    where one group becomes better than two up to the greatest similarity, where every task would rather be alone. Of
    several groupings into the same number the one with the greatest ``Σ_i s(i, e_i)`` is proposed.

    Messages need not settle; a preference where they do not is left out, as a note says, and so are numbers of groups
    at which no preference arrived: with exact ties those are most. There is no merge tree. Tied tasks would both or
    neither be exemplars, so p falls by up to ``TILT`` of its range from the first task by name to the last.
    Deterministic; follows any permutation of the tasks. O(T²) for each round of messages, O(T³) once for the range.

    Attributes:
        method: Name in the table.
        symmetrization: How both directions of a pair become one similarity.
        max_groups: Largest number of groups proposed, at least 2; None sweeps up to T - 1.
        damping: Share of the old message that is kept, from 0.5 to below 1; more settles more surely and later.
        max_rounds: Rounds of messages at one preference before it counts as not settled.
        tries: Preferences to try at most.

    Example:
        >>> gain = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 4], [1, 1, 4, 0.0]])[None]
        >>> affinity = Affinity(tuple("abcd"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> AffinityPropagation(max_groups=2)(affinity).proposals[0].grouping.groups
        (('a', 'b'), ('c', 'd'))

    Source:
        Frey and Dueck 2007, doi:10.1126/science.1136800 (the range of preferences is that of their program). The
        symmetrized, centred affinity in place of a given similarity is ours.
    """

    method: Literal["affinity_propagation"] = "affinity_propagation"
    symmetrization: Symmetrization = "centred-mean"
    max_groups: int | None = Field(default=None, ge=2)
    damping: float = Field(default=0.9, ge=0.5, lt=1)
    max_rounds: int = Field(default=1000, ge=1)
    tries: int = Field(default=40, ge=2)

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """One grouping for each number of groups that a preference gave, from coarse to fine."""
        pairs = Pairs.of(affinity, stage, self.symmetrization)
        name = source_name("affinity_propagation", self.symmetrization)
        wanted = pairs.sweep(self.max_groups)
        similarity = -pairs.distances()
        starts = preference_range(similarity) if wanted else (0.0, 0.0)

        def labels_at(preference: float) -> list[int] | None:
            tilted = preference - TILT * (starts[1] - starts[0]) * np.linspace(0.0, 1.0, len(similarity))
            return settled_labels(similarity, tilted, self.damping, self.max_rounds)

        def to_exemplars(labels: Labels) -> float:
            return net_similarity(similarity, labels)

        found = swept(labels_at, starts, wanted, self.tries, to_exemplars)
        return Proposals(proposals=found.proposals(pairs, name), trees=(), notes=(*pairs.notes, *found.notes(name)))


def settled_labels(similarity: Array, preferences: Array, damping: float, max_rounds: int) -> list[int] | None:
    """Groups under one preference for each task, None where the messages did not settle."""
    options = {"damping": damping, "max_iter": max_rounds, "convergence_iter": STEADY, "random_state": 0}
    clustering = Clustering(affinity="precomputed", preference=preferences, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return [int(label) for label in clustering.fit_predict(similarity)]
        except ConvergenceWarning:
            return None


def preference_range(similarity: Array) -> tuple[float, float]:
    """Preferences from which on down one group is better than two, and from which on up none shares an exemplar.

    With one exemplar the objective is at best ``max_k Σ_i s_ik + p``, with two ``max_{j<k} Σ_i max(s_ij, s_ik) + 2 p``:
    they meet at the lower end. The upper end is ``max_{i≠j} s_ij``.

    Args:
        similarity: Symmetric, not positive, zero diagonal, at least two tasks; shape ``(T, T)``.

    Example:
        >>> preference_range(-np.array([[0, 1, 4], [1, 0, 6], [4, 6, 0.0]]))  # one: -5 of task 1; two: -1
        (-4.0, -1.0)
    """
    n_tasks = len(similarity)
    one = similarity.sum(axis=0).max()
    two = max(float(np.maximum(similarity[j], similarity[j + 1 :]).sum(axis=1).max()) for j in range(n_tasks - 1))
    return float(one) - two, float(similarity[np.triu_indices(n_tasks, 1)].max())


def net_similarity(similarity: Array, labels: Labels) -> float:
    """``Σ_i s(i, e_i)`` with each group's best exemplar."""
    groups = [np.flatnonzero(np.array(labels) == k) for k in range(max(labels) + 1)]
    return float(sum(similarity[np.ix_(group, group)].sum(axis=0).max() for group in groups))
