"""A job's log: its events as lines of text."""

from collections.abc import Iterator

from taskgroup.core.text import printable
from taskgroup.service.store import JobStore
from taskgroup.service.views import iso

PAGE = 1000


def log_lines(store: JobStore, job: str) -> Iterator[str]:
    """Time, kind and text of every event, progress left out: of that only the last counts."""
    last = 0
    while events := store.events(job, last, PAGE):
        last = events[-1].id
        kept = (event for event in events if event.kind != "progress")
        yield "".join(f"{iso(event.at)} {event.kind:<6} {printable(event.text)}\n" for event in kept)
