"""The stopping rule: measure until the groupings no longer change with the half of the looks they are made from."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.averaging import clipped
from taskgroup.core.reliability import recipient_centred

Array = NDArray[np.float64]

N_BLOCKS = 10
N_SPLITS = 12
MIN_TASKS = 4
"""With fewer tasks there are so few groupings that halves agree by chance."""


@dataclass(frozen=True)
class StopRule:
    """When a training has been looked at for long enough.

    Attributes:
        n_steps: Planned steps of the training.
        min_looks: Looks before which the rule does not fire; they should span at least half of the steps.
        regret: Largest cross-regret at which groupings count as settled.
    """

    n_steps: int
    min_looks: int = 40
    regret: float = 0.15

    def is_due(self, n_looks: int, step: int, every: int) -> bool:
        """Whether to look into it after so many looks, the last at ``step``: about ten times in a training."""
        planned = -(-self.n_steps // every)
        spread = n_looks >= self.min_looks and 2 * (step + every) >= self.n_steps
        return spread and n_looks % max(1, planned // 10) == 0

    def is_met(self, settling: "Settling") -> bool:
        """Both regrets at most ``regret`` (unknown ones are not)."""
        return settling.halves <= self.regret and settling.phases <= self.regret


@dataclass(frozen=True)
class Settling:
    """How far groupings depend on the looks they are made from.

    Attributes:
        halves: Mean cross-regret of balanced half-samples.
        phases: Cross-regret of the early and the late half.
    """

    halves: float
    phases: float


def settling(looks: Array, trim: float = 0.1) -> Settling:
    """Cross-regrets of the groupings that halves of the looks lead to.

    The looks are cut into ten blocks of consecutive looks. Half-samples are five blocks against the other five: odd
    against even, and eleven more splits that are always the same. NaN below four tasks or two looks.

    Cost: one sort of the looks, and 26 groupings.

    Args:
        looks: One slice of one seed, shape ``(n_looks, T, T)``; NaN where a pair was not seen.
        trim: Share of looks clipped at each end before the blocks are averaged.
    """
    n_blocks = min(N_BLOCKS, len(looks) - len(looks) % 2)
    if n_blocks < 2 or looks.shape[-1] < MIN_TASKS:
        return Settling(float("nan"), float("nan"))
    blocks = np.array_split(clipped(looks, trim), n_blocks)
    counts = np.stack([(~np.isnan(block)).sum(axis=0) for block in blocks])
    sums = np.stack([np.nan_to_num(block).sum(axis=0) for block in blocks])

    def similarity(chosen: NDArray[np.bool_]) -> Array:
        n_seen = counts[chosen].sum(axis=0)
        means = np.where(n_seen > 0, sums[chosen].sum(axis=0) / np.maximum(n_seen, 1), np.nan)
        return symmetric(recipient_centred(means))

    half = np.arange(n_blocks) < n_blocks // 2
    found = [cross_regret(similarity(a), similarity(~a)) for a in (*_splits(n_blocks), half)]
    return Settling(float(np.mean(found[:-1])), found[-1])


def _splits(n_blocks: int) -> list[NDArray[np.bool_]]:
    """Balanced halves of the blocks: the odd ones, and some that are spread evenly over all that there are."""
    odd = np.arange(n_blocks) % 2 == 1
    first = np.arange(n_blocks) < n_blocks // 2
    others = []
    for rest in combinations(range(1, n_blocks), n_blocks // 2 - 1):
        half = np.isin(np.arange(n_blocks), (0, *rest))
        if (half != first).any() and (half == odd).any():
            others.append(half)
    at = np.linspace(0, len(others) - 1, min(N_SPLITS - 1, len(others))).round().astype(int)
    return [odd, *(others[k] for k in dict.fromkeys(at.tolist()))]


def symmetric(centred: Array) -> Array:
    """Mean of both directions, of the one that is known, or 0; zero diagonal. Shape ``(T, T)``."""
    both = np.stack([centred, centred.T])
    known = ~np.isnan(both)
    return np.asarray(np.where(known, both, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def cross_regret(a: Array, b: Array) -> float:
    """What the grouping that one half leads to loses by the other half's similarities, both ways round.

    ``mean of 1 - f_b(g(a)) / f_b(g(b)) and 1 - f_a(g(b)) / f_a(g(a))``, each at least 0, with ``g`` of
    :func:`best_labels` and ``f`` of :func:`objective`. 0: the halves agree; about 1: they have nothing in common. NaN
    where a half shows no groups.

    Args:
        a: Similarities, symmetric, zero diagonal, shape ``(T, T)``.
        b: Same.
    """
    from_a, from_b = best_labels(a), best_labels(b)
    losses = []
    for similarity, own, others in ((a, from_a, from_b), (b, from_b, from_a)):
        best = objective(similarity, own)
        if best <= 0:
            return float("nan")
        losses.append(max(0.0, 1.0 - objective(similarity, others) / best))
    return float(np.mean(losses))


def objective(similarity: Array, labels: NDArray[np.int_]) -> float:
    """``Σ s_ij over pairs within groups - Σ s_ij over pairs across groups``, each pair counted once."""
    same = labels[:, None] == labels[None, :]
    return float(np.where(same, similarity, -similarity)[np.triu_indices(len(labels), 1)].sum())


def best_labels(similarity: Array) -> NDArray[np.int_]:
    """The cut of the average-linkage tree with the largest :func:`objective`, as group numbers, shape ``(T,)``."""
    n_tasks = len(similarity)
    if n_tasks == 1:
        return np.zeros(1, dtype=int)
    from scipy.cluster.hierarchy import linkage  # slow to import, and `import taskgroup` should be quick
    from scipy.spatial.distance import squareform

    distances = similarity.max() - similarity
    np.fill_diagonal(distances, 0.0)
    members = np.arange(n_tasks)
    groups = {k: [k] for k in range(n_tasks)}
    gain, best_gain, best = 0.0, 0.0, members.copy()
    for k, (a, b) in enumerate(linkage(squareform(distances, checks=False), "average")[:, :2].astype(int)):
        one, other = groups.pop(int(a)), groups.pop(int(b))
        gain += float(similarity[np.ix_(one, other)].sum())  # a merge moves these pairs from across to within
        groups[n_tasks + k] = one + other
        members[one + other] = n_tasks + k
        if gain > best_gain:
            best_gain, best = gain, members.copy()
    return best
