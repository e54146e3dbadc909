"""The jobs that the benchmark submits: nothing to learn from, but real in every step."""

from pathlib import Path
from typing import Any

from taskgroup.pipeline.config import Config, parse_config

SPACE: dict[str, Any] = {
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 8, "depth": 3},
    "train": {"steps": 20, "batch_size": 8, "n_checks": 2},
    "measure": {"seeds": 1, "every": 4},
    "propose": {"draws": 4, "resampled_trees": 1},
    "confirm": {"seeds": 2, "finalists": 1, "shortlist": 0},
    "export": {"formats": ["json"]},
}
STEPS_A_SECOND = 400
"""Steps of a search trial that take a core about a second (from 0.6 to 2 s, more where tasks share less)."""


def job(name: str, *, trials: int, seconds: float) -> Config:
    """A job whose search trials take about so many seconds of one core each, and are never pruned.

    Args:
        name: Of the job.
        trials: Of its search.
        seconds: For a trial of the search; those of other steps take a few hundredths.
    """
    steps = max(1, round(seconds * STEPS_A_SECOND))
    search = {"trials": trials, "steps": steps, "prune": False, "fork": "off", "adapters": {"sizes": [0, 2]}}
    return parse_config({**SPACE, "name": name, "search": search}, name, Path())
