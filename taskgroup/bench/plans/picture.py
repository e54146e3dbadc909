"""The picture of ``bench plans``: gain against cost, one dot per arm and set."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, ScalarFormatter

from taskgroup.bench.frame import Row
from taskgroup.bench.plans.arms import ARMS, OURS
from taskgroup.bench.plans.pooling import pooled
from taskgroup.report.plots.gains import signed_percent
from taskgroup.report.plots.style import BLUE, GREEN, INK, LINE, MUTED, ORANGE, SKY, VERMILLION, drawing, new_figure
from taskgroup.report.text import TIMES

COLUMNS = 4
LOOKS = {
    OURS: ("*", VERMILLION, 13),
    "all-shared": ("s", ORANGE, 7),
    "all-separate": ("D", GREEN, 7),
    "TAG": ("^", BLUE, 6),
    "HOA": ("v", SKY, 6),
    "RSA branching": ("<", BLUE, 6),
    "random topologies": (">", LINE, 6),
    "Optuna without lookahead": ("o", MUTED, 6),
    "PCGrad": ("P", ORANGE, 6),
    "UPGrad": ("X", ORANGE, 6),
}
"""Marker, colour and size of each arm."""


def draw_gains(rows: Sequence[Row], path: Path) -> None:
    """One panel a set: mean gain against all-separate over the multiply-accumulates of the network."""
    done = [row for row in rows if "arm" in row]
    sets = list(dict.fromkeys(row["dataset"] for row in done))
    if not sets:
        return
    n_rows = ceil(len(sets) / COLUMNS)
    with drawing():
        figure = new_figure(11.0, 2.6 * n_rows + 0.7)
        panels = figure.subplots(n_rows, min(COLUMNS, len(sets)), squeeze=False).flatten().tolist()
        for panel, name in zip(panels, sets, strict=False):
            _panel(panel, [row for row in done if row["dataset"] == name], name)
        for panel in panels[len(sets) :]:
            panel.set_axis_off()
        figure.supxlabel(f"multiply-accumulates ({TIMES} all-shared)", fontsize=9)
        figure.supylabel("test gain against all-separate (%)", fontsize=9)
        handles = {label: h for p in panels for h, label in zip(*p.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=5, handletextpad=0.4)
        figure.savefig(path, dpi=150)


def _panel(axes: Axes, rows: Sequence[Row], name: str) -> None:
    axes.grid(visible=True)
    axes.axhline(0, color=INK, linewidth=0.8)
    for arm in reversed(ARMS):
        own = [row for row in rows if row["arm"] == arm.name]
        if not own:
            continue
        marker, colour, size = LOOKS[arm.name]
        gain = pooled(own)
        place = mean(row["macs_ratio"] for row in own)
        axes.errorbar(
            place,
            gain.mean,
            yerr=[[gain.mean - gain.low], [gain.high - gain.mean]],
            fmt=marker,
            color=colour,
            markersize=size,
            markeredgecolor="white",
            elinewidth=0.8,
            label=arm.name,
            alpha=0.9,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.yaxis.set_major_formatter(FuncFormatter(signed_percent))
    axes.set_title(name)
