"""One look for all figures: the Okabe-Ito palette, one font, sizes in inches."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

INK, MUTED, LINE, FAINT = "#1f2937", "#5b6472", "#9ca3af", "#e8ebef"
BLUE, SKY, ORANGE, VERMILLION, GREEN = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73"
PALE_BLUE = "#d6e8f5"
DIVERGING = LinearSegmentedColormap.from_list("taskgroup", ["#a84300", "#e69a66", "#ffffff", "#66a9d2", "#00568a"])
"""Vermillion (lower) over white to blue (higher): distinct for every common colour vision."""

FONT_SIZE = 9.0
NAME_WIDTH = 30
"""Characters of a task name in a figure; tables hold the whole name."""

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],  # alike in width: browsers may lack the first
    "font.size": FONT_SIZE,
    "text.color": INK,
    "text.hinting": "none",  # as wide at every resolution as measured
    "text.parse_math": False,  # a dollar in a task name is a dollar
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_SIZE,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Everything drawn or saved inside has this style."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # names in scripts that the font lacks: boxes in the PNG, while the SVG keeps the text for the browser's fonts
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that arranges its axes by itself."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def blank_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure to draw on by hand: coordinates are inches from the top left corner."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def text_width(texts: Iterable[str], size: float = FONT_SIZE) -> float:
    """Width in inches of the longest of ``texts``."""
    measure, font = TextToPath(), FontProperties(size=size)
    return max((measure.get_text_width_height_descent(t, font, ismath=False)[0] / 72 for t in texts if t), default=0.0)
