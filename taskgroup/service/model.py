"""Jobs and events as the service keeps them and shows them."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from taskgroup.core.task import Frozen

MAX_PRIORITY = 100


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DONE = "done"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing happens any more unless somebody asks for it."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.CANCELLED, JobState.FAILED, JobState.DONE})

Wanted = Literal["run", "pause", "cancel"]
EventKind = Literal["state", "step", "progress", "trial", "note", "edit"]


class Job(Frozen):
    """A job as it stands.

    Attributes:
        name: Of the job and its folder.
        state: Where it stands.
        config: What was asked for, complete with defaults; never changes.
        config_hash: Its fingerprint.
        priority: Higher is run first.
        workers: Trials at once; None for the server's number.
        trials: Edited search budget; None for the config's.
        wanted: What the user wants of a running job.
        owner: Server that runs it.
        lease_until: Until when that server has it, unless it asks for more time.
        attempts: Runs in a row that ended without having got further.
        step: Step it is in.
        done: Trials of the step that are over.
        total: Trials of the step.
        best_gain: Best of the search so far.
        message: Last sentence on its state: why it failed, what it waits for.
        created: Unix seconds, as all times here.
        started: When it was first run.
        ended: When it came to an end.
    """

    name: str
    state: JobState
    config: dict[str, Any]
    config_hash: str
    priority: int = Field(default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    workers: int | None = Field(default=None, ge=1)
    trials: int | None = Field(default=None, ge=2)
    wanted: Wanted = "run"
    owner: str | None = None
    lease_until: float | None = None
    attempts: int = 0
    step: str | None = None
    done: int = 0
    total: int = 0
    best_gain: float | None = None
    message: str = ""
    created: float
    started: float | None = None
    ended: float | None = None


class Event(Frozen):
    """Something that happened to a job.

    Attributes:
        id: Grows over all jobs, in the order in which events became visible.
        job: Its name.
        at: Unix seconds.
        kind: ``state`` (``data``: state, reason), ``step`` (step, total at its begin; step, note at its end),
            ``progress`` (step, done, total, best_gain), ``trial`` (number, origin, state, gain, params_ratio,
            macs_ratio), ``note`` (nothing) or ``edit`` (the new trials, workers or priority).
        text: The same as one line of the log.
        data: By kind.
    """

    id: int
    job: str
    at: float
    kind: EventKind
    text: str
    data: dict[str, Any] = Field(default_factory=dict)
