"""``bench digits``: the plan for the bundled digits against all-shared and all-separate, on several splits."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from scipy import stats

from taskgroup.bench.frame import Places, Row
from taskgroup.core.gain import Interval
from taskgroup.core.record import Record
from taskgroup.core.spec import Cost
from taskgroup.errors import InputError
from taskgroup.pipeline.config import load_config
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Progress
from taskgroup.search.notes import SEPARATE, SHARED

SPACE = Path("search_spaces/digits.yaml")
ARMS = (SEPARATE, SHARED, "plan")
SMALL = ("search.trials=6", "search.steps=60", "train.steps=80", "measure.seeds=1", "confirm.seeds=2")


class Digits:
    """One cell per seed, which decides the split of the rows and everything random in the job."""

    about = """
The plan that `search_spaces/digits.yaml` leads to, against its two baselines, on several splits of the rows. Each seed
is a job of its own: another split, other weights and batches. Gains are those of the test split, which a job reads
once, after its choice: the mean over ten tasks of the share of the error that is gone. Intervals within a job come from
its paired confirmation seeds (90 %); the pooled ones from the spread over the jobs (90 %, Student).
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """``seed-0`` to ``seed-4``; only the first when quick."""
        return [f"seed-{k}" for k in range(1 if quick else 5)]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """One job; a row per arm."""
        if not SPACE.exists():
            raise InputError(f"bench digits: {SPACE} should be there; run it from the folder of the repository")
        seed = int(cell.removeprefix("seed-"))
        changes = [f"seed={seed}", f"problem.split.seed={seed}", f"name=digits-{cell}", *(SMALL if quick else ())]
        config = load_config(SPACE, changes)
        record = run_job(config, folder / "job", workers=workers, progress=progress, base=SPACE.parent)
        return [_row(record, seed, arm) for arm in ARMS]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Pooled over the seeds, and each job."""
        return {
            "Pooled": [_pooled([r for r in rows if r["arm"] == arm]) for arm in ARMS],
            "Each job": [_shown(row) for row in rows],
        }


def _row(record: Record, seed: int, arm: str) -> Row:
    evidence, plan = record.spec.evidence, record.spec.cost
    assert evidence is not None
    assert plan is not None
    zero = Interval(mean=0.0, low=0.0, high=0.0)
    gain = {SEPARATE: zero, SHARED: evidence.shared_vs_separate, "plan": evidence.gain_vs_separate}[arm]
    errors = {
        t.task: {SEPARATE: t.error_separate, SHARED: t.error_shared, "plan": t.error}[arm] for t in evidence.tasks
    }
    gains = {t.task: 1 - errors[t.task] / t.error_separate for t in evidence.tasks}
    worst = min(gains, key=lambda task: gains[task])
    cost = plan if arm == "plan" else _arm_cost(record, arm)
    return {
        "seed": seed,
        "arm": arm,
        "gain_vs_separate": gain.mean,
        "ci90": [gain.low, gain.high],
        "gain_vs_shared": sum(1 - errors[t.task] / t.error_shared for t in evidence.tasks) / len(errors),
        "worst_task": worst,
        "worst_task_gain": gains[worst],
        "params_ratio": cost.params_ratio,
        "macs_ratio": cost.macs_ratio,
        "verdict": evidence.verdict.code if arm == "plan" else "",
        "seconds": sum(record.spec.provenance.seconds.values()) if record.spec.provenance and arm == "plan" else 0.0,
    }


def _arm_cost(record: Record, arm: str) -> Cost:
    assert record.spec.evidence is not None
    return next(a.cost for a in record.spec.evidence.arms if a.name == arm)


def _pooled(rows: Sequence[Row]) -> Row:
    return {
        "arm": rows[0]["arm"],
        "gain vs all-separate": _spread([r["gain_vs_separate"] for r in rows]),
        "gain vs all-shared": _spread([r["gain_vs_shared"] for r in rows]),
        "worst task's gain": _percent(statistics.mean(r["worst_task_gain"] for r in rows)),
        "parameters": f"{statistics.mean(r['params_ratio'] for r in rows):.2f}",
        "MACs": f"{statistics.mean(r['macs_ratio'] for r in rows):.2f}",
        "jobs": len(rows),
    }


def _spread(values: Sequence[float]) -> str:
    mean = statistics.mean(values)
    if len(values) < 2 or not any(values):
        return _percent(mean)
    margin = float(stats.t.ppf(0.95, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return Interval(mean=mean, low=mean - margin, high=mean + margin).percent()


def _shown(row: Row) -> Row:
    low, high = row["ci90"]
    return {
        "seed": row["seed"],
        "arm": row["arm"],
        "gain vs all-separate": Interval(mean=row["gain_vs_separate"], low=low, high=high).percent(),
        "gain vs all-shared": _percent(row["gain_vs_shared"]),
        "worst task": f"{row['worst_task']} {_percent(row['worst_task_gain'])}",
        "MACs": f"{row['macs_ratio']:.2f}",
        "verdict": row["verdict"].replace("_", " "),
        "seconds": f"{row['seconds']:.0f}" if row["seconds"] else "",
    }


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"
