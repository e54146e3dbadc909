"""The affinity as heatmaps: the whole trunk large, each stage small."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.record import Proposals
from taskgroup.report.plots.dendrogram import leaf_order
from taskgroup.report.plots.sheet import Sheet
from taskgroup.report.plots.style import DIVERGING, FAINT, INK, LINE, MUTED, NAME_WIDTH, text_width
from taskgroup.report.text import MINUS, shorten

Array = NDArray[np.float64]

N_NUMBERED = 12
"""Up to this many tasks the cells carry their values."""


def draw_affinity(affinity: Affinity, proposals: Proposals) -> Figure:
    """Centred affinity, rows sources and columns targets, in the order of the first tree's leaves."""
    order = leaf_order(proposals, affinity.tasks)
    names = [shorten(affinity.tasks[k], NAME_WIDTH) for k in order]
    matrices = {s: affinity.centred(s)[np.ix_(order, order)] for s in affinity.stages}
    limit = max([1.0, *(float(np.nanmax(np.abs(m))) for m in matrices.values() if not np.isnan(m).all())])
    norm = Normalize(-limit, limit)
    small = [s for s in affinity.stages if s != TRUNK]
    sheet = Sheet(len(names), text_width(names), len(small))
    _heatmap(sheet.main, matrices[TRUNK], norm)
    _mark_uncertain(sheet.main, uncertain(affinity, TRUNK)[np.ix_(order, order)])
    if len(names) <= N_NUMBERED:
        _write_values(sheet.main, matrices[TRUNK], limit)
    _label_axes(sheet.main, names)
    for axes, stage in zip(sheet.panels, small, strict=True):
        _heatmap(axes, matrices[stage], norm)
        axes.set_title(shorten(stage, int(11 * sheet.small)), size=8.5, weight="normal", pad=3)
    _colour_scale(sheet, norm)
    return sheet.figure


def uncertain(affinity: Affinity, stage: str) -> NDArray[np.bool_]:
    """Entries ``[source, target]`` whose centred value is below its standard error, or whose error is unknown."""
    centred = affinity.centred(stage)
    error = affinity.centred_stderr(stage)
    with np.errstate(invalid="ignore"):
        return np.asarray(~np.isnan(centred) & ~(np.abs(centred) >= error))


def _heatmap(axes: Axes, matrix: Array, norm: Normalize) -> None:
    axes.set_facecolor(FAINT)
    axes.imshow(matrix, cmap=DIVERGING, norm=norm, interpolation="none")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=LINE, linewidth=0.6)


def _mark_uncertain(axes: Axes, mask: NDArray[np.bool_]) -> None:
    for row, column in np.argwhere(mask):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **_hatched()))


def _hatched() -> dict[str, Any]:
    return {"facecolor": "none", "edgecolor": LINE, "hatch": "////", "linewidth": 0.0}


def _write_values(axes: Axes, matrix: Array, limit: float) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            colour = "white" if abs(value) > 0.62 * limit else INK
            axes.text(column, row, _cell(value), ha="center", va="center", size=7, color=colour)


def _cell(value: float) -> str:
    return f"{value:+.1f}".replace("-", MINUS) if abs(value) >= 0.05 else "0"


def _label_axes(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set(title="Whole trunk", xlabel="target: the task that is affected", ylabel="source: the task that is trained")


def _colour_scale(sheet: Sheet, norm: Normalize) -> None:
    bar = sheet.figure.colorbar(ScalarMappable(norm, DIVERGING), cax=sheet.bar)
    bar.set_label("← helps less  ·  centred affinity  ·  helps more →", color=INK)
    outline: Any = bar.outline
    outline.set(edgecolor=LINE, linewidth=0.6)
    handles = [Patch(facecolor=FAINT, label="itself, or not measured")]
    if sheet.main.patches:
        handles.insert(0, Patch(label="below its standard error", **_hatched()))
    sheet.figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=sheet.legend_at, borderaxespad=0, labelcolor=MUTED
    )
