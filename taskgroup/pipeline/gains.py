"""What sharing gained each task, read off the trials of a search."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.record import SEPARATE, TrialRow

Array = NDArray[np.float64]


def gains_from_trials(rows: Sequence[TrialRow]) -> Affinity | None:
    """Difference that sharing with the source makes to the target's gain, over the trials of a search.

    ``G[i, j] = mean gain_j (trials where i and j share) - mean gain_j (trials where they do not)`` with
    ``gain_j = 1 - e_j / e_j(all-separate)``. A stage's slice asks whether they share that stage; the trunk's whether
    they share the first stage of its deeper half (the second of three). Unknown with fewer than two trials on either
    side; the standard error is Welch's. Not symmetric.

    Rough: trials differ in other things too (who else shares, adapters), and the search does not draw them at random.

    Args:
        rows: The trials table; only complete ones count, each network under the recipe that was best for it.

    Returns:
        None where no entry is known.
    """
    done = sorted((r for r in rows if r.state == "complete" and r.errors), key=lambda r: r.gain or 0.0)
    complete = {r.architecture.fingerprint: r for r in done}
    reference = next((r for r in done if r.origin == SEPARATE), None)
    if reference is None:
        return None
    topology = reference.architecture.topology
    tasks, stages = topology.tasks, topology.stages
    gains = np.array([[1 - r.errors[t] / reference.errors[t] for t in tasks] for r in complete.values()])
    matrices = np.array([r.architecture.topology.matrix for r in complete.values()])
    found = [_difference(gains, matrices[:, s]) for s in (*range(len(stages)), len(stages) // 2)]
    values, stderr, counts = (np.stack(parts) for parts in zip(*found, strict=True))
    if np.isnan(values).all():
        return None
    provenance = {"method": "trials of the search", "trials": len(complete)}
    return Affinity(tasks, (*stages, TRUNK), values, stderr, counts.astype(np.int64), provenance)


def _difference(gains: Array, copies: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Value, standard error and count of the smaller side; ``gains`` and ``copies`` have shape ``(n_trials, T)``."""
    share = copies[:, :, None] == copies[:, None, :]
    sides = [_moments(gains, mask) for mask in (share, ~share)]
    count = np.minimum(sides[0][2], sides[1][2])
    known = (count >= 2) & ~np.eye(len(count), dtype=bool)
    value = np.where(known, sides[0][0] - sides[1][0], np.nan)
    stderr = np.where(known, np.sqrt(sides[0][1] + sides[1][1]), np.nan)
    return value, stderr, np.where(known, count, 0)


def _moments(gains: Array, mask: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Mean of the target's gain over the trials in ``mask[:, source, target]``, its squared error, their number."""
    n = mask.sum(axis=0)
    mean = np.einsum("rt,rst->st", gains, mask) / np.maximum(n, 1)
    squares = np.einsum("rst,rst->st", (gains[:, None, :] - mean) ** 2, mask)
    return mean, squares / np.maximum(n - 1, 1) / np.maximum(n, 1), n
