"""Small tables of groups as files."""

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np


def all_groups(n_tasks: int) -> list[tuple[int, ...]]:
    return [group for size in range(1, n_tasks + 1) for group in combinations(range(n_tasks), size)]


def write_table(
    folder: Path,
    name: str,
    n_tasks: int,
    groups: Sequence[tuple[int, ...]],
    score: Callable[[tuple[int, ...], int], float],
    **more: Any,
) -> Path:
    """A table ``folder/name.json`` in which ``score(group, task)`` is what the task reaches."""
    tasks = [f"t{k}" for k in range(n_tasks)]
    subsets = [{"tasks": [tasks[t] for t in g], "scores": {tasks[t]: score(g, t) for t in g}} for g in groups]
    data: dict[str, Any] = {"name": name, "tasks": tasks, "metric": {"name": "loss", "higher_is_better": False}}
    path = folder / f"{name}.json"
    path.write_text(
        json.dumps(data | {"split": "val", "exhaustive": True, "subsets": subsets} | more), encoding="utf-8"
    )
    return path


def noisy(n_tasks: int, seed: int, sign: float = 1.0) -> Callable[[tuple[int, ...], int], float]:
    """Errors with partners that help and partners that do not; with sign -1 scores of which higher is better."""
    rng = np.random.default_rng(seed)
    effect, base = rng.normal(0, 0.1, (n_tasks, n_tasks)), rng.uniform(0.5, 1.0, n_tasks)

    def score(group: tuple[int, ...], task: int) -> float:
        others = [t for t in group if t != task]
        error = float(base[task] + effect[others, task].sum() + 0.02 * len(others) ** 2)
        return error if sign > 0 else 3.0 - error

    return score
