"""The jobs that the benchmark submits: nothing to learn from, but real in every step."""

import statistics
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from taskgroup.pipeline.config import Config, parse_config
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Silent

SPACE: dict[str, Any] = {
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 8, "depth": 3},
    "train": {"steps": 20, "batch_size": 8, "n_checks": 2},
    "measure": {"seeds": 1, "every": 4},
    "propose": {"draws": 4, "resampled_trees": 1},
    "confirm": {"seeds": 2, "finalists": 1, "shortlist": 0},
    "export": {"formats": ["json"]},
}
STEPS = 400
"""Of the trials that show how fast this machine is."""


def job(name: str, *, trials: int, seconds: float) -> Config:
    """A job whose search trials take about so many seconds of one core each, and are never pruned.

    Args:
        name: Of the job.
        trials: Of its search.
        seconds: For a trial of the search, in the median; those of other steps take a few hundredths.
    """
    return _job(name, trials, max(1, round(seconds * steps_a_second())))


@cache
def steps_a_second() -> float:
    """Steps of a search trial that a core does in a second, measured on this machine once."""
    with TemporaryDirectory() as folder:
        config, out = _job("pace", 8, STEPS), Path(folder) / "job"
        record = run_job(config, out, workers=1, progress=Silent(), base=Path(), inline=True, report=False)
    return STEPS / statistics.median(row.seconds for row in record.trials if row.seconds)


def _job(name: str, trials: int, steps: int) -> Config:
    search = {"trials": trials, "steps": steps, "prune": False, "fork": "off", "adapters": {"sizes": [0, 2]}}
    return parse_config({**SPACE, "name": name, "search": search}, name, Path())
