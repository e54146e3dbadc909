"""The propose step: all groupers' answers as one frozen list of groupings and one of trees."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from taskgroup.core.affinity import TRUNK, Affinity, Array, Symmetrization
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree, Chain, Proposal, Proposals
from taskgroup.core.tree import MergeTree
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS, Grouper
from taskgroup.groupers.candidates import distinct, proposal_trees, resampled_trees, standard_trees
from taskgroup.groupers.chains import chain_over_stages
from taskgroup.groupers.constraints import Constraints, constrained
from taskgroup.groupers.number import clarity, group_counts, silhouette
from taskgroup.groupers.pairs import DECIMALS, Pairs
from taskgroup.groupers.recommend import rank, recommend
from taskgroup.groupers.stability import Redrawn, consensus_tree
from taskgroup.groupers.topologies import admits

N_DRAWS = 50


def propose(
    affinity: Affinity,
    groupers: Sequence[Grouper],
    *,
    n_resampled: int,
    seed: int,
    stage: str = TRUNK,
    n_draws: int = N_DRAWS,
    symmetrization: Symmetrization = "centred-mean",
    constraints: Constraints | None = None,
) -> Proposals:
    """Run the groupers, weigh their answers, and collect what search starts from.

    Groupings: all together, all apart and whatever the groupers propose, each once; a grouping found again is
    mentioned in the source of the first. Each has its silhouette ``mean_i (b_i - a_i) / max(a_i, b_i)`` on
    ``d_ij = max(s) - s_ij`` (a: mean distance within the group, b: to the nearest other) and its stability under
    ``n_draws`` redrawn affinities, both None for one group and for T. The recommended one comes first, then by falling
    stability, then by falling silhouette. Under ``constraints`` those that break a rule are repaired.

    Trees: the linkages, spectral bisection, those of the groupers, the consensus of the draws, that of the chain over
    the stages, average linkage within the groups of the first proposals, then average linkage of ``n_resampled`` draws
    from the affinity's error bars; each shape of tree once, see :func:`~taskgroup.groupers.candidates.distinct`.

    The same affinity and seed give the same lists; permuting the tasks permutes them, the draws included.

    Args:
        affinity: What the groupers look at.
        groupers: Asked in this order; may be empty.
        n_resampled: Draws that become candidate trees, 0 or more; the first do not depend on how many follow.
        seed: Of the draws.
        stage: Slice of the affinity; the chain looks at all of them.
        n_draws: Draws for stability and consensus, 0 or more.
        symmetrization: Of the similarities behind everything but the groupers, which have their own.
        constraints: Rules that every grouping and the chain have to keep.

    Raises:
        InputError: If a number of draws is negative, the affinity has no such stage, or the constraints name other
            tasks or contradict each other.

    Example:
        >>> import numpy as np
        >>> gain = np.array([[0, 5, 1], [5, 0, 1], [1, 2, 0.0]])[None]
        >>> affinity = Affinity(("a", "b", "c"), ("trunk",), gain, 0 * gain, np.ones(gain.shape, int))
        >>> [p.source for p in propose(affinity, [], n_resampled=0, seed=0).proposals]
        ['all together', 'all apart']
    """
    for name, number in (("n_resampled", n_resampled), ("n_draws", n_draws)):
        if number < 0:
            raise InputError(f"`{name}` should be 0 or more, found {number}")
    rules = constraints or Constraints()
    rules.check(affinity.tasks)
    pairs = Pairs.of(affinity, stage, symmetrization)
    results = [grouper(affinity, stage) for grouper in groupers]
    found = constrained(_collected(affinity.tasks, results, rules), pairs, rules)
    redrawn = Redrawn.of(affinity, stage, symmetrization, n_draws, seed)
    weighed = _weighed(found.proposals, pairs, redrawn)
    counts = group_counts(affinity, pairs, stage, symmetrization, redrawn)
    fallback = rules.repaired(pairs, Grouping.together(affinity.tasks)) or weighed[0].grouping
    answer = recommend(
        pairs, weighed, counts, clarity(affinity, stage, symmetrization, counts, seed), fallback, rules != Constraints()
    )
    together = _together(redrawn, answer.n_groups)
    chains = _chains(affinity, symmetrization, seed, rules)
    ordered = _ordered(weighed, answer.grouping)
    drawn, missing = resampled_trees(affinity, stage, n_resampled, seed)
    consensus = next((consensus_tree(pairs, share) for share in together), None)
    trees = [
        *standard_trees(pairs),
        *(tree for result in results for tree in result.trees),
        *([CandidateTree(source=f"consensus of {n_draws} draws", tree=consensus)] if consensus else []),
        *(CandidateTree(source=chain.source, tree=tree) for chain, tree in chains),
        *proposal_trees(pairs, ordered),
        *drawn,
    ]
    notes = [*pairs.notes, *(note for result in results for note in result.notes), *found.notes, *missing]
    return Proposals(
        proposals=ordered,
        trees=distinct(trees),
        notes=tuple(dict.fromkeys(notes)),
        recommended=answer.grouping,
        reason=answer.reason,
        counts=counts,
        together=tuple(row for share in together for row in _in_order(pairs, share)),
        consensus=consensus,
        chain=next((chain for chain, _ in chains), None),
        n_draws=0 if redrawn.trees is None else n_draws,
        symmetrization=symmetrization,
    )


def make_groupers(options: Iterable[Mapping[str, Any]], symmetrization: Symmetrization) -> list[Grouper]:
    """Groupers by ``method`` and options; those with a symmetrization and none given get ``symmetrization``.

    Raises:
        InputError: Unknown method.
        ValidationError: Wrong option.
    """
    found = []
    for given in options:
        fields = getattr(GROUPERS[given["method"]], "model_fields", {})
        usual = {"symmetrization": symmetrization} if "symmetrization" in fields else {}
        found.append(cast("Grouper", GROUPERS.create(given["method"], {**usual, **given})))
    return found


def _collected(tasks: Sequence[str], results: Sequence[Proposals], rules: Constraints) -> Proposals:
    """The two ends and what the groupers found, each grouping once; those that keep the rules need no repair."""
    ends = (
        Proposal(grouping=Grouping.together(tasks), source="all together"),
        Proposal(grouping=Grouping.apart(tasks), source="all apart"),
    )
    found = _merged([*ends, *(p for result in results for p in result.proposals)])
    return Proposals(proposals=tuple(sorted(found, key=lambda p: not rules.admits(p.grouping))), trees=())


def _merged(proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """Each grouping once, with the names of all who found it."""
    sources: dict[Grouping, list[str]] = {}
    for proposal in proposals:
        known = sources.setdefault(proposal.grouping, [])
        if proposal.source not in known:
            known.append(proposal.source)
    return tuple(
        Proposal(grouping=grouping, source=first + (f" (also {'; '.join(others)})" if others else ""))
        for grouping, (first, *others) in sources.items()
    )


def _weighed(proposals: Sequence[Proposal], pairs: Pairs, redrawn: Redrawn) -> list[Proposal]:
    """The same with silhouette and stability."""
    stabilities = redrawn.stabilities(pairs, [p.grouping for p in proposals])
    return [
        Proposal(grouping=p.grouping, source=p.source, score=silhouette(pairs, p.grouping), stability=stability)
        for p, stability in zip(proposals, stabilities, strict=True)
    ]


def _ordered(proposals: Sequence[Proposal], recommended: Grouping) -> tuple[Proposal, ...]:
    """The recommended one, then the most stable first, then the best silhouette; equal ones from coarse to fine."""
    by_size = sorted(proposals, key=lambda p: len(p.grouping))
    by_rank = sorted(by_size, key=rank, reverse=True)  # a stable sort, also in reverse
    return tuple(sorted(by_rank, key=lambda p: p.grouping != recommended))


def _together(redrawn: Redrawn, n_groups: int | None) -> list[Array]:
    """The co-assignment, if there is any."""
    return [] if redrawn.trees is None or n_groups is None else [np.round(redrawn.together(n_groups), DECIMALS)]


def _in_order(pairs: Pairs, shares: Array) -> list[tuple[float, ...]]:
    """A matrix in name order as rows in the order of the tasks."""
    back = np.argsort(pairs.order)
    return [tuple(row) for row in shares[np.ix_(back, back)].tolist()]


def _chains(affinity: Affinity, how: Symmetrization, seed: int, rules: Constraints) -> list[tuple[Chain, MergeTree]]:
    """The chain over the stages with its tree, if there is one that keeps the rules."""
    found = chain_over_stages(affinity, how, seed)
    return [found] if found is not None and admits(rules, found[0].topology) else []
