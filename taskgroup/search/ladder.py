"""Ladders of learning rates: which scale of a baseline to try next, and which are best."""

import math
from collections.abc import Sequence

from taskgroup.core.recipe import Candidate
from taskgroup.core.record import TrialRow

RUINED = 0.5
"""Scales at which all-shared gains so much less than at its best are not tried on a dear baseline."""
ALIKE = 0.03
"""Gains of one training that are so near do not say which learning rate is better."""


def rated_scales(rows: Sequence[TrialRow], candidate: Candidate) -> dict[float, float]:
    """Gain at each learning rate that was tried; minus infinity where the training failed or was stopped."""
    network, weighting = candidate.architecture.fingerprint, candidate.recipe.weighting
    same = [row for row in rows if row.architecture.fingerprint == network and row.recipe.weighting == weighting]
    return {row.recipe.lr_scale: -math.inf if row.gain is None else row.gain for row in same}


def leading(rated: dict[float, float]) -> list[float]:
    """The best scale, and the next best where that is about as good."""
    ranked = sorted(rated, key=lambda s: -rated[s]) or [1.0]
    return ranked[:1] + [scale for scale in ranked[1:2] if rated[scale] > rated[ranked[0]] - ALIKE]


def next_scales(scales: Sequence[float], rated: dict[float, float]) -> list[float]:
    """Scales that are still to be tried: two up and two down, then those beside the best."""
    best = max(rated, key=lambda s: rated[s]) if rated else 1.0
    return _coarse(scales, rated) or [scale for scale in beside(scales, best) if scale not in rated]


def uphill(scales: Sequence[float], rated: dict[float, float], hints: dict[float, float]) -> list[float]:
    """The next scale to be tried: the best of ``hints``, two up and two down, those beside the best by ``hints``."""
    start = max(hints, key=lambda s: hints[s]) if hints else 1.0
    if start not in rated:
        return [start]
    best = max(rated, key=lambda s: rated[s])
    nearby = [scale for scale in beside(scales, best) if scale not in rated]
    ordered = [*_coarse(scales, rated), *sorted(nearby, key=lambda s: -hints.get(s, -math.inf))]
    return [scale for scale in ordered if hints.get(scale, math.inf) > hints.get(start, 0.0) - RUINED][:1]


def _coarse(scales: Sequence[float], rated: dict[float, float]) -> list[float]:
    """Two up from 1, two down, without those that were tried."""
    middle = list(scales).index(1.0)
    return [scales[k] for k in (middle + 2, middle - 2) if 0 <= k < len(scales) and scales[k] not in rated]


def beside(choices: Sequence[float], now: float) -> list[float]:
    """The next larger and the next smaller choice."""
    if now not in choices:
        return []
    k = list(choices).index(now)
    return [choices[j] for j in (k + 1, k - 1) if 0 <= j < len(choices)]
