"""How fast jobs get on, from the events that this server has seen."""

from dataclasses import dataclass, replace

from taskgroup.service.model import Event


@dataclass(frozen=True)
class _Seen:
    """First and last sight of a step's progress."""

    step: str
    first_at: float
    first_done: int
    at: float
    done: int
    total: int


class Pace:
    """Of every job in its present step."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def see(self, event: Event) -> None:
        """Take note of an event."""
        if event.kind == "state":
            self._seen.pop(event.job, None)  # it stood still, or begins anew
        elif event.kind == "step" and "total" in event.data:
            step, total = str(event.data["step"]), int(event.data["total"])
            self._seen[event.job] = _Seen(step, event.at, 0, event.at, 0, total)
        elif event.kind == "progress":
            self._progress(event)

    def _progress(self, event: Event) -> None:
        step, done, total = str(event.data["step"]), int(event.data["done"]), int(event.data["total"])
        seen = self._seen.get(event.job)
        if seen is None or seen.step != step or done < seen.done:  # seen from the middle on
            self._seen[event.job] = _Seen(step, event.at, done, event.at, done, total)
        else:
            self._seen[event.job] = replace(seen, at=event.at, done=done, total=total)

    def seconds_left(self, job: str, now: float) -> float | None:
        """Until the job's step is over, None where that cannot be told yet."""
        seen = self._seen.get(job)
        if seen is None or seen.done <= seen.first_done or seen.at <= seen.first_at:
            return None
        each = (seen.at - seen.first_at) / (seen.done - seen.first_done)
        return round(max(0.0, each * (seen.total - seen.done) - max(0.0, now - seen.at)), 1)
