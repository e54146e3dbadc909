"""The fault cells: a job, what goes wrong in its course, and whether all is counted once when it is over."""

import contextlib
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from taskgroup.bench.frame import Row
from taskgroup.bench.serving import log
from taskgroup.bench.serving.evidence import Evidence, differences, failed_checks, study_states, table, told_numbers
from taskgroup.bench.serving.faults import Course, Fault, Struck, plain_faults, spread_faults
from taskgroup.bench.serving.following import Follower
from taskgroup.bench.serving.jobs import job
from taskgroup.bench.serving.server import serving
from taskgroup.bench.serving.sites import Plain, Spread, missing_for_spread, plain, spread
from taskgroup.core.record import Record
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Progress, Silent
from taskgroup.service.model import Event
from taskgroup.service.store import JobStore

SITES = ("sqlite-local", "postgres-ray")
PATIENCE_S = 1200.0
"""For a job to get on."""


@dataclass(frozen=True)
class Size:
    """Of a fault cell.

    Attributes:
        trials: Of the job's search.
        trial_s: Seconds of a trial, about.
        limit_s: Wall time of a trial, after which it is tried again.
        workers: Trials at once.
        undisturbed: Whether the job is run undisturbed too, and both have to come to the same.
    """

    trials: int = 24
    trial_s: float = 1.5
    limit_s: float = 20.0
    workers: int = 4
    undisturbed: bool = False


def run_faults(site: str, size: Size, folder: Path, progress: Progress) -> Row:
    """One job under faults; a row with what was counted.

    Args:
        site: One of ``SITES``.
        size: Of the job.
        folder: For all files; emptied first.
        progress: Is told.
    """
    words = missing_for_spread() if site == "postgres-ray" else ""
    known: Row = {"kind": "faults", "site": site, **asdict(size)}
    if words:
        return {**known, "skipped": words}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = job(f"faults-{size.workers}", trials=size.trials, seconds=size.trial_s)
    options = ["--workers", str(size.workers), "--trial-limit", f"{size.limit_s:g}"]
    progress.begin(f"{site}, {size.workers} at once", 0)
    with contextlib.ExitStack() as stack:
        at: Plain | Spread
        if site == "sqlite-local":
            at = stack.enter_context(plain(folder, options))
        else:
            at = stack.enter_context(spread(folder, options, max(size.workers, 2)))
        store = stack.enter_context(serving(at.server))
        found = _disturbed(at, store, config, size)
        study = study_states(at.server.study_url(config.name), config.name)
    row = {**known, **_counted(found, study, folder, config, size)}
    progress.end(", ".join(row["failed"]) or "all is well")
    return row


@dataclass(frozen=True)
class _Watched:
    """What was seen of the job."""

    events: list[Event]
    state: str
    seen: tuple[int, ...]
    meant: list[Fault]
    struck: list[Struck]
    error: str
    seconds: float
    left_behind: int


def _disturbed(at: Plain | Spread, store: JobStore, config: Config, size: Size) -> _Watched:
    """Submit the job, disturb it, wait for its end."""
    from taskgroup.service.client import Client

    with Client(at.server.url) as client:
        client.submit(config)
    since, error = time.monotonic(), ""
    course = Course(store, config.name, at, size.limit_s)
    follower = Follower(at.server.url, config.name)
    meant = plain_faults(course, at, config.name) if isinstance(at, Plain) else spread_faults(course, at)
    struck: list[Struck] = []
    try:
        course.disturb(meant, size.trials, since, PATIENCE_S, struck)
        course.wait_over(PATIENCE_S)
    except (TimeoutError, ProcessLookupError) as failure:
        error = str(failure)
    seconds = round(time.monotonic() - since, 1)
    state = str(store.get(config.name).state)
    seen = follower.ended()
    return _Watched(course.events, state, seen, meant, struck, error or follower.error, seconds, at.server.left_behind)


def _counted(found: _Watched, study: dict[str, int], folder: Path, config: Config, size: Size) -> Row:
    run, events = folder / "root" / "jobs" / config.name, found.events
    rows = Folder(run).rows() if (run / "trials.jsonl").exists() else []
    evidence = Evidence(
        state=found.state,
        wanted=size.trials,
        rows=table(rows),
        told=told_numbers(events),
        study=study,
        ids=tuple(event.id for event in events),
        seen=found.seen,
        left_behind=found.left_behind,
        meant=tuple(fault.name for fault in found.meant),
        struck=tuple(struck.name for struck in found.struck),
    )
    failed = failed_checks(evidence) + [found.error] * bool(found.error)
    if size.undisturbed and found.state == "done":
        failed += differences(run, undisturbed(config, folder / "undisturbed"))
    return {
        "state": found.state,
        "rows": len(evidence.rows),
        "trained": evidence.trained,
        "distinct": len({*evidence.numbers}),
        "told": len(evidence.told),
        "told_distinct": len({*evidence.told}),
        "study": study,
        "lost": evidence.lost,
        "twice": evidence.twice,
        "retries": dict(log.reasons(events)),
        "events": len(events),
        "seconds": found.seconds,
        "faults": [asdict(struck) for struck in found.struck],
        "failed": failed,
    }


def undisturbed(config: Config, out: Path) -> Record:
    """What the job comes to in this process, one trial after the other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return run_job(config, out, workers=1, progress=Silent(), base=Path(), inline=True, report=False)
    finally:
        torch.set_num_threads(threads)
