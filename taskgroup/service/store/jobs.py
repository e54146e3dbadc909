"""The store: jobs are handed in, looked at, edited, stopped and deleted."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import differences
from taskgroup.service.model import MAX_PRIORITY, Job, JobState
from taskgroup.service.store.leases import Leases
from taskgroup.service.store.rows import job_of
from taskgroup.service.store.tables import events, jobs

AFTER_SEARCH = frozenset({"shortlist", "confirm", "test", "report"})


class JobStore(Leases):
    """Jobs and their events in one database; every change of a job and its event are one transaction.

    May be used from several threads, and by several processes with one store each, on one machine (SQLite) or many
    (PostgreSQL). Restarts of the database are survived if they do not take long.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``; tables are made where they are missing.

    Raises:
        InputError: No such database, no driver for it, or tables of a newer version; passwords are not shown.
    """

    def submit(self, config: Config, *, priority: int = 0, workers: int | None = None) -> tuple[Job, bool]:
        """Queue a job; one that is there already with the same config is given as it is.

        Returns:
            The job, and whether it is new.

        Raises:
            InputError: ``priority`` or ``workers`` are out of their ranges.
            ConflictError: There is a job of this name with another config; with the differences.
        """
        _check(priority=priority, workers=workers)

        def work(connection: Connection) -> tuple[Job, bool]:
            known = connection.execute(select(jobs).where(jobs.c.name == config.name)).first()
            if known is not None:
                return _same(job_of(known), config), False
            values = _new(config, self._now(connection), priority, workers)
            connection.execute(insert(jobs).values(**values))
            return self._state_event(connection, config.name, JobState.QUEUED, ""), True

        return self._write(work)

    def get(self, name: str) -> Job:
        """A job as it stands.

        Raises:
            NoSuchJobError: There is none of this name.
        """
        return self._read(lambda connection: self._row(connection, name))

    def jobs(
        self, states: Collection[JobState] = (), search: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[list[Job], int]:
        """Jobs, newest first, and how many there are in all.

        Args:
            states: Only jobs in these; all where empty.
            search: Only jobs whose name contains this, in whatever case.
            limit: At most so many.
            offset: After so many.
        """
        wanted: list[Any] = [jobs.c.state.in_([str(state) for state in states])] if states else []
        if search:
            wanted.append(func.lower(jobs.c.name).contains(search.lower(), autoescape=True))
        page = select(jobs).where(*wanted).order_by(jobs.c.created.desc(), jobs.c.name).limit(limit).offset(offset)
        total = select(func.count()).select_from(jobs).where(*wanted)
        return self._read(lambda c: ([job_of(row) for row in c.execute(page)], int(c.execute(total).scalar_one())))

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        chosen = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        found = self._read(lambda connection: {JobState(state): n for state, n in connection.execute(chosen)})
        return {state: found.get(state, 0) for state in JobState}

    def edit(
        self, name: str, *, trials: int | None = None, workers: int | None = None, priority: int | None = None
    ) -> Job:
        """Change the budget, the number of trials at once or the priority; None leaves as it is.

        A running job heeds it within a second or so.

        Raises:
            InputError: A number is out of its range.
            NoSuchJobError: There is none of this name.
            ConflictError: It has ended, or its search is over and ``trials`` are given.
        """
        asked = {"trials": trials, "workers": workers, "priority": priority}
        _check(**asked)

        def work(connection: Connection) -> Job:
            job = self._row(connection, name)
            changes = {key: n for key, n in asked.items() if n is not None and n != getattr(job, key)}
            _check_editable(job, changes)
            for key, n in changes.items():
                total = {"total": n} if key == "trials" and job.step == "search" else {}
                connection.execute(update(jobs).where(jobs.c.name == name).values(**{key: n}, **total))
                self._event(connection, name, "edit", f"{key}: {n}", {key: n})
            return self._row(connection, name)

        return self._write(work)

    def pause(self, name: str) -> Job:
        """Have a job stop; what it has is kept. A running one does so within a second or so.

        Raises:
            NoSuchJobError: There is none of this name.
            ConflictError: It has ended, or is being cancelled.
        """

        def work(connection: Connection) -> Job:
            job = self._row(connection, name)
            if job.state == JobState.QUEUED:
                return self._change(connection, name, JobState.PAUSED, "by request")
            if job.state == JobState.RUNNING and job.wanted != "cancel":
                return self._want(connection, job, "pause")
            if job.state != JobState.PAUSED:
                raise ConflictError(f"{_stands(job)}; only queued and running jobs can be paused")
            return job

        return self._write(work)

    def resume(self, name: str) -> Job:
        """Queue a job again that was paused or cancelled, or has failed: it goes on where it stopped.

        Raises:
            NoSuchJobError: There is none of this name.
            ConflictError: It is done, or is being cancelled.
        """

        def work(connection: Connection) -> Job:
            job = self._row(connection, name)
            if job.state in (JobState.PAUSED, JobState.FAILED, JobState.CANCELLED):
                return self._change(connection, name, JobState.QUEUED, "resumed", attempts=0, not_before=0.0)
            if job.state == JobState.DONE or job.wanted == "cancel":
                raise ConflictError(f"{_stands(job)}; only paused, cancelled and failed jobs can be resumed")
            return self._want(connection, job, "run")

        return self._write(work)

    def cancel(self, name: str) -> Job:
        """End a job for good; its run directory stays. A running one ends within a second or so.

        Raises:
            NoSuchJobError: There is none of this name.
            ConflictError: It is done or has failed.
        """

        def work(connection: Connection) -> Job:
            job = self._row(connection, name)
            if job.state in (JobState.QUEUED, JobState.PAUSED):
                return self._change(connection, name, JobState.CANCELLED, "by request")
            if job.state == JobState.RUNNING:
                return self._want(connection, job, "cancel")
            if job.state != JobState.CANCELLED:
                raise ConflictError(f"{_stands(job)}; only queued, running and paused jobs can be cancelled")
            return job

        return self._write(work)

    def delete(self, name: str) -> None:
        """Forget a job and its events; the run directory is the caller's.

        Raises:
            NoSuchJobError: There is none of this name.
            ConflictError: It is running.
        """

        def work(connection: Connection) -> None:
            job = self._row(connection, name)
            if job.state == JobState.RUNNING:
                raise ConflictError(f"{_stands(job)}; cancel it before you delete it")
            connection.execute(delete(events).where(events.c.job == name))
            connection.execute(delete(jobs).where(jobs.c.name == name))

        self._write(work)

    def _want(self, connection: Connection, job: Job, wanted: str) -> Job:
        """Leave word for who runs the job."""
        if job.wanted != wanted:
            connection.execute(update(jobs).where(jobs.c.name == job.name).values(wanted=wanted))
            words = {"run": "to go on after all", "pause": "to pause", "cancel": "to be cancelled"}
            self._event(connection, job.name, "note", f"asked {words[wanted]}", {})
        return self._row(connection, job.name)


def _same(job: Job, config: Config) -> Job:
    """The job, which has this config."""
    if job.config_hash == config.fingerprint:
        return job
    listed = "".join(f"\n  {change}" for change in differences(job.config, config.to_dict()))
    raise ConflictError(
        f"there is a job `{job.name}` with another config:{listed}\n"
        "Give the new one another name, or delete the one that is there"
    )


def _new(config: Config, now: float, priority: int, workers: int | None) -> dict[str, Any]:
    """A line for a job that was never run."""
    return {
        "name": config.name,
        "state": JobState.QUEUED,
        "config": json.dumps(config.to_dict()),
        "config_hash": config.fingerprint,
        "priority": priority,
        "workers": workers,
        "wanted": "run",
        "attempts": 0,
        "done": 0,
        "total": 0,
        "message": "",
        "created": now,
        "not_before": 0.0,
    }


def _check(**numbers: int | None) -> None:
    """Ranges of what a user may set.

    Raises:
        InputError: With a sentence for each number outside.
    """
    ranges = {"trials": (2, None), "workers": (1, None), "priority": (-MAX_PRIORITY, MAX_PRIORITY)}
    faults: Sequence[str] = [
        f"`{key}`: should be {f'at least {low}' if high is None else f'from {low} to {high}'}, found {n}"
        for key, (low, high) in ranges.items()
        if (n := numbers.get(key)) is not None and (n < low or (high is not None and n > high))
    ]
    if faults:
        raise InputError(faults)


def _check_editable(job: Job, changes: dict[str, int]) -> None:
    if changes and job.state.is_terminal:
        raise ConflictError(f"{_stands(job)}; only jobs that have not ended can be changed")
    if "trials" in changes and job.step in AFTER_SEARCH:
        raise ConflictError(f"job `{job.name}` is in step {job.step}, its search is over: `trials` changes nothing now")


def _stands(job: Job) -> str:
    """Where a job stands, as the beginning of a sentence."""
    if job.state == JobState.RUNNING and job.wanted != "run":
        return f"job `{job.name}` is being {'paused' if job.wanted == 'pause' else 'cancelled'}"
    return f"job `{job.name}` {'has failed' if job.state == JobState.FAILED else f'is {job.state}'}"
