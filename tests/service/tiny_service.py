"""Jobs that take a second or two, and what to wait for them with."""

import time
from pathlib import Path
from typing import Any

from taskgroup.pipeline.config import Config, parse_config
from taskgroup.service.model import TERMINAL, Event, Job, JobState
from taskgroup.service.store import JobStore

TINY: dict[str, Any] = {
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 4, "depth": 2},
    "train": {"steps": 6, "batch_size": 4, "n_checks": 2},
    "measure": {"seeds": 1, "every": 3},
    "propose": {"draws": 4, "resampled_trees": 1},
    "search": {"trials": 4, "adapters": {"sizes": [0, 2]}},
    "confirm": {"seeds": 2, "finalists": 1, "shortlist": 0},
    "export": {"formats": ["json"]},
}
ENDLESS = {"steps": 20_000_000}
"""Of a training: more than any test waits for."""


def tiny_config(name: str = "tiny", **sections: Any) -> Config:
    """A whole job; ``sections`` change entries of sections, or whole ones."""
    merged = {k: {**TINY.get(k, {}), **v} if isinstance(v, dict) else v for k, v in sections.items()}
    return parse_config({**TINY, "name": name, **merged}, name, Path())


def wait_for(store: JobStore, name: str, *states: JobState, timeout_s: float = 240.0) -> Job:
    """The job when it has come to one of ``states``; fails where it came to another end."""
    end = time.monotonic() + timeout_s
    while (job := store.get(name)).state not in states:
        assert job.state not in TERMINAL, (job.state, job.message)
        assert time.monotonic() < end, f"waited too long for {states}: {[e.text for e in store.events(name)]}"
        time.sleep(0.05)
    return job


def texts(store: JobStore, name: str, *kinds: str) -> list[str]:
    return [event.text for event in store.events(name) if not kinds or event.kind in kinds]


def of_kind(store: JobStore, name: str, kind: str) -> list[Event]:
    return [event for event in store.events(name) if event.kind == kind]
