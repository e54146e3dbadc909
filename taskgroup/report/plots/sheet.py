"""Where the heatmaps of an affinity lie on their figure."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

GAP = 0.32
"""Inches between two rows of small squares, for their titles."""


class Sheet:
    """One large square, small squares beside it down to the same bottom, and a colour scale; in inches."""

    def __init__(self, n_tasks: int, name_width: float, n_small: int) -> None:
        n_columns = 2 if n_small <= 6 else max(3, -(-n_small // 4))
        n_rows = -(-n_small // n_columns)
        side = max(2.6, 0.95 * n_rows, min(7.5, 0.46 * n_tasks))
        self.small = (side + GAP) / n_rows - GAP if n_rows > 1 else min(side, 2.0)
        left, below = name_width + 0.45, 0.8 * name_width + 0.55
        right = left + side + 0.35
        bar = right + n_columns * (self.small + 0.15)
        self.size = (max(bar, right + 2.75) + 0.95, 0.45 + side + below)
        self.figure = Figure(figsize=self.size)
        FigureCanvasAgg(self.figure)
        self.main = self._axes(left, 0.45, side, side)
        self.panels = [
            self._axes(
                right + (k % n_columns) * (self.small + 0.15),
                0.45 + (k // n_columns) * (self.small + GAP),
                self.small,
                self.small,
            )
            for k in range(n_small)
        ]
        self.bar = self._axes(bar + 0.1, 0.45, 0.14, side)
        self.legend_at = (right / self.size[0], (below - 0.1) / self.size[1])

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        total_width, total_height = self.size
        return self.figure.add_axes(
            (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
        )
