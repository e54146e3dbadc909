"""Stability: whether affinities redrawn within their error bars lead to the same groups."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity, Array, Symmetrization
from taskgroup.core.grouping import Grouping
from taskgroup.core.tree import MergeTree
from taskgroup.groupers.cuts import Cuts, same_group
from taskgroup.groupers.pairs import DECIMALS, Pairs
from taskgroup.groupers.separation import Noisy

TIES = 1e-6
"""Weight of the observed distances in the consensus tree: they order what the draws leave open."""
AT_ONCE = 300_000
"""Numbers drawn at a time."""


def has_bars(affinity: Affinity, stage: str) -> bool:
    """Whether any known affinity between two tasks has an error bar; without, nothing can be redrawn."""
    known = ~np.isnan(affinity.slice(stage)) & ~np.eye(len(affinity.tasks), dtype=bool)
    return bool((known & ~np.isnan(affinity.stderr[affinity.stages.index(stage)])).any())


def draws(affinity: Affinity, stages: Sequence[str], n: int, *seed: int) -> Iterator[Array]:
    """``n`` draws from the error bars, ``values + stderr · N(0, 1)``, a few at a time, shape ``(b, S, T, T)``.

    Tasks are in name order, so that permuted tasks get the permuted draws; the first ones do not depend on how many
    follow. Missing error bars are filled as in :meth:`taskgroup.core.affinity.Affinity.resampled`.
    """
    by_name = affinity.reordered(sorted(affinity.tasks))
    at = [by_name.stages.index(stage) for stage in stages]
    values, bars = by_name.values[at], by_name.bars()[at]
    rng = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // values.size)
    for start in range(0, n, at_once):
        yield values + bars * rng.standard_normal((min(at_once, n - start), *values.shape))


@dataclass(frozen=True)
class Redrawn:
    """Average-linkage trees of redrawn affinities, their leaves numbered in name order.

    All proposals are held against the same trees, not each against its own method: single linkage, say, splits off the
    same outliers whatever the groups are, and would look stable for it.

    Attributes:
        trees: One for each draw; None below three tasks, without error bars and without draws.
    """

    trees: Cuts | None

    @classmethod
    def of(cls, affinity: Affinity, stage: str, how: Symmetrization, n: int, seed: int) -> "Redrawn":
        """Trees of ``n`` draws."""
        if n == 0 or len(affinity.tasks) < 3 or not has_bars(affinity, stage):
            return cls(None)
        drawn = np.concatenate(list(draws(affinity, (stage,), n, seed, 1)))
        return cls(Cuts.of(Noisy.of(drawn, np.zeros(drawn.shape[1:]), how).similarity[:, 0]))

    def stabilities(self, pairs: Pairs, groupings: Iterable[Grouping]) -> list[float | None]:
        """Mean adjusted Rand index of each grouping with the draws' cuts into as many groups.

        1: every draw gives this grouping; about 0: no more alike than by chance. None for one group, for T groups (in
        both any two groupings agree), and where there are no draws.

        Source:
            Hubert and Arabie 1985, doi:10.1007/BF01908075 (index). Resampling for stability: Ben-Hur, Elisseeff and
            Guyon 2002; Hennig 2007, doi:10.1016/j.csda.2006.11.025. They resample what is clustered; tasks are not a
            sample, so here it is the measured affinities, from their standard errors.
        """
        at: dict[int, Array] = {}
        found: list[float | None] = []
        for grouping in groupings:
            k = len(grouping)
            if self.trees is None or not 2 <= k <= len(pairs.tasks) - 1:
                found.append(None)
                continue
            if k not in at:
                at[k] = self.trees.together(k).astype(np.float64)
            own = same_group([grouping.labels[i] for i in pairs.order])
            found.append(round(float(adjusted_rand(own, at[k]).mean()), DECIMALS))
        return found

    def together(self, n_groups: int) -> Array:
        """Share of the draws in which two tasks are together when cut into ``n_groups``; shape ``(T, T)``, name order.

        Symmetric, 1 on the diagonal.

        Source:
            Monti, Tamayo, Mesirov and Golub 2003, doi:10.1023/A:1023949509487 (consensus matrix).
        """
        assert self.trees is not None
        shares = np.eye(self.trees.n_tasks)
        rows, columns = np.triu_indices(len(shares), 1)
        shares[rows, columns] = shares[columns, rows] = self.trees.together(n_groups).mean(axis=0)
        return shares


def adjusted_rand(one: NDArray[np.bool_], others: Array) -> Array:
    """Adjusted Rand index ``(a - E) / (M - E)`` of a grouping with each of several others, shape ``(D,)``.

    a: pairs that both put together; with p and q the pairs that the one and the other put together, of N,
    ``E = p q / N`` and ``M = (p + q) / 2``. 1 where M equals E, which is where both are all together or all apart.

    Args:
        one: Which pairs are together, shape ``(N,)``.
        others: 1 where a pair is together, else 0, shape ``(D, N)``.
    """
    together = one.astype(np.float64)
    p, q = together.sum(), others.sum(axis=1)
    expected, largest = p * q / len(one), (p + q) / 2
    room = largest - expected
    return np.asarray(np.where(room > 0, (others @ together - expected) / np.where(room > 0, room, 1.0), 1.0))


def consensus_tree(pairs: Pairs, together: Array) -> MergeTree:
    """Average linkage of ``1 - together``; what the draws leave open follows the observed distances.

    Args:
        pairs: Observed similarities, three tasks or more.
        together: Of :meth:`Redrawn.together`, in name order.
    """
    observed = pairs.distances()
    cuts = Cuts.of((together - TIES * observed / (observed.max() or 1.0))[None])
    heights = [round(float(height), 5) for height in cuts.heights[0]]
    return pairs.tree([(int(a), int(b)) for a, b in cuts.merges[0]], heights)
