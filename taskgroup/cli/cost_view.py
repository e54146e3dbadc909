"""What ``taskgroup cost`` prints."""

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from taskgroup.cli.console import plain_console, plain_table
from taskgroup.core.text import plural, printable
from taskgroup.nn.cost import Part
from taskgroup.pipeline.costing import CostTable
from taskgroup.report.text import DASH, TIMES, amount, times

N_SHOWN = 4
"""Tasks of one part that are named."""


def show_costs(found: CostTable) -> None:
    """Print the parts, the sums beside the baselines, and what was measured."""
    console = plain_console()
    tables = [("Parts of the network, for one example", _parts(found)), ("Beside the baselines", _sums(found))]
    if found.measured:
        title = f"Measured on {plural(found.batch, 'row')}: median and interquartile range of runs that took turns"
        tables.append((title, _measured(found)))
    for k, (title, table) in enumerate(tables):
        console.print(Text(("\n" if k else "") + title, style="bold"))
        console.print(table)


def _parts(found: CostTable) -> Table:
    """A line for each copy, for each kind of adapter at it, and one for all heads."""
    table = plain_table("stage", "copy", "tasks", "part", "runs", "params", "share", "MACs", "share", right=range(4, 9))
    total = found.costs["plan"]
    for (stage, copy, what), group in groupby(found.parts, key=_line):
        parts = list(group)
        params, macs = sum(p.params for p in parts), sum(p.macs for p in parts)
        label = f"{len(parts)} {TIMES} {what}" if len(parts) > 1 else what
        table.add_row(
            *(Text(printable(cell)) for cell in (stage, copy, _tasks([t for p in parts for t in p.tasks]), label)),
            str(sum(p.runs for p in parts)),
            *(cell for own, all_ in ((params, total.params), (macs, total.macs)) for cell in _cells(own, all_)),
        )
    table.add_row("all", "", "", "", "", amount(total.params), "", amount(total.macs), "", style="bold")
    return table


def _line(part: Part) -> tuple[str, str, str]:
    return part.stage, "" if part.what == "head" else str(part.copy), part.what


def _cells(own: int, total: int) -> tuple[str, str]:
    return amount(own), f"{own / total:.1%}" if total else DASH


def _tasks(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else ""
    return ", ".join(names[:N_SHOWN]) + more


def _sums(found: CostTable) -> Table:
    table = plain_table("network", "params", "of all-shared", "MACs", "of all-shared", right=range(1, 5))
    for name, cost in found.costs.items():
        cells = (amount(cost.params), times(cost.params_ratio), amount(cost.macs), times(cost.macs_ratio))
        table.add_row(name, *cells)
    return table


def _measured(found: CostTable) -> Table:
    table = plain_table("network", "latency", "IQR", "of all-shared", "peak memory", "of all-shared", right=range(1, 6))
    base = found.measured["all-shared"]
    for name, m in found.measured.items():
        table.add_row(
            name,
            f"{1e3 * m.latency_s:.3g} ms",
            f"{1e3 * m.latency_iqr_s:.2g} ms",
            times(m.latency_s / base.latency_s),
            f"{amount(m.peak_bytes)}B" if m.peak_bytes >= 1e3 else f"{m.peak_bytes} B",
            times(m.peak_bytes / max(base.peak_bytes, 1)),
        )
    return table
