"""The load cell: many jobs in the queue, many clients and streams at one server that also runs jobs."""

import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.bench.frame import Row
from taskgroup.bench.serving.clients import Answers, Orders
from taskgroup.bench.serving.jobs import job
from taskgroup.bench.serving.loaded import busy_s, percentile, size_bytes, stream_fault
from taskgroup.bench.serving.processes import PATIENCE_S, rss_bytes, wait_until
from taskgroup.bench.serving.server import Server, serving
from taskgroup.pipeline.progress import Progress
from taskgroup.service.model import TERMINAL, Event, JobState
from taskgroup.service.store import JobStore

if TYPE_CHECKING:
    from taskgroup.service.client import Client

CAPACITY = 2
"""Jobs at once, with one trial at once each."""
MIB = 1024 * 1024


@dataclass(frozen=True)
class LoadSize:
    """Of the load cell.

    Attributes:
        jobs: In the queue.
        trials: Of each job's search.
        trial_s: Seconds of a trial, about.
        clients: That poll.
        streams: That are open.
        seconds: How long clients poll once a second.
        hurried_s: How long they poll as fast as they can.
    """

    jobs: int = 200
    trials: int = 6
    trial_s: float = 1.0
    clients: int = 50
    streams: int = 50
    seconds: float = 60.0
    hurried_s: float = 15.0


def run_load(size: LoadSize, folder: Path, progress: Progress) -> list[Row]:
    """A row for clients like the page, and one for clients without a pause.

    Args:
        size: Of it all.
        folder: For all files; emptied first.
        progress: Is told.
    """
    from taskgroup.service.client import Client

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = Server(folder / "root", "--jobs", str(CAPACITY), "--workers", "1")
    with serving(server) as store, Client(server.url) as client:
        progress.begin("submit", size.jobs)
        submitted = _submit(client, size)
        wait_until(lambda: store.counts()[JobState.RUNNING] == CAPACITY, what="jobs to run")
        rows = []
        for name, seconds, pause_s in (("like the page", size.seconds, 1.0), ("no pause", size.hurried_s, 0.0)):
            progress.begin(f"load, {name}", 0)
            rows.append(_period(server, store, size, name, seconds, pause_s))
            progress.end(f"{rows[-1]['rate']} requests/s")
        cancelled = _cancel_rest(client, store)
        code = server.stop()
    ended = [] if code == 0 else [f"SIGTERM gave exit code {code}"]
    ended += [f"{server.left_behind} processes outlived the server"] * bool(server.left_behind)
    rows[-1]["failed"] += ended
    return [{"kind": "load", **asdict(size), **submitted, "cancelled": cancelled, **row} for row in rows]


def _submit(client: "Client", size: LoadSize) -> Row:
    taken = []
    for k in range(size.jobs):
        config, started = job(f"load-{k:03d}", trials=size.trials, seconds=size.trial_s), time.perf_counter()
        client.submit(config)
        taken.append(1000 * (time.perf_counter() - started))
    return {"submit_p50_ms": round(percentile(taken, 0.5), 1), "submit_p99_ms": round(percentile(taken, 0.99), 1)}


def _period(server: Server, store: JobStore, size: LoadSize, name: str, seconds: float, pause_s: float) -> Row:
    """What clients and workers came to in a stretch of time."""
    before, waiting = rss_bytes(server.pid), _unfinished(store)
    orders = Orders(
        url=server.url,
        jobs=waiting,
        n_clients=size.clients,
        n_streams=size.streams,
        seconds=seconds,
        pause_s=pause_s,
        after=store.last_event_id(),
    )
    command = [sys.executable, "-m", "taskgroup.bench.serving.clients"]
    done = subprocess.run(
        command, input=orders.model_dump_json(), capture_output=True, text=True, timeout=seconds + PATIENCE_S
    )
    if done.returncode:
        raise RuntimeError(f"the clients failed: {done.stderr}")
    answers = Answers.model_validate_json(done.stdout)
    return {"clients_are": name, **_row(server, store, answers), "rss_before_mib": before // MIB}


def _unfinished(store: JobStore) -> tuple[str, ...]:
    """Jobs that run, then those that wait, the oldest first."""
    found, total = store.jobs((JobState.RUNNING, JobState.QUEUED), limit=1000)
    assert len(found) == total, "more jobs than a page"
    return tuple(job.name for job in sorted(found, key=lambda job: (job.state != JobState.RUNNING, job.created)))


def _events(store: JobStore) -> list[Event]:
    found: list[Event] = []
    while page := store.events(None, found[-1].id if found else 0):
        found += page
    return found


def _row(server: Server, store: JobStore, answers: Answers) -> Row:
    """One line of the table."""
    events, root = _events(store), server.root
    seconds = answers.ended - answers.began
    inside = [event for event in events if answers.began <= event.at <= answers.ended]
    over = frozenset(event.job for event in events if event.kind == "state" and event.data["state"] in TERMINAL)
    faults = [stream_fault(stream, events, answers.ended, over) for stream in answers.streams]
    broken = sorted({fault for fault in faults if fault})
    run = [path for path in (root / "jobs").iterdir() if path.name in over]
    return {
        "period_s": round(seconds, 1),
        "requests": len(answers.latencies_ms),
        "rate": round(len(answers.latencies_ms) / seconds, 1),
        "p50_ms": round(percentile(answers.latencies_ms, 0.5), 1),
        "p99_ms": round(percentile(answers.latencies_ms, 0.99), 1),
        "errors": len(answers.errors),
        "streams_broken": sum(bool(fault) for fault in faults),
        "events_received": sum(len(stream.ids) for stream in answers.streams),
        "events_stored": len(inside),
        "rss_after_mib": rss_bytes(server.pid) // MIB,
        "database_mib": round(size_bytes(*root.glob("service.db*")) / MIB, 2),
        "job_mib": round(size_bytes(*run) / MIB / max(1, len(run)), 2),
        "idle": round(1 - busy_s(root, answers.began, answers.ended) / (CAPACITY * seconds), 3),
        "trials_done": sum(event.kind == "trial" for event in inside),
        "jobs_done": sum(event.kind == "state" and event.data["state"] == JobState.DONE for event in inside),
        "failed": sorted({*answers.errors})[:5] + broken[:5],
    }


def _cancel_rest(client: "Client", store: JobStore) -> int:
    """Cancel what has not ended, and wait until it has."""
    names = _unfinished(store)
    for name in names:
        client.cancel(name)
    wait_until(lambda: not _unfinished(store), what="jobs to be cancelled")
    return len(names)
