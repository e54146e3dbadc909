"""The log of events; what they say of a job stands in its row by the same transaction."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from taskgroup.errors import InputError, TaskgroupError
from taskgroup.service.model import Event, EventKind, Job
from taskgroup.service.store.database import Database
from taskgroup.service.store.rows import event_of, job_of
from taskgroup.service.store.tables import events, jobs


class NoSuchJobError(InputError):
    """There is no job of that name."""


class LeaseLostError(TaskgroupError, RuntimeError):
    """Another server has the job, or nobody: who asked has nothing to say about it any more."""


class EventLog(Database):
    """Appends events and reads them. Ids grow in the order in which events become visible to readers."""

    def append(
        self, name: str, kind: EventKind, text: str, data: Mapping[str, Any], *, owner: str | None = None
    ) -> Event:
        """Keep an event, and what it says of the job's step, progress and best gain.

        A ``trial`` is kept once for each number; telling it again gives the event that is there.

        Args:
            name: Of the job.
            kind: Of the event.
            text: One line.
            data: By kind.
            owner: Who has to have the job.

        Raises:
            NoSuchJobError: There is none of this name.
            LeaseLostError: ``owner`` does not have it.
        """
        mark = str(data["number"]) if kind == "trial" else None

        def work(connection: Connection) -> Event:
            if owner is None:
                self._row(connection, name)
            else:
                self._owned(connection, name, owner)
            same = select(events).where(events.c.job == name, events.c.mark == mark)
            if mark is not None and (known := connection.execute(same).first()) is not None:
                return event_of(known)
            if changes := _follows(kind, data):
                connection.execute(update(jobs).where(jobs.c.name == name).values(**changes))
            return self._event(connection, name, kind, text, data, mark)

        return self._write(work)

    def events(self, name: str | None, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events with larger ids than ``after``, oldest first; of all jobs where ``name`` is None."""
        chosen = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
        chosen = chosen if name is None else chosen.where(events.c.job == name)
        return self._read(lambda connection: [event_of(row) for row in connection.execute(chosen)])

    def last_event_id(self) -> int:
        """The largest id there is; 0 where there is none."""
        largest = select(func.max(events.c.id))
        return self._read(lambda connection: int(connection.execute(largest).scalar_one() or 0))

    def _event(
        self,
        connection: Connection,
        name: str,
        kind: EventKind,
        text: str,
        data: Mapping[str, Any],
        mark: str | None = None,
    ) -> Event:
        at = self._now(connection)
        values = {"job": name, "at": at, "kind": kind, "text": text, "data": json.dumps(dict(data)), "mark": mark}
        key = connection.execute(insert(events).values(**values)).inserted_primary_key
        assert key is not None
        return Event(id=key[0], job=name, at=at, kind=kind, text=text, data=dict(data))

    def _row(self, connection: Connection, name: str) -> Job:
        row = connection.execute(select(jobs).where(jobs.c.name == name)).first()
        if row is None:
            raise NoSuchJobError(f"there is no job `{name}`")
        return job_of(row)

    def _owned(self, connection: Connection, name: str, owner: str) -> Job:
        """The job, which ``owner`` has.

        Raises:
            LeaseLostError: He does not, or it is gone.
        """
        row = connection.execute(select(jobs).where(jobs.c.name == name)).first()
        if row is None or row.owner != owner:
            raise LeaseLostError(f"job `{name}` is not {owner}'s any more")
        return job_of(row)


def _follows(kind: EventKind, data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of its job."""
    if kind == "step" and "total" in data:
        return {"step": data["step"], "total": data["total"], "done": 0}
    if kind == "progress":
        best = {} if data.get("best_gain") is None else {"best_gain": data["best_gain"]}
        return {"step": data["step"], "done": data["done"], "total": data["total"], **best}
    return {}
