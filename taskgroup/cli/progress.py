"""Progress in a terminal (live bars) and elsewhere (plain lines)."""

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from taskgroup.cli.interrupts import attentive
from taskgroup.core.record import TrialRow
from taskgroup.core.text import plural
from taskgroup.pipeline.progress import Progress

EVERY_S = 5.0


def _gain(best_gain: float | None) -> str:
    return "" if best_gain is None else f"best gain against all-separate {100 * best_gain:+.1f} %"


class Pace:
    """How long the rest of a step will take, by what was done in this run: earlier runs' trials come in at once."""

    def __init__(self, total: int) -> None:
        self._total, self._since, self._before = total, time.monotonic(), 0
        self._started = False

    def left(self, done: int) -> str:
        """In words; empty while it cannot be known."""
        if not self._started and done > 1:
            self._since, self._before = time.monotonic(), done
        self._started = True
        if done <= self._before or done >= self._total:
            return ""
        left = (time.monotonic() - self._since) / (done - self._before) * (self._total - done)
        return f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"


class PlainProgress:
    """A line when a step begins and ends, and every few seconds in between."""

    def __init__(self) -> None:
        self._step, self._total, self._began, self._said = "", 0, 0.0, 0.0
        self._pace = Pace(0)

    def begin(self, step: str, total: int) -> None:
        """Remember when."""
        self._step, self._total, self._pace = step, total, Pace(total)
        self._began = self._said = time.monotonic()
        self.say(f"{step}: {plural(total, 'trial')}" if total else f"{step} ...")

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """A line, unless there was one just now."""
        now, left = time.monotonic(), self._pace.left(done)
        if now - self._said >= EVERY_S and done < self._total:
            self._said = now
            parts = [f"{done}/{self._total}", _gain(best_gain), left]
            self.say(f"{self._step}: {', '.join(p for p in parts if p)}")

    def trial(self, row: TrialRow) -> None:
        """Nothing: :meth:`advance` tells how many there are."""

    def end(self, note: str) -> None:
        """What came of it."""
        self.say(f"{self._step}: {note} ({time.monotonic() - self._began:.1f} s)")

    def say(self, text: str) -> None:
        """One line."""
        print(text, flush=True)


class LiveProgress:
    """One bar a step, kept on the screen when it is over."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = TaskID(0)
        self._pace, self._total = Pace(0), 0

    def begin(self, step: str, total: int) -> None:
        """A new bar."""
        self._pace, self._total = Pace(total), total
        self._task = self._bars.add_task(step, total=total or None, note="")

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """Move the bar."""
        note = ", ".join(part for part in (_gain(best_gain), self._pace.left(done)) if part)
        self._bars.update(self._task, completed=done, note=note)

    def trial(self, row: TrialRow) -> None:
        """Nothing: :meth:`advance` tells how many there are."""

    def end(self, note: str) -> None:
        """Fill the bar."""
        total = self._total or 1
        self._bars.update(self._task, total=total, completed=total, note=note)
        self._bars.stop_task(self._task)

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Live bars where standard output is a terminal, plain lines where it is not; Ctrl-C is not lost meanwhile."""
    if not sys.stdout.isatty():
        with attentive(PlainProgress()) as progress:
            yield progress
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description:8}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console()) as bars, attentive(LiveProgress(bars)) as progress:
        yield progress
