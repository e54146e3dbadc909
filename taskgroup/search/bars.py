"""Pruning bars: what a candidate must reach at each validation check, fixed when it is sent out."""

from collections.abc import Mapping, Sequence

import numpy as np

from taskgroup.core.trial import Bar


def quantile_bars(
    gains: Sequence[Mapping[int, float]],
    reference: Mapping[int, Mapping[str, float]],
    *,
    quantile: float = 0.25,
    n_startup: int = 8,
) -> tuple[Bar, ...]:
    """Bars at the given quantile of what earlier candidates had gained at the same step.

    Optuna's pruners decide while a trial runs, which would make workers ask the study; a bar is the same rule
    (``PercentilePruner``) evaluated beforehand, so that workers stay pure and results repeatable.

    Args:
        gains: Of each candidate that was trained, its gain at each step that it reached.
        reference: All-separate's errors at each step.
        quantile: Candidates below this quantile are stopped.
        n_startup: No bars before so many candidates have reached a step.

    Returns:
        One bar per step but the last.
    """
    bars = []
    for step in sorted(reference)[:-1]:
        seen = [found[step] for found in gains if step in found]
        if len(seen) >= n_startup:
            gain = float(np.quantile(seen, quantile))
            bars.append(Bar(step=step, gain=gain, reference=dict(reference[step])))
    return tuple(bars)
