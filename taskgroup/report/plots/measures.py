"""Several measures as heatmaps of one size, one order of tasks and one colour scale."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity
from taskgroup.core.comparison import Comparison
from taskgroup.report.plots.affinity import uncertain
from taskgroup.report.plots.style import DIVERGING, FAINT, INK, LINE, MUTED, drawing, text_width
from taskgroup.report.text import shorten

Array = NDArray[np.float64]

LIMIT = 3.0
"""Ends of the colour scale, in units of each matrix's own spread; what lies beyond has the end's colour."""
N_NAMED = 30
"""Up to this many tasks the axes carry their names."""
WIDTH = 10.4
"""Inches, at most."""


def draw_measures(comparison: Comparison) -> Figure:
    """Centred affinity of the whole trunk, rows sources and columns targets; measured gains last where known."""
    panels = [(m.name, m.affinity) for m in comparison.measured]
    if comparison.gains is not None and not any(comparison.is_gains(m.name) for m in comparison.measured):
        panels.append(("measured gains", comparison.gains))
    order = task_order(comparison)
    named = len(order) <= N_NAMED
    names = [shorten(comparison.tasks[k], 18) for k in order] if named else []
    with drawing():
        grid = _Grid(len(panels), len(order), text_width(names, 7.5) if named else 0.0)
        norm = Normalize(-LIMIT, LIMIT)
        for k, (name, affinity) in enumerate(panels):
            axes = grid.panel(k)
            _heatmap(axes, affinity, order, norm)
            axes.set_title(shorten(name, int(13 * grid.side)), size=9, pad=14)
            axes.text(0, 1.02, _error_words(affinity), transform=axes.transAxes, size=7.5, color=MUTED, va="bottom")
            _label(axes, names, left=k % grid.n_columns == 0, below=k // grid.n_columns == grid.n_rows - 1)
        bar = grid.figure.colorbar(ScalarMappable(norm, DIVERGING), cax=grid.bar(), extend="both")
        bar.set_label("← helps less  ·  helps more →", color=INK, size=8)
        bar.outline.set(edgecolor=LINE, linewidth=0.6)
    return grid.figure


def task_order(comparison: Comparison) -> list[int]:
    """Tasks such that those lie side by side that the measures together take for alike (average linkage)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(comparison.tasks) < 3:
        return list(range(len(comparison.tasks)))
    similarity = np.mean([m.affinity.similarity() for m in comparison.measured], axis=0)
    distance = similarity.max() - similarity
    np.fill_diagonal(distance, 0.0)
    return [int(k) for k in leaves_list(linkage(squareform(distance, checks=False), "average"))]


def _heatmap(axes: Axes, affinity: Affinity, order: Sequence[int], norm: Normalize) -> None:
    axes.set_facecolor(FAINT)
    axes.imshow(affinity.centred()[np.ix_(order, order)], cmap=DIVERGING, norm=norm, interpolation="none")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=LINE, linewidth=0.6)
    if len(order) <= N_NAMED:
        for row, column in np.argwhere(uncertain(affinity, "trunk")[np.ix_(order, order)]):
            axes.plot(column, row, marker=".", markersize=3.2, color=MUTED, markeredgewidth=0)


def _error_words(affinity: Affinity) -> str:
    """The typical error bar, in units of the matrix's spread."""
    errors = affinity.centred_stderr()[~np.eye(len(affinity.tasks), dtype=bool)]
    known = errors[~np.isnan(errors)]
    return f"error ±{np.median(known):.2f}" if len(known) else "error not known"


def _label(axes: Axes, names: Sequence[str], *, left: bool, below: bool) -> None:
    axes.tick_params(length=0, labelsize=7.5)
    if names and left:
        axes.set_yticks(range(len(names)), names)
    if names and below:
        axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")


class _Grid:
    """Squares in rows, names left of the first column and below the last row, a colour scale at the right; inches."""

    def __init__(self, n_panels: int, n_tasks: int, name_width: float) -> None:
        self._left, self._below = name_width + 0.15, 0.8 * name_width + 0.2
        self._gap, self._top = 0.18, 0.52
        wanted = min(3.2, max(1.7, 0.2 * n_tasks))
        room = WIDTH - self._left - 0.8
        self.n_columns = max(1, min(n_panels, int((room + self._gap) // (wanted + self._gap))))
        self.side = wanted
        self.n_rows = -(-n_panels // self.n_columns)
        width = self._left + self.n_columns * (self.side + self._gap) + 0.8
        self._size = (width, self.n_rows * (self.side + self._top) + self._below)
        self.figure = Figure(figsize=self._size)
        FigureCanvasAgg(self.figure)

    def panel(self, k: int) -> Axes:
        """Axes of one square."""
        row, column = divmod(k, self.n_columns)
        return self._axes(
            self._left + column * (self.side + self._gap),
            row * (self.side + self._top) + self._top,
            self.side,
            self.side,
        )

    def bar(self) -> Axes:
        """Axes of the colour scale."""
        return self._axes(self._left + self.n_columns * (self.side + self._gap), self._top, 0.13, self.side)

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        full_width, full_height = self._size
        return self.figure.add_axes(
            (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
        )
