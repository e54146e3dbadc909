"""Shows a finished job to people: text for the terminal, figures, one HTML page; decides and computes nothing new.

Matplotlib and Jinja are loaded when a figure or the page is made, not before.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.core.comparison import Comparison
from taskgroup.core.record import Record
from taskgroup.report.measures_text import comparison_summary
from taskgroup.report.summary import summary
from taskgroup.report.tree import tree_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_summary", "figures", "summary", "tree_text", "write_comparison", "write_report"]


def figures(record: Record) -> "dict[str, Figure]":
    """The pictures of a job, made without pyplot: nothing is shown, and no global state is touched.

    Args:
        record: A finished job.

    Returns:
        ``topology``, ``affinity`` and ``dendrogram``; ``gains`` where the spec has evidence, ``pareto`` where a
        trial was completed and ``history`` where there was any.
    """
    from taskgroup.report.plots import draw_all

    return draw_all(record)


def write_report(record: Record, folder: str | Path) -> Path:
    """Write ``folder/report.html`` (one file that needs no network) and ``folder/figures/NAME.svg`` and ``.png``.

    Args:
        record: A finished job.
        folder: Run directory; made where missing.

    Returns:
        Path of the page.
    """
    from taskgroup.report.page import write_page

    return write_page(record, Path(folder))


def write_comparison(comparison: Comparison, folder: str | Path) -> Path:
    """Write ``folder/measures.html`` (one file that needs no network), its figure, and ``folder/measures/why.csv``.

    Args:
        comparison: Measures side by side.
        folder: Run directory; made where missing.

    Returns:
        Path of the page.
    """
    from taskgroup.report.measures_page import write_measures_page

    return write_measures_page(comparison, Path(folder))
