"""The frame of every benchmark: cells that are done once, and the tables that are written from their rows."""

import json
import multiprocessing
import os
import platform
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from taskgroup import __version__
from taskgroup.errors import TrialError
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.parents import end_with_parent
from taskgroup.pipeline.progress import Progress, Silent

Row = dict[str, Any]
ROWS = "rows.json"
PACKAGES = ("numpy", "optuna", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class Places:
    """Where a benchmark finds what it does not make itself.

    Attributes:
        data: Folder of the public data sets.
        tables: Folder of the published group-performance tables.
        sets: Names of the data sets to use, with commas between; all where empty.
    """

    data: Path = Path("../shared/data")
    tables: Path = Path("../shared/tables")
    sets: str = ""


class Benchmark(Protocol):
    """One benchmark; it has no options but the frame's."""

    about: str
    """What is compared and how to read the table, in Markdown."""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """Names of the independent parts, each of which is run once and kept."""
        ...

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Run one cell; ``folder`` is its own, and what is left there is found again after an interruption."""
        ...

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Tables for people, by heading; all rows of one table have the same keys."""
        ...


def _run_beside(*arguments: Any) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    _run_cell(*arguments)


Told = Callable[[list[Row], str], object]
"""Is given the rows so far, and which of how many cells they are; empty where they are all."""


def run_cells(
    benchmark: Benchmark,
    title: str,
    *,
    quick: bool,
    workers: int,
    out: Path,
    places: Places,
    progress: Progress,
    told: Told = lambda rows, part: None,
) -> list[Row]:
    """Rows of every cell; cells that an earlier run finished are read from disk.

    Cells of a benchmark that is ``parallel`` run side by side, one process each; ``told`` is called after each.
    """
    cells = {cell: out / ".work" / title / cell for cell in benchmark.cells(quick, places)}
    waiting = [cell for cell, folder in cells.items() if not (folder / ROWS).exists()]
    if getattr(benchmark, "parallel", False) and workers > 1:

        def ended() -> None:
            done = [folder for folder in cells.values() if (folder / ROWS).exists()]
            told(_rows(done), f"{len(done)} of {len(cells)}" if len(done) < len(cells) else "")

        _side_by_side(benchmark, title, {c: cells[c] for c in waiting}, workers, quick, places, progress, ended)
    else:
        for cell in waiting:
            progress.say(f"{title}: {cell}")
            _run_cell(benchmark, cell, cells[cell], workers, quick, places, progress)
    return _rows(list(cells.values()))


def _rows(folders: Sequence[Path]) -> list[Row]:
    return [row for folder in folders for row in json.loads((folder / ROWS).read_text(encoding="utf-8"))]


def _run_cell(
    benchmark: Benchmark, cell: str, folder: Path, workers: int, quick: bool, places: Places, progress: Progress
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = benchmark.run(cell, quick=quick, workers=workers, folder=folder, places=places, progress=progress)
    write_text(folder / ROWS, json.dumps(found, indent=1))


def _side_by_side(
    benchmark: Benchmark,
    title: str,
    cells: Mapping[str, Path],
    workers: int,
    quick: bool,
    places: Places,
    progress: Progress,
    ended: Callable[[], None],
) -> None:
    """Run cells in processes of their own; one that ends badly costs its own cell alone.

    Raises:
        TrialError: Some cells did not end well; the others are kept.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["taskgroup.pipeline.work"])
    running: dict[str, BaseProcess] = {}
    waiting, failed = list(cells), []
    while waiting or running:
        while waiting and len(running) < workers:
            cell = waiting.pop(0)
            arguments = (benchmark, cell, cells[cell], 1, quick, places, Silent())
            running[cell] = context.Process(target=_run_beside, args=arguments, daemon=True)
            running[cell].start()
            progress.say(f"{title}: {cell} begins")
        connection.wait([process.sentinel for process in running.values()])
        for cell in [c for c, process in running.items() if not process.is_alive()]:
            code = running.pop(cell).exitcode
            failed += [f"{cell} (exit code {code})"] * (code != 0)
            progress.say(f"{title}: {cell} {'done' if code == 0 else 'failed'}, {len(waiting) + len(running)} to go")
            ended()
    if failed:
        raise TrialError(f"bench {title}: these cells failed: {', '.join(failed)}; the same command tries them again")


def write_tables(
    benchmark: Benchmark, title: str, rows: Sequence[Row], command: str, out: Path, part: str = ""
) -> Path:
    """Write ``TITLE.md`` for people and ``TITLE.json`` for programs; ``part`` says where it is not whole yet."""
    origin: dict[str, Any] = {
        "command": command,
        "git": _git(),
        "versions": {"taskgroup": __version__, **{name: version(name) for name in PACKAGES}},
        "machine": _machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "seeds": _seeds(rows),
        **({"not_whole": f"{part} cells"} if part else {}),
    }
    write_text(out / f"{title}.json", json.dumps({**origin, "rows": list(rows)}, indent=1) + "\n")
    parts = [f"# {title}", benchmark.about.strip()]
    tables = benchmark.tables(rows)
    for heading, table in tables.items():
        parts += [f"## {heading}", markdown_table(table)]
    versions = ", ".join(f"{name} {number}" for name, number in origin["versions"].items())
    lines = [f"Command: `{command}`", f"Commit: {origin['git']}", f"Versions: {versions}"]
    lines += [f"Not whole: {part} cells are done"] * bool(part)
    lines += [f"Machine: {origin['machine']}", f"Seeds: {origin['seeds']}", f"Date: {origin['date']}"]
    parts += ["## Made by", "\n".join(f"- {line}" for line in lines)]
    path = out / f"{title}.md"
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def markdown_table(rows: Sequence[Row]) -> str:
    """A Markdown table; text is shown as it is."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in rows]
    return "\n".join(lines)


def _seeds(rows: Sequence[Row]) -> list[int]:
    """Those that rows name, and 0 to ``n - 1`` where rows stand for n of them."""
    named = {int(row["seed"]) for row in rows if "seed" in row}
    return sorted(named.union(range(max((row["seeds"] for row in rows if "seeds" in row), default=0))))


def _git() -> str:
    """The commit, marked where the tree has changes; ``unknown`` outside a checkout."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
