"""Rows of the tables as jobs and events."""

import json
from typing import Any

from sqlalchemy import Row

from taskgroup.service.model import Event, Job

_FIELDS = frozenset(Job.model_fields)


def job_of(row: Row[Any]) -> Job:
    """A line of ``service_jobs``."""
    fields = {key: value for key, value in row._asdict().items() if key in _FIELDS}
    return Job(**{**fields, "config": json.loads(row.config)})


def event_of(row: Row[Any]) -> Event:
    """A line of ``service_events``."""
    return Event(id=row.id, job=row.job, at=row.at, kind=row.kind, text=row.text, data=json.loads(row.data))
