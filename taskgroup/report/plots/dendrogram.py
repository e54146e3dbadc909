"""The first candidate tree as a dendrogram."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, leaves_list

from taskgroup.core.record import Proposals
from taskgroup.report.plots.style import BLUE, MUTED, NAME_WIDTH, new_figure, text_width
from taskgroup.report.text import shorten


def draw_dendrogram(proposals: Proposals, tasks: Sequence[str]) -> Figure:
    """Root at the left, tasks at the right; a merge further left joins tasks that are less alike."""
    order = leaf_order(proposals, tasks)
    names = [shorten(tasks[k], NAME_WIDTH) for k in order]
    figure = new_figure(4.6 + text_width(names), 1.1 + 0.27 * max(2, len(names)))
    axes = figure.subplots()
    top = max(proposals.trees[0].tree.heights, default=1.0) if proposals.trees else 1.0
    margin = 0.05 * top or 0.05
    _draw_links(axes, proposals, -margin)
    rows = [10 * k + 5 for k in range(len(names))]
    axes.plot([-margin] * len(names), rows, "o", color=BLUE, markersize=4, clip_on=False)
    axes.set(xlim=(top + margin, -margin), ylim=(10 * len(names), 0))
    axes.yaxis.tick_right()
    axes.set_yticks([10 * k + 5 for k in range(len(names))], names)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines["left"].set_visible(False)
    axes.set_title(_title(proposals, len(names)))
    if len(names) > 1:
        axes.set_xlabel("distance at which groups join (0: the two tasks most alike)")
    else:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return figure


def leaf_order(proposals: Proposals, tasks: Sequence[str]) -> list[int]:
    """Positions of ``tasks`` along the leaves of the first tree; as given where there is no tree to follow."""
    if not proposals.trees or len(tasks) < 2:
        return list(range(len(tasks)))
    tree = proposals.trees[0].tree
    return [tasks.index(tree.tasks[k]) for k in leaves_list(tree.linkage())]


def _draw_links(axes: Axes, proposals: Proposals, leaf: float) -> None:
    """Draws the merges; tasks begin at ``leaf``, below 0, so that a merge at 0 can be seen."""
    if not proposals.trees or len(proposals.trees[0].tree.tasks) < 2:
        return
    links = dendrogram(proposals.trees[0].tree.linkage(), no_plot=True)
    for across, height in zip(links["icoord"], links["dcoord"], strict=True):
        ends = [h == 0 and a % 10 == 5 and k in (0, 3) for k, (a, h) in enumerate(zip(across, height, strict=True))]
        shown = np.where(ends, leaf, height)
        axes.plot(shown, across, color=MUTED, linewidth=1.3, solid_joinstyle="miter", clip_on=False)


def _title(proposals: Proposals, n_tasks: int) -> str:
    if n_tasks < 2:
        return "One task: nothing to merge"
    return f"Tree: {shorten(proposals.trees[0].source, 60)}" if proposals.trees else "No tree was found"
