"""Benchmarks: task sets, arms and suites, and the frame that runs them and writes ``results/bench``."""

from dataclasses import fields
from pathlib import Path

from taskgroup.bench.frame import Benchmark, Places, Row, run_cells, write_tables
from taskgroup.core.table import Table
from taskgroup.errors import InputError
from taskgroup.pipeline.progress import Progress

BENCHMARKS: Table[type[Benchmark]] = Table(
    "benchmark",
    "taskgroup.benchmarks",
    {
        "affinity": "taskgroup.bench.affinity:AffinityBench",
        "build": "taskgroup.bench.build:BuildBench",
        "confirm": "taskgroup.bench.confirming.benchmark:ConfirmBench",
        "digits": "taskgroup.bench.digits:Digits",
        "grouping": "taskgroup.bench.grouping.benchmark:GroupingBench",
        "lookahead": "taskgroup.bench.lookahead:LookaheadBench",
        "plans": "taskgroup.bench.plans.benchmark:PlansBench",
        "samplers": "taskgroup.bench.samplers.benchmark:SamplersBench",
        "search": "taskgroup.bench.searching.benchmark:SearchBench",
        "service": "taskgroup.bench.serving.benchmark:ServiceBench",
    },
)


def run_benchmark(name: str, *, quick: bool, workers: int, out: Path, places: Places, progress: Progress) -> Path:
    """Run a benchmark, or go on with it, and write ``NAME.md`` and ``NAME.json``.

    Args:
        name: Its name in the table.
        quick: A small version, whose tables are called ``NAME-quick``.
        workers: Trials at once.
        out: Folder for the tables.
        places: Folders of the public data sets and tables, for the benchmarks that use them.
        progress: Is told.

    The tables of a benchmark whose cells run side by side are written after each of them.

    Returns:
        Path of the Markdown file.

    Raises:
        InputError: No such benchmark, or sets to choose for one that has none.
    """
    if name not in BENCHMARKS.names:
        raise InputError(BENCHMARKS.unknown(name))
    benchmark = BENCHMARKS[name]()
    if places.sets and not getattr(benchmark, "by_set", False):
        raise InputError(f"bench {name}: it has no data sets to choose among, found --sets {places.sets}; leave it out")
    title = f"{name}-quick" if quick else name
    elsewhere = "".join(f" --{at.name} {getattr(places, at.name)}" for at in fields(Places) if _moved(places, at.name))
    command = f"taskgroup bench {name}{' --quick' if quick else ''} --workers {workers}{elsewhere}"

    def write(rows: list[Row], part: str = "") -> Path:
        if hasattr(benchmark, "draw"):
            benchmark.draw(rows, out / f"{title}.png")
        return write_tables(benchmark, title, rows, command, out, part)

    return write(
        run_cells(benchmark, title, quick=quick, workers=workers, out=out, places=places, progress=progress, told=write)
    )


def _moved(places: Places, name: str) -> bool:
    """Whether a folder is not where the command looks by itself."""
    return bool(getattr(places, name) != getattr(Places(), name))
