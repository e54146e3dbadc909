"""Arm: networks that branch by the similarity of representations."""

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from taskgroup.bench.plans.lab import Account, Array, Lab
from taskgroup.bench.plans.tuning import Race, scaled
from taskgroup.core.affinity import Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.topology import Topology

N_TREES = 6
"""Trees of different cost that are trained."""
BEAM = 10
"""Trees that are kept from stage to stage."""


def rsa_branching(lab: Lab, account: Account) -> Candidate:
    """Tasks trained alone; groups at each stage by the dissimilarity of their representations there.

    From the last stage to the first, groups of groups with the least mean dissimilarity within; a beam of trees is
    kept, and of those the best (least sum of dissimilarities over the stages) in each band of cost are trained.

    Source: Vandenhende et al. 2020, arXiv 1904.02920.
    """
    race = Race(lab, account)
    shared = race.tune(lab.shared)
    affinity = lab.affinity({"method": "rsa"}, account, recipe=shared.recipe)
    scale = shared.recipe.lr_scale
    rated = sorted(_trees(affinity, lab.stages), key=lambda pair: pair[0])
    costs = [lab.cost(lab.plain(topology)) for _, topology in rated]
    edges = np.quantile(costs, np.linspace(0, 1, N_TREES + 1))
    chosen: dict[Topology, None] = {}
    for low, high in itertools.pairwise(edges):
        inside = [t for (_, t), cost in zip(rated, costs, strict=True) if low <= cost <= high and t not in chosen]
        chosen.update(dict.fromkeys(inside[:1]))
    return race.refined([scaled(lab.plain(topology), scale) for topology in chosen])


def _trees(affinity: Affinity, stages: tuple[str, ...]) -> Iterator[tuple[float, Topology]]:
    """Topologies and the sum over their stages of the mean dissimilarity within groups."""
    distances = [_distance(affinity.slice(stage)) for stage in stages]
    n_tasks = len(affinity.tasks)
    sizes = sorted({k for k in (1, 2, 3, 4, 6, 8, 12, 16, n_tasks) if k <= n_tasks})
    beam: list[tuple[float, tuple[Grouping, ...]]] = [(0.0, ())]
    for distance in reversed(distances):
        longer: dict[tuple[Grouping, ...], float] = {}
        for total, below in beam:
            parts = below[0] if below else Grouping.apart(affinity.tasks)
            for size in (s for s in sizes if s <= len(parts)):
                grouping = _merged(distance, parts, size)
                longer.setdefault((grouping, *below), total + _within(distance, grouping))
        # the best of each number of groups, so that cheap trees stay in the beam
        ranked = sorted(longer.items(), key=lambda item: item[1])
        kept: list[tuple[float, tuple[Grouping, ...]]] = []
        for size in sizes:
            same = [(total, groupings) for groupings, total in ranked if len(groupings[0]) == size]
            kept += same[:BEAM]
        beam = kept
    for total, groupings in beam:
        yield total, Topology.from_groupings(stages, groupings)


def _distance(similarity: Array) -> Array:
    both = np.nan_to_num((similarity + similarity.T) / 2)
    distance = both.max() - both
    np.fill_diagonal(distance, 0.0)
    return np.asarray(distance)


def _merged(distance: Array, parts: Grouping, n_groups: int) -> Grouping:
    """``parts`` merged into so many groups by average linkage."""
    if len(parts) == n_groups:
        return parts
    inside = np.array([[label == k for label in parts.labels] for k in range(len(parts))], dtype=np.float64)
    means = inside @ distance @ inside.T / np.outer(inside.sum(axis=1), inside.sum(axis=1))
    np.fill_diagonal(means, 0.0)
    labels = fcluster(linkage(squareform(means, checks=False), "average"), n_groups, "maxclust")
    return Grouping(tasks=parts.tasks, labels=tuple(int(labels[k]) for k in parts.labels))


def _within(distance: Array, grouping: Grouping) -> float:
    """Mean over the tasks of their largest dissimilarity to one of their group."""
    labels = np.array(grouping.labels)
    return float(np.where(labels[:, None] == labels, distance, 0.0).max(axis=1).mean())
