"""Phases: early, middle and late looks kept apart, and the window of looks that an affinity is made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.averaging import Average, average
from taskgroup.core.reliability import centred_rank_agreement
from taskgroup.core.trial import Check

Array = NDArray[np.float64]
WindowKind = Literal["auto", "all", "early", "middle", "late"]

PHASES = ("early", "middle", "late")
"""The thirds of the looks."""
CLASSES = ("aligned", "orthogonal", "conflicting")
"""What two gradients can be to each other."""
CLEAR = 0.1
"""Cosine from which on two gradients count as aligned, and with the other sign as conflicting."""
FEW_LOOKS = 8
"""The window is never narrowed below so many looks."""


@dataclass(frozen=True)
class Window:
    """The looks of one seed that count.

    Attributes:
        looks: Which.
        words: Which and why.
    """

    looks: slice
    words: str


def thirds(n_looks: int) -> tuple[slice, slice, slice]:
    """First, second and last third of the looks, as even as can be; some are empty below three looks."""
    ends = [round(n_looks * k / 3) for k in range(4)]
    return slice(ends[0], ends[1]), slice(ends[1], ends[2]), slice(ends[2], ends[3])


def phase_matrices(samples: Sequence[Array], how: Average = "trimmed", trim: float = 0.1) -> Array:
    """Affinities of each third of the looks, averaged like the whole; shape ``(3, S + 1, T, T)``.

    Args:
        samples: One array per seed, shape ``(n_looks, S + 1, T, T)``.
        how: Average over the looks of a seed; over seeds it is the plain mean.
        trim: For ``trimmed``.
    """
    per_seed = [[average(looks[part], how, trim) for part in thirds(len(looks))] for looks in samples]
    return average(np.array(per_seed), "mean")


def phase_agreement(phases: Array) -> dict[str, Array]:
    """Recipient-centred rank agreement of each two phases: ``{"early and late": …}``, each of shape ``(S + 1,)``."""
    return {
        f"{PHASES[a]} and {PHASES[b]}": np.array(
            [centred_rank_agreement(one, other) for one, other in zip(phases[a], phases[b], strict=True)]
        )
        for a, b in combinations(range(len(PHASES)), 2)
    }


def class_shares(samples: Sequence[Array], threshold: float = CLEAR) -> Array:
    """Share of the looks in which two tasks' gradients were aligned, orthogonal or conflicting, phase by phase.

    Aligned: cosine above ``threshold``; conflicting: below ``-threshold``; orthogonal: between. The three shares add up
    to 1; NaN where a pair was not seen in a phase.

    Args:
        samples: Cosines, one array per seed, shape ``(n_looks, S + 1, T, T)``; NaN where a pair was not seen. Every
            look counts the same, of whichever seed.
        threshold: From 0 to below 1.

    Returns:
        Shape ``(3, 3, S + 1, T, T)``: phase, class (as ``CLASSES``), stage, source, target.
    """
    shares = []
    parts = zip(*([looks[part] for part in thirds(len(looks))] for looks in samples), strict=True)
    for looks in map(np.concatenate, parts):
        n_seen = (~np.isnan(looks)).sum(axis=0)
        aligned, conflicting = ((sign * looks > threshold).sum(axis=0) for sign in (1, -1))
        counts = np.stack([aligned, n_seen - aligned - conflicting, conflicting])
        shares.append(np.where(n_seen > 0, counts / np.maximum(n_seen, 1), np.nan))
    return np.stack(shares)


def choose_window(kind: WindowKind, steps: Sequence[int], history: Sequence[Check]) -> Window:
    """The looks that an affinity is made of.

    ``auto`` leaves out looks after the step with the lowest validation error (the mean over tasks of the error relative
    to its mean over the checks; the later one of equals): averaging over an overfitted tail hides what tasks are to
    each other. It keeps at least a third of the looks, and at least eight.

    Args:
        kind: ``all``, one of the thirds, or ``auto``.
        steps: Step of each look of one seed, ascending.
        history: Validation checks of the same training.
    """
    if kind == "all" or len(steps) < len(PHASES):
        return Window(slice(0, len(steps)), "all looks")
    if kind != "auto":
        part = thirds(len(steps))[PHASES.index(kind)]
        return Window(part, f"the {kind} third of the looks, steps {steps[part][0]} to {steps[part][-1]}")
    best = lowest(history)
    wanted = sum(step <= best for step in steps)
    n_kept = max(wanted, math.ceil(len(steps) / 3), min(FEW_LOOKS, len(steps)))
    if n_kept == len(steps):
        why = "too few to leave any out" if wanted < n_kept else "none came after it"
        return Window(slice(0, n_kept), f"all looks; validation error was lowest at step {best}, {why}")
    least = "" if wanted == n_kept else ", but never fewer than a third of the looks"
    return Window(
        slice(0, n_kept), f"looks up to step {steps[n_kept - 1]}: validation error was lowest at step {best}{least}"
    )


def lowest(history: Sequence[Check]) -> int:
    """The step with the lowest mean relative validation error, see :func:`choose_window`."""
    errors = np.array([list(check.errors.values()) for check in history], dtype=np.float64)
    relative = (errors / errors.mean(axis=0)).mean(axis=1)
    return history[len(history) - 1 - int(np.argmin(relative[::-1]))].step
