"""What commands print with: a console that copes with files and pipes, and plain tables."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 100
"""Columns where the output is no terminal."""


def plain_console() -> Console:
    """Prints text as it is: no markup, no colours for numbers."""
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False, emoji=False)


def plain_table(*columns: str, right: Sequence[int] = ()) -> Table:
    """An empty table; columns at ``right`` hold numbers, which are never broken into lines."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    for k, name in enumerate(columns):
        table.add_column(name, justify="right" if k in right else "left", overflow="fold", no_wrap=k in right)
    return table
