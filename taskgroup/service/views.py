"""What the routes answer, as types: they make the OpenAPI schema, and the page and the clients rely on them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from taskgroup.core.gain import Interval
from taskgroup.core.record import Proposals, TrialRow
from taskgroup.core.spec import AdapterSpec, Helper, Verdict
from taskgroup.core.task import Frozen, Kind
from taskgroup.service.model import MAX_PRIORITY, Event, Job, JobState, Wanted


def _number(value: Any) -> Any:
    """Neither true nor "1", which pydantic would take for 1."""
    if isinstance(value, bool | str):
        raise ValueError(f"should be a whole number, found {str(value)[:60]!r}")
    return value


WHOLE = BeforeValidator(_number)

Baseline = Literal["all-shared", "all-separate"]


@dataclass(frozen=True)
class Outcome:
    """What a finished job came to.

    Attributes:
        verdict: In words.
        gain: Of its plan against all-separate, on the test split.
    """

    verdict: Verdict
    gain: Interval


class JobView(Frozen):
    """A job as it stands; times are ISO 8601 in UTC.

    Attributes:
        name: Of the job.
        state: Where it stands.
        step: Step it is in.
        done: Trials of the step that are over.
        total: Trials of the step.
        best_gain: Best of the search so far, against all-separate on the validation split.
        priority: Higher is run first.
        workers: Trials at once, where it does not follow the server.
        trials: Edited search budget.
        n_workers_alive: Worker processes that this server runs for it now.
        message: Last sentence on its state.
        config_hash: Fingerprint of its config.
        created: When it was submitted.
        started: When it was first run.
        ended: When it came to an end.
        seconds_left: Of the step, at the pace of its last trials; null where there is none yet.
        verdict: Of a finished job.
        gain: Of a finished job's plan, against all-separate on the test split.
        wanted: What was asked of it last.
    """

    name: str
    state: JobState
    step: str | None
    done: int
    total: int
    best_gain: float | None
    priority: int
    workers: int | None
    trials: int | None
    n_workers_alive: int
    message: str
    config_hash: str
    created: str
    started: str | None
    ended: str | None
    seconds_left: float | None
    verdict: Verdict | None
    gain: Interval | None
    wanted: Wanted


class JobList(Frozen):
    """A page of jobs, newest first.

    Attributes:
        jobs: As they stand.
        total: Counts all that fit the question.
        last_event: Id of an event that they are newer than: a stream after it tells what changes from here on.
    """

    jobs: tuple[JobView, ...]
    total: int
    last_event: int


class JobEdit(Frozen):
    """What may be changed of a job at any time; what is left out stays.

    Attributes:
        trials: Search budget.
        workers: Trials at once.
        priority: Higher is run first.
    """

    trials: Annotated[int, Field(ge=2, le=1_000_000), WHOLE] | None = None
    workers: Annotated[int, Field(ge=1, le=4096), WHOLE] | None = None
    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY), WHOLE] | None = None


class EventList(Frozen):
    """Events in the order of their ids."""

    events: tuple[Event, ...]


class AffinityView(Frozen):
    """Affinities; arrays are ``[stage][source][target]``, null where unknown."""

    tasks: tuple[str, ...]
    stages: tuple[str, ...]
    values: list[list[list[float | None]]]
    stderr: list[list[list[float | None]]]
    counts: list[list[list[int]]]


class Dendrogram(Frozen):
    """The tree that the groupings were cut from.

    Attributes:
        source: Where it comes from.
        tasks: Node ``k`` is task ``k``.
        leaves: The tasks in plot order.
        merges: Both nodes, height, number of tasks; merge ``k`` makes node ``len(tasks) + k``.
    """

    source: str
    tasks: tuple[str, ...]
    leaves: tuple[str, ...]
    merges: tuple[tuple[int, int, float, int], ...]


class ProposalsView(Proposals):
    """Proposals, and the first tree for a plot; null where there is none."""

    dendrogram: Dendrogram | None = None


class LiveTrial(Frozen):
    """A trial of a search that is not over, as far as its event tells."""

    number: int
    origin: str
    state: str
    gain: float | None = None
    params_ratio: float | None = None
    macs_ratio: float | None = None


class TrialList(Frozen):
    """Trials in the order of the search."""

    trials: tuple[TrialRow | LiveTrial, ...]
    total: int


class ParetoPoint(Frozen):
    """A trial of the search by gain and cost.

    Attributes:
        number: Of the trial.
        name: Where it comes from.
        gain: Validation gain against all-separate in the search.
        gain_confirmed: Mean gain on fresh seeds, where it was confirmed.
        gain_low: Lower end of that gain's interval.
        gain_high: Upper end.
        params_ratio: Parameters relative to all-shared.
        macs_ratio: Multiply-accumulates relative to all-shared.
        on_front: Whether no trial has more gain for as few multiply-accumulates.
        chosen: Whether it is the plan.
        baseline: Whether it is the best training of a baseline.
        stages: Of the trunk.
        tasks: In the order of the matrix's columns.
        matrix: Copy of each stage (row) that serves each task (column).
        adapters: Of shared copies.
        helpers: Tasks that also train along other paths.
        head_size: Width of the heads' hidden layer.
        training: Learning rate and weighting in words, empty where they are the usual ones.
        task_gains: Of each task in the search; null where unknown.
    """

    number: int
    name: str
    gain: float
    gain_confirmed: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    params_ratio: float
    macs_ratio: float
    on_front: bool
    chosen: bool
    baseline: Baseline | None = None
    stages: tuple[str, ...]
    tasks: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    adapters: tuple[AdapterSpec, ...]
    helpers: tuple[Helper, ...]
    head_size: int
    training: str
    task_gains: dict[str, float | None]


class ParetoView(Frozen):
    """Every trial that was scored."""

    points: tuple[ParetoPoint, ...]


class ExportView(Frozen):
    """A format that a job's plan can be had in.

    Attributes:
        format: Its name.
        of: ``spec``, or ``network`` with its weights.
        file: Name of the file that comes.
    """

    format: str
    of: Literal["spec", "network"]
    file: str


class ExportList(Frozen):
    """Formats of a finished job."""

    exports: tuple[ExportView, ...]


class UploadView(Frozen):
    """An uploaded table; in a config its path is ``uploads/NAME``."""

    name: str
    bytes: int
    columns: tuple[str, ...]


class UploadList(Frozen):
    """Uploaded tables, by name."""

    uploads: tuple[UploadView, ...]


class ColumnView(Frozen):
    """A column of a table as its first rows show it; all but the name is empty where they are not seen.

    Attributes:
        name: Its name.
        kind: Which kind of task it could be, None for none.
        unfit: Why it had better not be an input, empty where it may be.
        values: Its different values as text, at most 1000, in order; none of a column that holds fractions.
        split: Whether they are words or codes of splits, all three among them.
    """

    name: str
    kind: Kind | None = None
    unfit: str = ""
    values: tuple[str, ...] = ()
    split: bool = False


class ColumnList(Frozen):
    """The columns of a table, in its order."""

    columns: tuple[ColumnView, ...]


class SpaceView(Frozen):
    """An example of a search space.

    Attributes:
        name: Its name.
        title: In a sentence.
        config: All sections but ``name``; without ``problem`` where it is meant for a table.
    """

    name: str
    title: str
    config: dict[str, Any]


class Health(Frozen):
    """That the server answers."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Frozen):
    """That jobs can be taken and are run.

    Attributes:
        status: ``ready``; otherwise the answer is a 503.
        database: Whether it answers.
        scheduler: ``alive``, or ``none`` where this server runs no jobs itself.
    """

    status: Literal["ready"] = "ready"
    database: Literal["ok"] = "ok"
    scheduler: Literal["alive", "none"]


def job_view(job: Job, n_alive: int, seconds_left: float | None, outcome: Outcome | None) -> JobView:
    """The view of a job."""
    known = job.model_dump(include=set(JobView.model_fields) - {"created", "started", "ended"})
    return JobView(
        **known,
        created=iso(job.created) or "",
        started=iso(job.started),
        ended=iso(job.ended),
        n_workers_alive=n_alive,
        seconds_left=seconds_left,
        verdict=outcome and outcome.verdict,
        gain=outcome and outcome.gain,
    )


def iso(seconds: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
