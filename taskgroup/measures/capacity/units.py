"""Units of a stage: what lies along the second axis of its activations, a feature or a channel with all its places."""

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.seeds import derive_seed
from taskgroup.measures.views import Array, SharedView

Units = NDArray[np.int64]


def plain_losses(view: SharedView, stage: str) -> Array:
    """Every task's loss with nothing changed, shape ``(T,)``."""
    return np.asarray(view.losses(stage, lambda activations: activations), dtype=np.float64)


def drawn_units(view: SharedView, stage: str, max_units: int) -> Units:
    """Numbers of the stage's units, ascending; at most ``max_units``, drawn under the view's seed."""
    n_units = view.activations(stage).shape[1]
    drawn = np.random.default_rng(derive_seed(view.seed, "units", stage)).permutation(n_units)[:max_units]
    return np.sort(drawn)


def zeroed(activations: Array, units: Units) -> Array:
    """A copy in which ``units`` are zero in every row."""
    changed = activations.copy()
    changed[:, units] = 0.0
    return changed


def averaged(activations: Array, units: Units) -> Array:
    """A copy in which ``units`` have their mean over the rows (each place its own) in every row."""
    changed = activations.copy()
    changed[:, units] = activations[:, units].mean(axis=0)
    return changed


def relative_losses(losses: Array, plain: Array) -> Array:
    """``losses / plain``; NaN where either is not finite and above zero."""
    usable = np.isfinite(losses) & np.isfinite(plain) & (losses > 0) & (plain > 0)
    return np.where(usable, losses, np.nan) / np.where(usable, plain, 1.0)
