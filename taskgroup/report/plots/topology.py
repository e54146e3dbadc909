"""The topology as a tree, stages from left to right."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Module, Topology
from taskgroup.report.plots.style import (
    BLUE,
    INK,
    MUTED,
    NAME_WIDTH,
    ORANGE,
    PALE_BLUE,
    VERMILLION,
    blank_axes,
    text_width,
)
from taskgroup.report.text import plural, shorten

TOP, BOTTOM, LEFT = 0.55, 0.5, 0.55
FLOW = "#b9c6d3"


def draw_topology(architecture: Architecture) -> Figure:
    """Copies of stages as boxes, tasks at the right; wider lines carry more tasks."""
    layout = _Layout.of(architecture)
    figure, axes = blank_axes(layout.width, layout.height)
    _draw_flow(axes, layout)
    for helper in architecture.helpers:
        source = layout.right_of(_last_module(layout.topology, helper.along))
        _curve(axes, source, (layout.x_names - 0.04, layout.rows[helper.task]), 1.1, VERMILLION, dashed=True)
    for module in layout.topology.modules():
        _draw_copy(axes, layout, module)
    for s, stage in enumerate(layout.topology.stages):
        title = shorten(stage, max(6, int(layout.column * 11)))
        axes.text(layout.x(s), TOP - 0.27, title, ha="center", va="center", weight="bold", size=9.5)
    for task, y in layout.rows.items():
        axes.text(layout.x_names, y, shorten(task, NAME_WIDTH), ha="left", va="center")
    _legend(axes, architecture)
    return figure


@dataclass(frozen=True)
class _Layout:
    """Where things are, in inches from the top left corner."""

    architecture: Architecture
    rows: dict[str, float]
    column: float
    box: tuple[float, float]
    x_names: float
    width: float
    height: float

    @classmethod
    def of(cls, architecture: Architecture) -> "_Layout":
        topology = architecture.topology
        n_tasks, n_stages = len(topology.tasks), len(topology.stages)
        row = 0.34 if n_tasks <= 12 else 0.27
        column = min(1.55, max(0.85, 7.0 / n_stages))
        # tasks sorted by their path lie below one another: no two lines cross
        ordered = sorted(topology.tasks, key=lambda t: [r[topology.tasks.index(t)] for r in topology.matrix])
        rows = {t: TOP + row * (k + 0.5) for k, t in enumerate(ordered)}
        x_names = LEFT + column * n_stages + 0.12
        width = x_names + text_width([shorten(t, NAME_WIDTH) for t in topology.tasks]) + 0.2
        height = TOP + row * n_tasks + BOTTOM
        return cls(architecture, rows, column, (0.58 * column, min(0.25, 0.8 * row)), x_names, max(width, 5.6), height)

    @property
    def topology(self) -> Topology:
        return self.architecture.topology

    def x(self, stage: int) -> float:
        return LEFT + self.column * (stage + 0.42)

    def y(self, module: Module) -> float:
        rows = [self.rows[t] for t in module.tasks]
        return (min(rows) + max(rows)) / 2

    def left_of(self, module: Module) -> tuple[float, float]:
        return self.x(module.stage) - self.box[0] / 2, self.y(module)

    def right_of(self, module: Module) -> tuple[float, float]:
        return self.x(module.stage) + self.box[0] / 2, self.y(module)


def _last_module(topology: Topology, task: str) -> Module:
    return [m for m in topology.modules() if task in m.tasks][-1]


def _draw_flow(axes: Axes, layout: _Layout) -> None:
    modules = layout.topology.modules()
    middle = (min(layout.rows.values()) + max(layout.rows.values())) / 2
    start = (0.34, middle)
    for module in modules:
        before = [m for m in modules if m.stage == module.stage - 1 and module.tasks[0] in m.tasks]
        source = layout.right_of(before[0]) if before else start
        _curve(axes, source, layout.left_of(module), min(5.0, 0.8 + 0.3 * len(module.tasks)), FLOW)
    for task, y in layout.rows.items():
        source = layout.right_of(_last_module(layout.topology, task))
        _curve(axes, source, (layout.x_names - 0.04, y), 1.1, FLOW)
    axes.plot(*start, "o", color=MUTED, markersize=6)
    axes.text(start[0], middle - 0.13, "input", ha="center", va="bottom", size=8, color=MUTED)


def _curve(
    axes: Axes, a: tuple[float, float], b: tuple[float, float], width: float, colour: str, *, dashed: bool = False
) -> None:
    middle = (a[0] + b[0]) / 2
    path = Path([a, (middle, a[1]), (middle, b[1]), b], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    style = (0, (3.0, 2.0)) if dashed else "solid"
    axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, linestyle=style))


def _draw_copy(axes: Axes, layout: _Layout, module: Module) -> None:
    (width, height), x, y = layout.box, layout.x(module.stage), layout.y(module)
    shared = len(module.tasks) > 1
    _rounded(axes, x, y, width, height, PALE_BLUE if shared else "white", BLUE if shared else MUTED)
    label = plural(len(module.tasks), "task") if width > 0.62 else str(len(module.tasks))
    axes.text(x, y, label, ha="center", va="center", size=8)
    adapters = layout.architecture.adapters_of(module)
    if adapters:
        size = "/".join(str(adapter.size) for adapter in adapters)
        pill = max(0.17, text_width([size], 7) + 0.08)
        _rounded(axes, x + width / 2 + pill / 2 - 0.05, y, pill, 0.16, ORANGE, "white")
        axes.text(x + width / 2 + pill / 2 - 0.05, y, size, ha="center", va="center_baseline", size=7)


def _rounded(axes: Axes, x: float, y: float, width: float, height: float, fill: str, edge: str) -> None:
    shape = f"round,pad=0,rounding_size={min(width, height) * 0.35:.3f}"
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(
        FancyBboxPatch(corner, width, height, shape, facecolor=fill, edgecolor=edge, linewidth=1.0, zorder=3)
    )


def _legend(axes: Axes, architecture: Architecture) -> None:
    handles: list[Patch | Line2D] = []
    n_tasks = {len(m.tasks) for m in architecture.topology.modules()}
    if max(n_tasks) > 1:
        handles.append(Patch(facecolor=PALE_BLUE, edgecolor=BLUE, label="shared copy"))
    if min(n_tasks) == 1:
        handles.append(Patch(facecolor="white", edgecolor=MUTED, label="own copy"))
    live = {a.per for m in architecture.topology.modules() for a in architecture.adapters_of(m)}
    if live:
        label = f"adapter, size (one per {' or '.join(sorted(live))})"
        handles.append(Patch(facecolor=ORANGE, edgecolor="white", label=label))
    if architecture.helpers:
        handles.append(Line2D([], [], color=VERMILLION, linestyle=(0, (3.0, 2.0)), label="helps in training"))
    axes.legend(handles=handles, loc="lower left", ncols=len(handles), handlelength=1.4, labelcolor=INK)
