"""The search as it went: gain per trial, the best so far, and what was stopped."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from taskgroup.core.record import TrialRow
from taskgroup.report.plots.gains import signed_percent
from taskgroup.report.plots.range import lowest_shown, mark_below
from taskgroup.report.plots.style import BLUE, FAINT, INK, LINE, MUTED, ORANGE, VERMILLION, new_figure
from taskgroup.report.text import STATES

_STOPPED = (("pruned", "x", MUTED), ("over limit", "|", ORANGE), ("failed", "v", VERMILLION))


def draw_history(trials: Sequence[TrialRow]) -> Figure:
    """Completed trials above, a strip with the others below."""
    figure = new_figure(8.6, 3.9)
    strips = [s for s in _STOPPED if any(t.state == s[0] for t in trials)]
    ratios = [1.0, 0.06 * len(strips)] if strips else [1.0]
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    _completed(panels[0], trials)
    if strips:
        _stopped(panels[1], trials, strips)
    panels[-1].set_xlabel("trial, in the order of the search")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    numbers = [t.number for t in trials]
    panels[-1].set_xlim(min(numbers) - 0.7, max(numbers) + 0.7)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=4, handletextpad=0.4)
    return figure


def _completed(axes: Axes, trials: Sequence[TrialRow]) -> None:
    done = [(t.number, t.gain, t.origin == "sampler") for t in trials if t.gain is not None]
    axes.grid(visible=True)
    axes.axhline(0, color=INK, linewidth=0.8)
    best = np.maximum.accumulate(np.array([gain for _, gain, _ in done]))
    axes.plot([n for n, _, _ in done], best, color=BLUE, linewidth=1.4, drawstyle="steps-post", label="best so far")
    for sampled, marker, colour, label in (
        (True, "o", LINE, "sampled"),
        (False, "D", BLUE, "baseline, proposed or repeat"),
    ):
        xy = [(n, gain) for n, gain, is_sampled in done if is_sampled == sampled]
        axes.plot([x for x, _ in xy], [y for _, y in xy], marker, color=colour, markersize=5, label=label)
    gains = [gain for _, gain, _ in done]
    mark_below(axes, [(n, gain) for n, gain, _ in done], lowest_shown(gains))
    axes.yaxis.set_major_formatter(FuncFormatter(signed_percent))
    axes.set_ylabel("validation gain\nagainst all-separate (%)")


def _stopped(axes: Axes, trials: Sequence[TrialRow], strips: Sequence[tuple[str, str, str]]) -> None:
    for row, (state, marker, colour) in enumerate(strips):
        numbers = [t.number for t in trials if t.state == state]
        axes.plot(numbers, [row] * len(numbers), marker, color=colour, markersize=5)
    axes.set_facecolor(FAINT)
    axes.set_yticks(range(len(strips)), [STATES.get(state, state) for state, _, _ in strips])
    axes.set_ylim(len(strips) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
