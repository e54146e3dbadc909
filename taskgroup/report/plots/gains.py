"""Gain of each task with its interval."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from taskgroup.core.gain import Interval
from taskgroup.core.spec import Evidence
from taskgroup.report.plots.style import BLUE, FAINT, INK, NAME_WIDTH, VERMILLION, new_figure, text_width
from taskgroup.report.text import MINUS, plural, shorten

MEAN = "mean over tasks"


def draw_gains(evidence: Evidence) -> Figure:
    """One row a task, best first, against both baselines; the mean over tasks on top."""
    ordered = sorted(evidence.tasks, key=lambda t: -t.gain_vs_separate.mean)
    names = [MEAN, *(shorten(t.task, NAME_WIDTH) for t in ordered)]
    row = 0.36 if len(names) <= 13 else 0.28
    figure = new_figure(5.6 + text_width(names), 1.35 + row * len(names))
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.axhspan(-0.5, 0.5, color=FAINT, zorder=0)
    separate = [evidence.gain_vs_separate, *(t.gain_vs_separate for t in ordered)]
    shared = [evidence.gain_vs_shared, *(t.gain_vs_shared for t in ordered)]
    _intervals(axes, separate, -0.15, BLUE, "o", "against all-separate")
    _intervals(axes, shared, 0.15, VERMILLION, "s", "against all-shared")
    axes.set_yticks(range(len(names)), names)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(names) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(FuncFormatter(signed_percent))
    axes.grid(axis="x")
    seeds = plural(len(evidence.seeds), "seed")
    axes.set_xlabel(
        f"gain: share of the baseline's error that is gone (%)\n{evidence.split} split, {seeds}, "
        f"{100 * evidence.level:g} % intervals; right of zero is better"
    )
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.4)
    return figure


def signed_percent(value: float, _position: int | None = None) -> str:
    """Tick label of a share."""
    text = f"{100 * value:+.4g}" if abs(value) > 1e-12 else "0"
    return text.replace("-", MINUS)


def _intervals(axes: Axes, gains: list[Interval], shift: float, colour: str, marker: str, label: str) -> None:
    mean = np.array([g.mean for g in gains])
    arms = np.array([[g.mean - g.low for g in gains], [g.high - g.mean for g in gains]])
    at = np.arange(len(gains)) + shift
    axes.errorbar(
        mean, at, xerr=np.maximum(arms, 0), fmt=marker, color=colour, markersize=5, linewidth=1.4, label=label
    )
