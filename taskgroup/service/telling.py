"""Telling: a job's progress as events of the store."""

import math
import threading
import time
from typing import Any

from taskgroup.core.record import TrialRow
from taskgroup.core.text import plural
from taskgroup.pipeline.controls import Controls
from taskgroup.service.model import EventKind
from taskgroup.service.store import JobStore

EVERY_S = 0.5
"""Between two events of plain progress; the last one of a step is told in any case."""


class Telling:
    """Progress of the job that ``owner`` has; may be used from several threads.

    Args:
        store: Keeps the events, each written before the job goes on.
        job: Its name.
        owner: Whose events they are; those of somebody who lost the job are refused.
        controls: Know the number of trials of the search, where it was edited.

    Raises:
        LeaseLostError: By every method: the job is somebody else's.
    """

    def __init__(self, store: JobStore, job: str, owner: str, controls: Controls) -> None:
        self._store, self._job, self._owner, self._controls = store, job, owner, controls
        self._lock = threading.Lock()
        self._step, self._total = "", 0
        self._waiting: dict[str, Any] | None = None
        self._told = -math.inf

    def begin(self, step: str, total: int) -> None:
        """A step begins."""
        with self._lock:
            self._flush()
            self._step, self._total = step, total
            text = f"{step}: {plural(total, 'trial')}" if total else f"{step} ..."
            self._append("step", text, {"step": step, "total": total})

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """So many trials of the step are over."""
        with self._lock:
            total = self._controls.trials if self._step == "search" else None
            self._waiting = {
                "step": self._step,
                "done": done,
                "total": total or self._total,
                "best_gain": _finite(best_gain),
            }
        self.flush()

    def trial(self, row: TrialRow) -> None:
        """A trial of the search is over; the store keeps what is told of it first."""
        gain = _finite(row.gain)
        told = row.state if gain is None else f"{row.state}, {_percent(gain)}"
        data = {
            "number": row.number,
            "origin": row.origin,
            "state": row.state,
            "gain": gain,
            "params_ratio": _finite(row.cost.params_ratio),
            "macs_ratio": _finite(row.cost.macs_ratio),
        }
        with self._lock:
            self._append("trial", f"trial {row.number} ({row.origin}): {told}", data)

    def end(self, note: str) -> None:
        """The step is over."""
        with self._lock:
            self._flush()
            self._append("step", f"{self._step}: {note}", {"step": self._step, "note": note})

    def say(self, text: str) -> None:
        """A line of the log."""
        with self._lock:
            self._append("note", text, {})

    def flush(self, *, at_once: bool = False) -> None:
        """Tell the progress that waits, if it is due."""
        with self._lock:
            if at_once or time.monotonic() - self._told >= EVERY_S:
                self._flush()

    def _flush(self) -> None:
        if self._waiting is None:
            return
        data, self._waiting = self._waiting, None
        self._told = time.monotonic()
        best = "" if data["best_gain"] is None else f", best {_percent(data['best_gain'])}"
        self._append("progress", f"{data['step']}: {data['done']}/{data['total']}{best}", data)

    def _append(self, kind: EventKind, text: str, data: dict[str, Any]) -> None:
        self._store.append(self._job, kind, text, data, owner=self._owner)


def _finite(value: float | None) -> float | None:
    """JSON has no other numbers."""
    return value if value is not None and math.isfinite(value) else None


def _percent(gain: float) -> str:
    return f"gain {100 * gain:+.1f} %"
