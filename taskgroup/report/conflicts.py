"""Conflict classes: how often the gradients of two tasks were aligned, orthogonal or conflicting, phase by phase."""

import csv
import io
import math

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.phases import CLASSES, PHASES
from taskgroup.core.text import printable
from taskgroup.report.tables import Sheet
from taskgroup.report.text import DASH

Array = NDArray[np.float64]

ALIGNED, CONFLICTING = CLASSES.index("aligned"), CLASSES.index("conflicting")


def conflict_table(m: Measured, n_top: int) -> Sheet:
    """The pairs with the most conflicts over the whole trunk; a pair's rank is the mean over the phases that saw it.

    Args:
        m: A measure with classes.
        n_top: So many pairs at most.
    """
    pairs, shares = _seen(m.affinity, TRUNK)
    first = np.argsort(-np.nanmean(shares[:, :, CONFLICTING], axis=1), kind="stable")[:n_top]
    rows = [
        (
            " and ".join(map(printable, pairs[k])),
            *map(_percent, (*shares[k, :, CONFLICTING], *shares[k, :, ALIGNED])),
        )
        for k in first
    ]
    return Sheet(("tasks", *(f"{CLASSES[k]} {phase}" for k in (CONFLICTING, ALIGNED) for phase in PHASES)), rows)


def conflicts_csv(comparison: Comparison) -> str:
    """All pairs that were seen, of each slice, as comma-separated text; empty where a phase did not see them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["measure", "stage", "task_a", "task_b", *(f"{p}_{c}" for p in PHASES for c in CLASSES)])
    for m in comparison.measured:
        for stage in m.affinity.stages if m.affinity.classes is not None else ():
            for pair, shares in zip(*_seen(m.affinity, stage), strict=True):
                cells = ("" if math.isnan(share) else f"{share:.4g}" for share in shares.ravel().tolist())
                writer.writerow([m.name, stage, *pair, *cells])
    return buffer.getvalue()


def _seen(affinity: Affinity, stage: str) -> tuple[list[tuple[str, str]], Array]:
    """Every two tasks that were ever seen together, and their shares, axes pair, phase, class."""
    assert affinity.classes is not None
    names = affinity.tasks
    one, other = np.triu_indices(len(names), k=1)
    shares = np.moveaxis(affinity.classes[:, :, affinity.stages.index(stage), one, other], -1, 0)
    seen = ~np.isnan(shares).all(axis=(1, 2))
    return [(names[i], names[j]) for i, j in zip(one[seen], other[seen], strict=True)], shares[seen]


def _percent(share: float) -> str:
    return DASH if np.isnan(share) else f"{100 * share:.0f} %"
