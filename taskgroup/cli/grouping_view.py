"""What ``taskgroup group`` prints."""

import itertools
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from taskgroup.cli.console import plain_console, plain_table
from taskgroup.core.record import Chain, Proposal, Proposals
from taskgroup.core.text import plural, printable
from taskgroup.report.tables import partition, separation_words
from taskgroup.report.text import DASH

N_SHOWN = 10
"""Lines of proposals, and pairs of a kind, that are printed."""
SURE = 0.95
"""Share of the draws from which on a pair counts as always together, and its complement as never."""
CAVEAT = (
    "Affinities are compared within a target: they say who goes with whom, not whether sharing beats training apart. "
    "Trained networks say that: taskgroup run."
)


def show_proposals(found: Proposals, stage: str) -> None:
    """Print the recommendation first, then what it rests on."""
    console = plain_console()
    assert found.recommended is not None, "made by this version"
    head = "All together" if len(found.recommended) == 1 else plural(len(found.recommended), "group")
    tasks = plural(len(found.recommended.tasks), "task")
    console.print(Text(f"{head} ({tasks}, slice {printable(stage)}, {found.symmetrization})", style="bold"))
    for group in found.recommended.groups:
        _print(console, ", ".join(map(printable, group)))
    console.print()
    _print(console, found.reason)
    for title, part in (("Numbers of groups", _counts(found)), ("Proposals", _proposals(found))):
        if part.row_count:
            console.print(Text(f"\n{title}", style="bold"))
            console.print(part)
    n_more = sum(not _own(p) for p in found.proposals[N_SHOWN:])
    if n_more:
        _print(console, f"and {n_more} more; --out FILE.json writes them all")
    _section(console, "Over the stages", _stages(found.chain) if found.chain else ())
    _section(console, f"Pairs in {found.n_draws} redrawn affinities", _pairs(found))
    _section(console, "Notes", [*found.notes, CAVEAT])


def _print(console: Console, text: str) -> None:
    console.print(Padding(Text(printable(text)), (0, 0, 0, 2), expand=False))


def _section(console: Console, title: str, lines: Sequence[str] | Iterator[str]) -> None:
    listed = list(lines)
    if listed:
        console.print(Text(f"\n{title}", style="bold"))
    for line in listed:
        _print(console, line)


def _counts(found: Proposals) -> Table:
    """Empty where there is one number of groups."""
    table = plain_table("groups", "silhouette", "eigengap", "stability", "separation (SE)", right=range(5))
    for row in found.counts if len(found.counts) > 1 else ():
        separation = separation_words(row.separation)
        cells = (_signed(row.silhouette), _plain(row.eigengap), _plain(row.stability), separation)
        chosen = found.recommended is not None and row.n_groups == len(found.recommended) > 1
        table.add_row(str(row.n_groups), *cells, style="bold" if chosen else "")
    return table


def _proposals(found: Proposals) -> Table:
    table = plain_table("groups", "tasks", "stability", "silhouette", "source", right=(0, 2, 3))
    for k, p in enumerate(found.proposals):
        if k >= N_SHOWN and not _own(p):
            continue
        style = "bold" if p.grouping == found.recommended else ""
        cells = (str(len(p.grouping)), partition(p.grouping), _plain(p.stability), _signed(p.score), _source(p.source))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _own(proposal: Proposal) -> bool:
    """Whether it is the user's: those are always printed."""
    return "given" in proposal.source


def _source(text: str) -> str:
    """Who proposed it, and how many others did."""
    first, _, others = printable(text).partition(" (also ")
    return first + (f" and {plural(others.count(';') + 1, 'other')}" if others else "")


def _stages(chain: Chain) -> Iterator[str]:
    """One line for each run of stages with the same partition."""
    topology = chain.topology
    rows = [(stage, topology.grouping(s)) for s, stage in enumerate(topology.stages)]
    for grouping, run in itertools.groupby(rows, key=lambda row: row[1]):
        stages = [stage for stage, _ in run]
        where = stages[0] if len(stages) == 1 else f"{stages[0]} to {stages[-1]}"
        yield f"{where}: {'all together' if len(grouping) == 1 else partition(grouping)}"
    strongest = ", ".join(f"{s} {z:.1f}" for s, z in zip(topology.stages, chain.separation, strict=True))
    yield (
        f"Largest separation of two branches, in standard errors: {strongest}; tasks part from {chain.threshold:.1f} "
        f"on, which affinities without structure reach in one draw of twenty ({chain.source})."
    )


def _pairs(found: Proposals) -> Iterator[str]:
    """Who is together in nearly all draws, and who in some."""
    if not found.together:
        return
    tasks = found.proposals[0].grouping.tasks
    shares = [
        (found.together[i][j], f"{tasks[i]} + {tasks[j]}") for i, j in itertools.combinations(range(len(tasks)), 2)
    ]
    always = [name for share, name in sorted(shares, key=lambda s: -s[0]) if share >= SURE]
    open_ = [(share, name) for share, name in sorted(shares, key=lambda s: abs(s[0] - 0.5)) if 1 - SURE < share < SURE]
    n_never = sum(share <= 1 - SURE for share, _ in shares)
    yield f"together in 95 % or more: {_some(always)}"
    yield f"in between: {_some([f'{name} ({share:.0%})' for share, name in open_])}"
    yield f"together in 5 % or less: {n_never} of {plural(len(shares), 'pair')}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else ""
    return (", ".join(names[:N_SHOWN]) or "none") + more


def _plain(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return DASH if value is None else f"{value:+.2f}"
