"""``bench confirm``: coverage, false claims and power of confirmation, on errors whose true gains are planted."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from taskgroup.bench.confirming.planted import Array, Noise, Outcome, confirmed, plant, true_gains
from taskgroup.bench.frame import Places, Row
from taskgroup.pipeline.progress import Progress
from taskgroup.search.statistics import gain_interval

SEEDS, TASKS = (3, 5, 10), (3, 8, 30)
LUCK = {"of networks and runs": Noise(), "mostly of networks": Noise(network=0.08, run=0.02), "heavy": Noise(run=0.3)}
COSTS = (1.0, 4.0, 2.5, 1.5, 1.2)
"""Of all-shared, all-separate and three plans."""
ADVANTAGES = (0.05, 0.1, 0.2)
OVER: tuple[Literal["seeds", "tasks"], ...] = ("seeds", "tasks")
N_RUNS, N_QUICK = 1000, 60


class ConfirmBench:
    """One cell per question; nothing is trained."""

    parallel = True
    about = """
Confirmation on planted errors, whose true gains are known: lognormal luck of batches (common to all arms of a seed),
networks and runs, carried over from validation to test split. 90 % intervals, three to ten seeds.

- Coverage: how often the interval of a gain holds the true one, for *these tasks* (what plans report) and for *tasks
  like these* (`over="tasks"`).
- No difference: five arms with the same true gain. How often the verdict says that a plan beats all-shared.
- A true advantage: all-shared 10 % worse than all-separate, the best of three plans better by the advantage. How often
  the verdict says that a plan beats all-shared, and that it is better than both baselines.
- The best of eight equals: gains of the chosen arm against all-separate as measured, and after what having been chosen
  adds was taken off, less the true one, in points of gain.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """The four questions."""
        return ["coverage", "no-difference", "advantage", "best-of-many"]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one question."""
        n_runs = N_QUICK if quick else N_RUNS
        questions = {"coverage": _coverage, "no-difference": _null, "advantage": _power, "best-of-many": _many}
        return [{"cell": cell, "n_runs": n_runs, **row} for row in questions[cell](n_runs)]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """One table for each question."""
        heads = {
            "coverage": "Coverage of 90 % intervals",
            "no-difference": "No difference",
            "advantage": "A true advantage",
            "best-of-many": "The best of eight equals",
        }
        return {
            title: [{key: value for key, value in row.items() if key != "cell"} for row in rows if row["cell"] == cell]
            for cell, title in heads.items()
            if any(row["cell"] == cell for row in rows)
        }


def _coverage(n_runs: int) -> list[Row]:
    found: list[Row] = []
    for over in OVER:
        for name, noise in LUCK.items():
            for n_seeds in SEEDS:
                shares = {f"{n} tasks": f"{_covered(over, n_seeds, n, noise, n_runs):.3f}" for n in TASKS}
                kind = "these tasks" if over == "seeds" else "tasks like these"
                found.append({"for": kind, "luck": name, "n_seeds": n_seeds, **shares})
    return found


def _covered(over: Literal["seeds", "tasks"], n_seeds: int, n_tasks: int, noise: Noise, n_runs: int) -> float:
    rng = np.random.default_rng([n_seeds, n_tasks])
    here, held = rng.normal(0.1, 0.1, n_tasks), 0
    for _ in range(n_runs):
        gains = here if over == "seeds" else rng.normal(0.1, 0.1, n_tasks)
        errors, reference = plant(rng, np.stack([gains, np.zeros(n_tasks)]), n_seeds, noise)[0]
        found = gain_interval(errors, reference, over=over, n_draws=400)
        held += found.low <= (here.mean() if over == "seeds" else 0.1) <= found.high
    return held / n_runs


def _flat(*means: float, n_tasks: int) -> Array:
    return np.tile(np.array(means)[:, None], (1, n_tasks))


def _runs(gains: Array, costs: Sequence[float], n_seeds: int, n_runs: int, noise: Noise) -> list[Outcome]:
    rng = np.random.default_rng(n_seeds)
    return [confirmed(rng, gains, costs, n_seeds, noise) for _ in range(n_runs)]


def _null(n_runs: int) -> list[Row]:
    found: list[Row] = []
    for n_seeds in SEEDS:
        claims = {}
        for n_tasks in TASKS:
            runs = _runs(_flat(0, 0, 0, 0, 0, n_tasks=n_tasks), COSTS, n_seeds, n_runs, Noise())
            claims[f"a plan beats all-shared, {n_tasks} tasks"] = _percent(run.beats_shared for run in runs)
        found.append({"n_seeds": n_seeds, **claims})
    return found


def _power(n_runs: int) -> list[Row]:
    found: list[Row] = []
    for gain in ADVANTAGES:
        for n_seeds in SEEDS:
            gains = _flat(-0.1, 0, gain, 0.8 * gain, 0.5 * gain, n_tasks=8)
            runs = _runs(gains, COSTS, n_seeds, n_runs, Noise(carried=0.8))
            both = [run.evidence.verdict.code == "better_than_both" for run in runs]
            found.append(
                {
                    "advantage": f"{gain:.0%}",
                    "n_seeds": n_seeds,
                    "a plan beats all-shared": _percent(run.beats_shared for run in runs),
                    "better than both": _percent(both),
                }
            )
    return found


def _many(n_runs: int) -> list[Row]:
    gains, costs = _flat(-0.3, *[0.0] * 9, n_tasks=6), (1.0, 4.0, *np.linspace(1.3, 3.5, 8))
    truth = true_gains(gains, 1)
    found: list[Row] = []
    for n_seeds in SEEDS:
        runs = _runs(gains, costs, n_seeds, n_runs, Noise())
        kinds = {"as measured": [run.measured[0] for run in runs], "as reported": [run.reported[0] for run in runs]}
        row: Row = {"n_seeds": n_seeds}
        for kind, intervals in kinds.items():
            pairs = [(interval, truth[run.place]) for interval, run in zip(intervals, runs, strict=True)]
            row[f"{kind}, too high by"] = f"{100 * np.mean([i.mean - t for i, t in pairs]):+.2f}"
            row[f"{kind}, coverage"] = f"{np.mean([i.low <= t <= i.high for i, t in pairs]):.3f}"
        found.append(row)
    return found


def _percent(claims: Iterable[bool]) -> str:
    return f"{100 * np.mean([*claims]):.1f} %"
