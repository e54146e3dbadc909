"""Leases: who runs which job, for how long, and what becomes of it when he is gone."""

from typing import Any

from sqlalchemy import Connection, select, update

from taskgroup.core.text import plural
from taskgroup.service.model import Job, JobState
from taskgroup.service.store.events import EventLog
from taskgroup.service.store.rows import job_of
from taskgroup.service.store.tables import jobs

MAX_RUNS = 5
"""Runs that ended badly without a trial that finished between them, after which a job is given up."""
LONGEST_BACKOFF_S = 60.0
ASKED_FOR = {"pause": JobState.PAUSED, "cancel": JobState.CANCELLED}


class Leases(EventLog):
    """Gives each job to one owner at a time. A lease that is not renewed ends, and anybody may have the job."""

    def claim(self, owner: str, lease_s: float) -> Job | None:
        """The queued job of the highest priority, of these the oldest, for ``owner``; None where there is none.

        Exactly one of several claimants gets it, whatever servers they are on.

        Args:
            owner: Name of this run of it; another run has another name.
            lease_s: How long he has it without renewing.
        """

        def work(connection: Connection) -> Job | None:
            now = self._now(connection)
            free = select(jobs.c.name).where(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now)
            first = free.order_by(jobs.c.priority.desc(), jobs.c.created, jobs.c.name).limit(1)
            name = connection.execute(first).scalar()
            if name is None:
                return None
            job = self._row(connection, name)
            values = {"owner": owner, "lease_until": now + lease_s, "started": job.started or now}
            taken = update(jobs).where(jobs.c.name == name, jobs.c.state == JobState.QUEUED)
            if connection.execute(taken.values(state=JobState.RUNNING, message="", **values)).rowcount != 1:
                return None
            again = f"goes on after {plural(job.attempts, 'run')} that ended badly" if job.attempts else ""
            return self._state_event(connection, name, JobState.RUNNING, again)

        return self._write(work)

    def renew(self, name: str, owner: str, lease_s: float) -> Job:
        """Have the job for another ``lease_s``; gives it as it stands.

        Raises:
            LeaseLostError: ``owner`` does not have it any more.
        """

        def work(connection: Connection) -> Job:
            self._owned(connection, name, owner)
            until = self._now(connection) + lease_s
            connection.execute(update(jobs).where(jobs.c.name == name).values(lease_until=until))
            return self._row(connection, name)

        return self._write(work)

    def got_further(self, name: str, owner: str) -> None:
        """The run finished a trial: what went wrong before does not count any more.

        Raises:
            LeaseLostError: ``owner`` does not have the job any more.
        """

        def work(connection: Connection) -> None:
            self._owned(connection, name, owner)
            connection.execute(update(jobs).where(jobs.c.name == name).values(attempts=0))

        self._write(work)

    def release(self, name: str, owner: str, state: JobState, message: str, *, badly: bool = False) -> Job:
        """Give the job back in another state.

        A job that goes back to the queue is paused or cancelled instead where somebody asked for that.

        Args:
            name: Of the job.
            owner: Who has it.
            state: Where it stands now.
            message: Why.
            badly: The run ended as it should not have, and the job goes back to the queue: the next run waits for a
                while, and after ``MAX_RUNS`` without a trial that finished between them there is none.

        Raises:
            LeaseLostError: ``owner`` does not have it any more.
        """

        def work(connection: Connection) -> Job:
            return self._give_back(connection, self._owned(connection, name, owner), state, message, badly)

        return self._write(work)

    def take_over_expired(self) -> list[Job]:
        """Put jobs back to the queue whose leases ran out; gives them."""

        def work(connection: Connection) -> list[Job]:
            late = jobs.c.lease_until < self._now(connection)
            rows = connection.execute(select(jobs).where(jobs.c.state == JobState.RUNNING, late)).all()
            found = [job_of(row) for row in rows]
            reasons = [f"its server is gone ({job.owner} did not renew its lease)" for job in found]
            return [
                self._give_back(connection, job, JobState.QUEUED, reason, True)
                for job, reason in zip(found, reasons, strict=True)
            ]

        late = select(jobs.c.name).where(jobs.c.state == JobState.RUNNING)
        anybody = self._read(lambda c: c.execute(late.where(jobs.c.lease_until < self._now(c))).first())
        return self._write(work) if anybody is not None else []

    def _give_back(self, connection: Connection, job: Job, state: JobState, message: str, badly: bool) -> Job:
        attempts, wait = job.attempts + badly, 0.0
        if state == JobState.QUEUED and job.wanted != "run":
            state, message = ASKED_FOR[job.wanted], "by request"
        elif badly and attempts >= MAX_RUNS:
            state, message = (
                JobState.FAILED,
                f"given up after {plural(attempts, 'run')} that ended badly, without a trial between them: {message}",
            )
        elif badly:
            wait = min(2.0 ** (attempts - 1), LONGEST_BACKOFF_S)
            message += f"; it goes on in {wait:g} s"
        not_before = self._now(connection) + wait
        return self._change(connection, job.name, state, message, attempts=attempts, not_before=not_before)

    def _change(self, connection: Connection, name: str, state: JobState, message: str, **values: Any) -> Job:
        """Another state than running, with its event."""
        ended = self._now(connection) if state.is_terminal else None
        fixed = {"state": state, "message": message, "wanted": "run", "owner": None, "lease_until": None}
        changes = {**fixed, "ended": ended, **values}
        connection.execute(update(jobs).where(jobs.c.name == name).values(**changes))
        return self._state_event(connection, name, state, message)

    def _state_event(self, connection: Connection, name: str, state: JobState, reason: str) -> Job:
        text = f"{state}: {reason}" if reason else str(state)
        self._event(connection, name, "state", text, {"state": str(state), "reason": reason})
        return self._row(connection, name)
