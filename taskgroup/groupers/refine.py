"""Local search over partitions whose worth is a sum over the pairs that are together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import Array
from taskgroup.core.grouping import canonical_labels
from taskgroup.groupers.pairs import DECIMALS


def within(benefit: Array, labels: Sequence[int]) -> float:
    """``Σ_{i<j together} b_ij``."""
    at = np.array(labels)
    return float(np.triu(np.where(at[:, None] == at, benefit, 0.0), 1).sum())


def refined(benefit: Array, labels: Sequence[int]) -> tuple[int, ...]:
    """A partition near ``labels`` that no move of one task and no merge of two groups improves.

    Worth is ``H = Σ_{i<j together} b_ij``. The best move of a single task, to another group or to one of its own, is
    made as long as one gains; then the best merge of two groups, and moves again. Of equal ones the first in order of
    tasks, then groups, is made. H rises with each step, so it ends. O(T²) a step.

    Args:
        benefit: Symmetric, of either sign, shape ``(T, T)``; the diagonal is not used.
        labels: Where to start, shape ``(T,)``.

    Returns:
        Labels numbered by first appearance, shape ``(T,)``.

    Example:
        >>> refined(np.array([[0, 1, -3], [1, 0, 1], [-3, 1, 0.0]]), (0, 0, 0))
        (0, 1, 1)
    """
    pairs = benefit - np.diag(np.diag(benefit))
    at = np.array(labels, dtype=np.intp)
    _move(pairs, at)
    while _merged(pairs, at):
        _move(pairs, at)
    return canonical_labels(at.tolist())


def _move(pairs: Array, at: NDArray[np.intp]) -> None:
    """Make the best move of one task, as long as one gains."""
    tasks = np.arange(len(at))
    _, at[:] = np.unique(at, return_inverse=True)
    links = pairs @ (at[:, None] == np.arange(int(at.max()) + 2))  # the last group is empty: a task's own
    while True:
        gains = np.round(links - links[tasks, at][:, None], DECIMALS)
        task, group = np.unravel_index(np.argmax(gains), gains.shape)
        if gains[task, group] <= 0:
            return
        links[:, at[task]] -= pairs[:, task]
        links[:, group] += pairs[:, task]
        at[task] = group
        if group == links.shape[1] - 1:
            links = np.hstack([links, np.zeros((len(at), 1))])


def _merged(pairs: Array, at: NDArray[np.intp]) -> bool:
    """Make the best merge of two groups, if any gains."""
    members = at[:, None] == np.arange(int(at.max()) + 1)
    between = np.round(np.triu(members.T @ pairs @ members, 1), DECIMALS)
    one, other = np.unravel_index(np.argmax(between), between.shape)
    if between[one, other] <= 0:
        return False
    at[at == other] = one
    return True
