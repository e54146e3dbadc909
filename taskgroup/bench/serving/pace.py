"""Pace: trials a second with two workers and with one, and what the controller itself takes for a trial."""

import contextlib
import shutil
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from taskgroup.bench.frame import Row
from taskgroup.bench.serving.faults import Course
from taskgroup.bench.serving.jobs import job
from taskgroup.bench.serving.processes import cpu_s, wait_until
from taskgroup.bench.serving.server import NURSERY, RUNNER, serving
from taskgroup.bench.serving.sites import Plain, Spread, missing_for_spread, plain, spread
from taskgroup.errors import TrialError
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.progress import Progress
from taskgroup.service.model import Event, JobState
from taskgroup.service.store import JobStore

TRIALS, TRIAL_S = 24, 2.0
PATIENCE_S = 1200.0


def run_pace(rounds: int, folder: Path, progress: Progress) -> list[Row]:
    """The same search with one worker and with two, in turns; a row each.

    Args:
        rounds: Times of both.
        folder: For all files; emptied first.
        progress: Is told.
    """
    rows: list[Row] = []
    with _at("local", folder) as (site, store):
        for k in range(rounds):
            for workers in (1, 2):
                name = f"pace-{workers}-{k}"
                progress.begin(name, 0)
                course = _submit(site, store, name, workers)
                course.wait_over(PATIENCE_S)
                if (found := store.get(name)).state is not JobState.DONE:
                    raise TrialError(f"bench service: job {name} is {found.state}: {found.message}")
                seconds = search_s(course.events)
                row = {"kind": "workers", "workers": workers, "trials": TRIALS, "search_s": round(seconds, 2)}
                rows.append(row | {"rate": round(TRIALS / seconds, 4), "trial_s": _median_s(site, name)})
                progress.end(f"{rows[-1]['rate']} trials/s")
    return rows


def search_s(events: Sequence[Event]) -> float:
    """Wall time of a job's search, from the event of its begin to that of its end."""
    of = [event for event in events if event.kind == "step" and event.data["step"] == "search"]
    began, ended = (next(event.at for event in of if key in event.data) for key in ("total", "note"))
    return ended - began


def n_trained(events: Sequence[Event]) -> int:
    """Trials of which events tell, without those that repeat an earlier one and cost nothing."""
    return sum(event.kind == "trial" and not event.data["origin"].startswith("repeat of") for event in events)


def run_controller(site: str, folder: Path, progress: Progress) -> Row:
    """Processor time a trial of everything but the workers.

    Args:
        site: ``local`` or ``ray``.
        folder: For all files; emptied first.
        progress: Is told.
    """
    words = missing_for_spread() if site == "ray" else ""
    row: Row = {"kind": "controller", "site": site}
    if words:
        return {**row, "skipped": words}
    progress.begin(f"controller, {site}", 0)
    with _at(site, folder) as (at, store):
        course = _submit(at, store, "controller", 2)
        course.wait_for(2, PATIENCE_S)
        parts = {"server": [at.server.pid, *at.server.below(1)], "runner": at.server.below(RUNNER)}
        parts |= {"nursery": at.server.below(NURSERY)} if site == "local" else {}
        before, first = {part: cpu_s(pids) for part, pids in parts.items()}, n_trained(course.events)
        course.wait_for(TRIALS - 1, PATIENCE_S)
        n = n_trained(course.events) - first
        ms = {part: round(1000 * (cpu_s(pids) - before[part]) / n, 1) for part, pids in parts.items()}
        course.wait_over(PATIENCE_S)
        trial_s = _median_s(at, "controller")
    progress.end(f"{sum(ms.values()):.0f} ms a trial")
    return {**row, "trials": n, "ms": round(sum(ms.values()), 1), "parts": ms, "trial_s": trial_s}


@contextlib.contextmanager
def _at(site: str, folder: Path) -> Iterator[tuple[Plain | Spread, JobStore]]:
    """A server that runs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        at: Plain | Spread
        if site == "local":
            at = stack.enter_context(plain(folder, ["--workers", "2"]))
        else:
            at = stack.enter_context(spread(folder, ["--workers", "2"], 2))
        yield at, stack.enter_context(serving(at.server))


def _submit(site: Plain | Spread, store: JobStore, name: str, workers: int) -> Course:
    from taskgroup.service.client import Client

    with Client(site.server.url) as client:
        client.submit(job(name, trials=TRIALS, seconds=TRIAL_S), workers=workers)
    wait_until(lambda: store.get(name).state is not JobState.QUEUED, what="the job to run")
    return Course(store, name, site, 0.0)


def _median_s(site: Plain | Spread, name: str) -> float:
    """Of the trials that were trained."""
    rows = Folder(site.server.root / "jobs" / name).rows()
    return round(statistics.median(row.seconds for row in rows if row.seconds), 2)
