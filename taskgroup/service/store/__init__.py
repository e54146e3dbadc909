"""The store of jobs and events: one database, SQLite or PostgreSQL. Knows nothing of processes and requests."""

from taskgroup.service.store.events import LeaseLostError, NoSuchJobError
from taskgroup.service.store.jobs import JobStore

__all__ = ["JobStore", "LeaseLostError", "NoSuchJobError"]
