"""Range of gains in a picture: a few ruined trials must not flatten all others."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from taskgroup.report.plots.style import MUTED

ROOM = 0.06
"""Of the range, between the lowest gain that is shown and the edge."""
FAR = 1.0
"""Gains that lie further below the others than those are apart are not shown at their place."""


def lowest_shown(gains: Sequence[float], kept: Sequence[float] = ()) -> float | None:
    """Edge below which trials are marked at the edge; None where all can be shown.

    Nine of ten gains stay in view, and ``kept`` in any case.
    """
    if not gains:
        return None
    floor = min([float(np.quantile(gains, 0.1)), *kept])
    spread = max(gains) - floor
    if spread <= 0 or min(gains) >= floor - FAR * spread:
        return None
    return floor - ROOM * spread


def mark_below(axes: Axes, points: Sequence[tuple[float, float]], low: float | None) -> None:
    """Let the picture end at ``low``, and mark there what lies below; nothing where that is None."""
    if low is None:
        return
    axes.set_ylim(bottom=low)
    below = [x for x, y in points if y < low]
    axes.plot(below, [low] * len(below), "v", color=MUTED, markersize=5, clip_on=False, label="below the picture")
