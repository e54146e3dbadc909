"""Benchmarks: task sets, arms and suites, and the frame that runs them and writes ``results/bench``."""

from pathlib import Path

from taskgroup.bench.frame import Benchmark, run_cells, write_tables
from taskgroup.core.table import Table
from taskgroup.errors import InputError
from taskgroup.pipeline.progress import Progress

BENCHMARKS: Table[type[Benchmark]] = Table(
    "benchmark",
    "taskgroup.benchmarks",
    {
        "affinity": "taskgroup.bench.affinity:AffinityBench",
        "digits": "taskgroup.bench.digits:Digits",
        "lookahead": "taskgroup.bench.lookahead:LookaheadBench",
    },
)


def run_benchmark(name: str, *, quick: bool, workers: int, out: Path, data: Path, progress: Progress) -> Path:
    """Run a benchmark, or go on with it, and write ``NAME.md`` and ``NAME.json``.

    Args:
        name: Its name in the table.
        quick: A small version, whose tables are called ``NAME-quick``.
        workers: Trials at once.
        out: Folder for the tables.
        data: Folder of the public data sets, for the benchmarks that use them.
        progress: Is told.

    Returns:
        Path of the Markdown file.

    Raises:
        InputError: No such benchmark.
    """
    if name not in BENCHMARKS.names:
        raise InputError(BENCHMARKS.unknown(name))
    benchmark = BENCHMARKS[name]()
    title = f"{name}-quick" if quick else name
    rows = run_cells(benchmark, title, quick=quick, workers=workers, out=out, data=data, progress=progress)
    command = f"taskgroup bench {name}{' --quick' if quick else ''} --workers {workers}"
    return write_tables(benchmark, title, rows, command, out)
