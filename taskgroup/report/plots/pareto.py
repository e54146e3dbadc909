"""Gain against cost: every completed trial, the front, the plan and both baselines."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.spec import Cost
from taskgroup.report.plots.gains import signed_percent
from taskgroup.report.plots.range import lowest_shown, mark_below
from taskgroup.report.plots.style import BLUE, GREEN, INK, LINE, ORANGE, VERMILLION, new_figure
from taskgroup.report.text import TIMES

Point = tuple[float, float]

_MARKS = ((SHARED, "s", 10, ORANGE), (SEPARATE, "D", 10, GREEN), ("plan", "*", 12, VERMILLION))


def draw_pareto(trials: Sequence[TrialRow], chosen: str) -> Figure:
    """Validation gain against both costs.

    Args:
        trials: All trials; those without a gain are left out.
        chosen: Fingerprint of the plan's network and recipe.
    """
    figure = new_figure(8.6, 4.0)
    left, right = figure.subplots(1, 2, sharey=True)
    done = [t for t in trials if t.gain is not None]
    marked = _marked(done, chosen)
    low = lowest_shown(_gains(done), _gains(marked.values()))
    _panel(left, done, marked, low, lambda cost: cost.macs_ratio)
    _panel(right, done, marked, low, lambda cost: cost.params_ratio)
    left.set(xlabel=f"multiply-accumulates ({TIMES} all-shared)", ylabel="validation gain against all-separate (%)")
    right.set(xlabel=f"parameters ({TIMES} all-shared)")
    left.yaxis.set_major_formatter(FuncFormatter(signed_percent))
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=6, handletextpad=0.4)
    return figure


def front(points: Sequence[Point]) -> list[Point]:
    """The points ``(cost, gain)`` that no other beats in one and matches in the other, cheapest first."""
    best: list[Point] = []
    for cost, gain in sorted(points, key=lambda p: (p[0], -p[1])):
        if not best or gain > best[-1][1]:
            best.append((cost, gain))
    return best


def _panel(
    axes: Axes,
    done: Sequence[TrialRow],
    marked: Mapping[str, TrialRow],
    low: float | None,
    cost_of: Callable[[Cost], float],
) -> None:
    points = [(cost_of(t.cost), t.gain or 0.0) for t in done]
    best = front(points)
    axes.grid(visible=True)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(*_xy(best), color=BLUE, linewidth=1.4, drawstyle="steps-post", label="Pareto front")
    axes.plot(*_xy(points), "o", color=LINE, markersize=4.5, alpha=0.75, markeredgewidth=0, label="trial")
    axes.plot(*_xy(best), "o", color=BLUE, markersize=4.5)
    for name, marker, size, colour in _MARKS:
        at = [(cost_of(t.cost), t.gain or 0.0) for t in [marked[name]]] if name in marked else []
        _mark(axes, at, marker, size, colour, name)
    mark_below(axes, points, low)


def _marked(done: Sequence[TrialRow], chosen: str) -> dict[str, TrialRow]:
    """Each baseline at the recipe that was best for it, and the plan."""
    found: dict[str, TrialRow] = {}
    for name in (SHARED, SEPARATE):
        network = next((t.architecture.fingerprint for t in done if t.origin == name), None)
        same = [t for t in done if t.architecture.fingerprint == network]
        found |= {name: max(same, key=lambda t: t.gain or 0.0)} if same else {}
    plan = [t for t in done if t.candidate.fingerprint == chosen][:1]
    return {**found, "plan": plan[0]} if plan else found


def _gains(trials: Iterable[TrialRow]) -> list[float]:
    return [t.gain for t in trials if t.gain is not None]


def _mark(axes: Axes, points: Sequence[Point], marker: str, size: float, colour: str, label: str) -> None:
    if points:
        axes.plot(*_xy(points), marker, color=colour, markersize=size, markeredgecolor="white", label=label, zorder=4)


def _xy(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [p[0] for p in points], [p[1] for p in points]
