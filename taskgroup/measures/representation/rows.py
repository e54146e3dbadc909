"""Which rows and which tasks a measure of features may judge by."""

import numpy as np
from numpy.typing import NDArray

from taskgroup.measures.views import Array, FeatureView

MIN_ROWS = 10
"""With fewer rows, or a task with fewer labels, nothing is said: NaN."""


def sample(n_rows: int, max_rows: int, seed: int) -> NDArray[np.intp]:
    """Indices of at most ``max_rows`` of ``n_rows`` rows, drawn without replacement, ascending."""
    if n_rows <= max_rows:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).permutation(n_rows)[:max_rows])


def enough(labels: Array) -> bool:
    """Whether a head can be fitted to the labels or judged by them: at least ten known ones, not all equal."""
    known = labels[~np.isnan(labels)]
    return len(known) >= MIN_ROWS and bool((known != known[0]).any())


def trained(view: FeatureView) -> list[int]:
    """Tasks whose networks learned from something: those with enough training labels.

    What an untrained network makes of its inputs says nothing of its task, however alike it may look.
    """
    labels = view.labels("fit")
    return [k for k in range(len(view.tasks)) if enough(labels[:, k])]
