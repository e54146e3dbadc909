"""The trials of a search by gain and cost."""

from collections.abc import Mapping, Sequence

from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.spec import Spec
from taskgroup.service.views import Baseline, ParetoPoint

BASELINES: tuple[Baseline, ...] = (SHARED, SEPARATE)  # type: ignore[assignment]  # the same words


def pareto(rows: Sequence[TrialRow], spec: Spec | None) -> tuple[ParetoPoint, ...]:
    """A point for each trial with a gain.

    Args:
        rows: The trials table.
        spec: The plan, where the job is that far.
    """
    done = [row for row in rows if row.gain is not None]
    reference = next((row.errors for row in done if row.origin == SEPARATE), {})
    front, baselines = _front(done), _baselines(done)
    chosen = _chosen(done, spec)
    confirmed = {arm.name: arm.gain_vs_separate for arm in (spec.evidence.arms if spec and spec.evidence else ())}
    points = []
    for row in done:
        baseline = baselines.get(row.number)
        interval = confirmed.get(baseline or f"trial {row.number}")
        points.append(
            ParetoPoint(
                number=row.number,
                name=row.origin,
                gain=row.gain or 0.0,
                gain_confirmed=interval and interval.mean,
                gain_low=interval and interval.low,
                gain_high=interval and interval.high,
                params_ratio=row.cost.params_ratio,
                macs_ratio=row.cost.macs_ratio,
                on_front=row.number in front,
                chosen=row.number == chosen,
                baseline=baseline,
                stages=row.architecture.topology.stages,
                tasks=row.architecture.topology.tasks,
                matrix=row.architecture.topology.matrix,
                adapters=row.architecture.adapters,
                helpers=row.architecture.helpers,
                head_size=row.architecture.head_size,
                training=row.recipe.words,
                task_gains=_task_gains(row, reference),
            )
        )
    return tuple(points)


def _front(rows: Sequence[TrialRow]) -> set[int]:
    """Trials than which none has more gain for as few multiply-accumulates."""
    found: set[int] = set()
    best = float("-inf")
    for row in sorted(rows, key=lambda r: (r.cost.macs_ratio, -(r.gain or 0.0))):
        if (row.gain or 0.0) > best:
            best = row.gain or 0.0
            found.add(row.number)
    return found


def _baselines(rows: Sequence[TrialRow]) -> dict[int, Baseline]:
    """The best training of each baseline, by the trial's number."""
    found: dict[int, Baseline] = {}
    for name in BASELINES:
        network = next((row.architecture.fingerprint for row in rows if row.origin == name), None)
        same = [row for row in rows if row.architecture.fingerprint == network]
        if same:
            found[max(same, key=lambda row: row.gain or 0.0).number] = name
    return found


def _chosen(rows: Sequence[TrialRow], spec: Spec | None) -> int | None:
    """Number of the first trial of the plan's network and recipe."""
    if spec is None:
        return None
    plan = (spec.architecture.fingerprint, spec.recipe)
    same = (row.number for row in rows if (row.architecture.fingerprint, row.recipe) == plan)
    return next(same, None)


def _task_gains(row: TrialRow, reference: Mapping[str, float]) -> dict[str, float | None]:
    gains: dict[str, float | None] = {}
    for task in row.architecture.topology.tasks:
        error, base = row.errors.get(task), reference.get(task)
        gains[task] = 1 - error / base if error is not None and base else None
    return gains
