"""What the load cell counts: latencies, streams against the store, idle workers, storage."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from taskgroup.bench.serving.clients import Stream
from taskgroup.bench.serving.evidence import is_rising
from taskgroup.service.model import Event

LAG_S = 5.0
"""Events younger than this at the end may still be on their way."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed; NaN where there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def stream_fault(stream: Stream, events: Sequence[Event], ended: float, over: frozenset[str]) -> str:
    """What is wrong with what came over a stream, in words; empty where nothing is.

    Args:
        stream: What came.
        events: Of all jobs, as the store has them.
        ended: When the client left, Unix seconds.
        over: Jobs that had come to an end, whose streams the server may end.
    """
    if stream.error:
        return stream.error
    if stream.is_over and stream.job not in over:
        return "the server ended it"
    of = [event for event in events if stream.job in (None, event.job) and event.id > stream.after]
    if not is_rising(stream.ids) or list(stream.ids) != [event.id for event in of][: len(stream.ids)]:
        return "events are missing in between, or came twice"
    late = sum(event.at < ended - LAG_S for event in of[len(stream.ids) :])
    return f"{late} events did not come in time" if late else ""


def busy_s(folder: Path, began: float, ended: float) -> float:
    """Seconds of trials within a period, over all jobs of a data root, by the results that they left."""
    total = 0.0
    for path in folder.glob("jobs/*/trials/*.json"):
        over = path.stat().st_mtime
        seconds = float(json.loads(path.read_text(encoding="utf-8")).get("seconds", 0.0))
        total += max(0.0, min(over, ended) - max(over - seconds, began))
    return total


def size_bytes(*paths: Path) -> int:
    """Of files, and of all files in folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())
