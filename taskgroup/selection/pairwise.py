"""Errors of groups from those of pairs: the higher-order approximation (HOA), and its calibration by larger groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from taskgroup.core.cover import Array, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection.calibration import Calibration, calibrate
from taskgroup.selection.sets import Rows

MAX_TASKS = 12
"""Up to so many tasks all subsets are predicted where no groups are given."""


@dataclass(frozen=True)
class Prediction:
    """Scores of groups, some measured and the others predicted.

    Attributes:
        scores: The measured rows that were kept, then the predicted ones.
        measured: Whether a row was measured, shape ``(G,)``.
        calibration: What larger groups taught; None where the plain mean over pairs was taken.
        notes: Sentences: why it was not calibrated, which pairs are unknown.
    """

    scores: GroupScores
    measured: Rows
    calibration: Calibration | None
    notes: tuple[str, ...]


def hoa(measured: GroupScores, groups: Rows | None = None, *, keep_measured: bool = True) -> GroupScores:
    """The higher-order approximation: a task's error in a group is the mean of its errors in the group's pairs.

    ``e_gt = mean over j ∈ g, j ≠ t of e_{t,j}[t]``; see :func:`predict` for the arguments and what it does where pairs
    are unknown. Singles are taken as measured.

    Source: Standley et al., Which Tasks Should Be Learned Together in Multi-task Learning? (ICML 2020),
    arXiv:1905.07553, section 6.2.

    Example:
        >>> pairs = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "c": 4.0}, {"b": 5.0, "c": 6.0}]
        >>> everyone = np.array([[True, True, True]])
        >>> hoa(GroupScores.of(("a", "b", "c"), pairs), everyone).errors[-1].tolist()
        [2.0, 3.5, 5.0]
    """
    return predict(measured, groups, calibrated=False, keep_measured=keep_measured).scores


def predict(
    measured: GroupScores,
    groups: Rows | None = None,
    *,
    calibrated: bool = True,
    keep_measured: bool = True,
    cost: float = 1.0,
) -> Prediction:
    """Predict errors of groups from measured pairs, and from larger groups where there are enough.

    Unknown pairs {t, j} count with the task's mean over its known pairs; a task without any pair, with its mean over
    all groups it was measured in. A pair that stands in several rows counts with their mean.

    Args:
        measured: Rows of any size.
        groups: Whether a group holds a task, shape ``(G, T)``; by default all subsets, of at most 12 tasks.
        calibrated: Correct the mean over pairs by a regression on the measured groups of three and more tasks, see
            :func:`taskgroup.selection.calibration.calibrate`. With fewer than three of them it is not done, and noted.
        keep_measured: Keep all measured rows as they are, and predict only groups that are not among them; else
            predict every group.
        cost: Of the predicted rows.

    Raises:
        InputError: A task that no row trains, groups of another shape or without a task, or more than 12 tasks and no
            groups.
    """
    wanted = _wanted(measured, groups)
    pairs, notes = _pairs(measured)
    calibration: Calibration | None = None
    if calibrated:
        found = calibrate(measured, pairs, _means(pairs, measured.members))
        calibration, notes = (None, (*notes, found)) if isinstance(found, str) else (found, notes)
    if keep_measured:
        known = {row.tobytes() for row in measured.members}
        wanted = wanted[[row.tobytes() not in known for row in wanted]]
    errors = _means(pairs, wanted)
    if calibration is not None:
        errors = calibration.corrected(errors, wanted)
    predicted = _scores(measured, wanted, np.where(wanted, errors, np.nan), cost)
    scores = predicted
    if keep_measured:
        scores = _scores(
            measured,
            np.vstack([measured.members, wanted]),
            np.vstack([measured.errors, predicted.errors]),
            np.concatenate([measured.cost, predicted.cost]),
        )
    is_measured = np.arange(len(scores.cost)) < (len(measured.cost) if keep_measured else 0)
    return Prediction(scores, is_measured, calibration, notes)


def all_subsets(n_tasks: int) -> Rows:
    """Every group of one or more tasks by its bit mask, shape ``(2^T - 1, T)``."""
    inside: Rows = (np.arange(1, 1 << n_tasks)[:, None] >> np.arange(n_tasks)) & 1 == 1
    return inside


def _scores(like: GroupScores, members: Rows, errors: Array, cost: Array | float) -> GroupScores:
    return replace(like, members=members, errors=errors, cost=np.broadcast_to(cost, len(members)).astype(np.float64))


def _wanted(measured: GroupScores, groups: Rows | Sequence[Sequence[bool]] | None) -> Rows:
    n_tasks = len(measured.tasks)
    if groups is None:
        if n_tasks > MAX_TASKS:
            raise InputError(f"`groups` are needed for more than {MAX_TASKS} tasks, found none for {n_tasks} tasks")
        return all_subsets(n_tasks)
    wanted = np.ascontiguousarray(groups, dtype=bool)
    if wanted.ndim != 2 or wanted.shape[1] != n_tasks:
        raise InputError(f"`groups` should have shape (groups, {n_tasks}), found {wanted.shape}")
    if not wanted.any(axis=1).all():
        raise InputError("every group of `groups` should have a task, found one without")
    return wanted


def _pairs(measured: GroupScores) -> tuple[Array, tuple[str, ...]]:
    """Error of each task beside each partner, ``[task, partner]``, its mean on the diagonal; and what is unknown."""
    n_tasks = len(measured.tasks)
    sums, counts = np.zeros((n_tasks, n_tasks)), np.zeros((n_tasks, n_tasks))
    for row in np.flatnonzero(measured.members.sum(axis=1) == 2):
        first, second = np.flatnonzero(measured.members[row])
        for task, partner in ((first, second), (second, first)):
            sums[task, partner] += measured.errors[row, task]
            counts[task, partner] += 1
    inside = measured.members.sum(axis=0)
    if not inside.all():
        missing = [task for task, n in zip(measured.tasks, inside, strict=True) if not n]
        raise InputError(f"every task should be measured in some group, found none for {', '.join(missing)}")
    known = counts > 0
    anywhere = np.nansum(measured.errors, axis=0) / inside
    means = np.where(known, sums / np.maximum(counts, 1), 0.0)
    own = np.where(known.any(axis=1), means.sum(axis=1) / np.maximum(known.sum(axis=1), 1), anywhere)
    filled = np.where(known, means, own[:, None])
    n_unknown = (n_tasks * (n_tasks - 1) - int(known.sum())) // 2
    text = f"{n_unknown} of {n_tasks * (n_tasks - 1) // 2} pairs are unknown; their tasks' means stand for them"
    return filled, (text,) if n_unknown else ()


def _means(pairs: Array, groups: Rows) -> Array:
    """Mean over the partners in each group, shape ``(G, T)``; a task alone has its own mean."""
    off = pairs * ~np.eye(len(pairs), dtype=bool)
    partners = groups.sum(axis=1)[:, None] - groups
    sums = groups.astype(np.float64) @ off.T
    means: Array = np.where(partners > 0, sums / np.maximum(partners, 1), np.diag(pairs))
    return means
