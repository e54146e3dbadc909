"""The propose step: all groupers' answers as one frozen list of groupings and one of trees."""

from collections.abc import Iterable, Sequence

from sklearn.metrics import silhouette_score

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposal, Proposals
from taskgroup.errors import InputError
from taskgroup.groupers import Grouper
from taskgroup.groupers.candidates import distinct, resampled_trees, standard_trees
from taskgroup.groupers.pairs import Pairs


def propose(
    affinity: Affinity, groupers: Sequence[Grouper], *, n_resampled: int, seed: int, stage: str = TRUNK
) -> Proposals:
    """Run the groupers and collect what search starts from.

    Groupings: all together, all apart and whatever the groupers propose, each once; a grouping found again is
    mentioned in the source of the first. Ordered from coarse to fine, then by falling silhouette
    ``mean_i (b_i - a_i) / max(a_i, b_i)`` on ``d_ij = max(s) - s_ij`` (a: mean distance within the group, b: to the
    nearest other), which is None for one group and for T.

    Trees: the linkages, spectral bisection, those of the groupers, then average linkage of
    ``n_resampled`` draws from the affinity's error bars; each shape of tree once, see
    :func:`~taskgroup.groupers.candidates.distinct`.

    The same affinity and seed give the same lists; permuting the tasks permutes them, the draws included.

    Args:
        affinity: What the groupers look at.
        groupers: Asked in this order; may be empty.
        n_resampled: Draws from the error bars, 0 or more; the first draws do not depend on how many follow.
        seed: Of the draws.
        stage: Slice of the affinity.

    Raises:
        InputError: If ``n_resampled`` is negative or the affinity has no such stage.

    Example:
        >>> import numpy as np
        >>> gain = np.array([[0, 5, 1], [5, 0, 1], [1, 2, 0.0]])[None]
        >>> affinity = Affinity(("a", "b", "c"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> [p.source for p in propose(affinity, [], n_resampled=0, seed=0).proposals]
        ['all together', 'all apart']
    """
    if n_resampled < 0:
        raise InputError(f"`n_resampled` should be 0 or more, found {n_resampled}")
    pairs = Pairs.of(affinity, stage)
    results = [grouper(affinity, stage) for grouper in groupers]
    ends = (
        Proposal(grouping=Grouping.together(affinity.tasks), source="all together"),
        Proposal(grouping=Grouping.apart(affinity.tasks), source="all apart"),
    )
    found = _merged([*ends, *(p for result in results for p in result.proposals)])
    scored = [Proposal(grouping=p.grouping, source=p.source, score=silhouette(pairs, p.grouping)) for p in found]
    scored.sort(key=lambda p: (len(p.grouping), -(p.score or 0.0)))
    drawn, missing = resampled_trees(affinity, stage, n_resampled, seed)
    trees = distinct([*standard_trees(pairs), *(t for result in results for t in result.trees), *drawn])
    notes = [*pairs.notes, *(note for result in results for note in result.notes), *missing]
    return Proposals(proposals=tuple(scored), trees=trees, notes=tuple(dict.fromkeys(notes)))


def silhouette(pairs: Pairs, grouping: Grouping) -> float | None:
    """Mean silhouette of a grouping, from -1 to 1; a task alone counts 0; None for one group and for T groups.

    Source:
        Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7.
    """
    if not 2 <= len(grouping) <= len(pairs.tasks) - 1:
        return None
    labels = [grouping.labels[i] for i in pairs.order]
    return round(float(silhouette_score(pairs.distances(), labels, metric="precomputed")), 9)


def _merged(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Each grouping once, with the names of all who found it."""
    sources: dict[Grouping, list[str]] = {}
    for proposal in proposals:
        known = sources.setdefault(proposal.grouping, [])
        if proposal.source not in known:
            known.append(proposal.source)
    return [
        Proposal(grouping=grouping, source=first + (f" (also {'; '.join(others)})" if others else ""))
        for grouping, (first, *others) in sources.items()
    ]
