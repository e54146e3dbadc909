"""A search that goes on, from its events."""

from taskgroup.service.store import JobStore
from taskgroup.service.views import LiveTrial

PAGE = 1000


def live_trials(store: JobStore, job: str) -> tuple[LiveTrial, ...]:
    """The trials told so far, each once, in the order of their numbers."""
    found: dict[int, LiveTrial] = {}
    last = 0
    while events := store.events(job, last, PAGE):
        last = events[-1].id
        for event in events:
            if event.kind == "trial":
                trial = LiveTrial(**{key: event.data.get(key) for key in LiveTrial.model_fields})
                found[trial.number] = trial
    return tuple(found[number] for number in sorted(found))
