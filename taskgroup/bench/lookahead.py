"""``bench lookahead``: what looking ahead costs beside the training itself, and how faithful each way is."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from taskgroup.bench.fidelity import fidelities, steps_of
from taskgroup.bench.frame import Places, Row
from taskgroup.bench.ways import WAYS, Way, cadences, costs_of, memory_of, problem_of
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.progress import Progress
from taskgroup.problems.problem import Problem

MODELS = ("mlp", "conv", "transformer")
COUNTS = (5, 12, 27, 159, 617)


class LookaheadBench:
    """One cell per trunk and number of tasks."""

    about = """
What a look costs, how far it can be trusted, and what it needs, on one CPU thread.

- `step_ratio`: time of one look over the time of one plain training step (medians of interleaved runs).
- `phase_ratio`: the whole phase over the same training without looks, `1 + step_ratio / every`.
- `fidelity`: rank correlation, per-target centred, of the averaged matrix with the exact one averaged over *all* steps
  (10 % trimmed mean), over that matrix's own split-half reliability. Above 1 is possible: the estimate saw the same
  steps as the reference. Where a cadence leaves a choice it is the mean over up to five offsets. Empty where the
  reference would take hours.
- `ari`: agreement of the groupings (average linkage, cut into 2 to 6 groups; mean) with those from the reference;
  `ari_of_halves` that of the two halves of the reference itself, which is what can be asked for.
- `memory_ratio`: growth of the resident memory in one step with a look over that in a plain step.

Ways: `naive` is the published algorithm (one backward, one step and one forward per task, heads one by one, step the
learning rate, plain mean over steps); above 27 tasks it was timed on 27 sources and scaled up. `torchjd` is its Gram
engine, first order. `exact`, `first_order`, `sampled` (random signs, one draw), `halves` (first order across halves of
the batch) and `auto` are the modes of the `lookahead` measure, `auto` at its own cadence. Data: the MLP has real sets
(tox21 with 5 and 12 tasks, sider, bibtex) and 617 planted tasks, the others planted images and sequences. References
span 1,500 steps up to 12 tasks on the MLP, then 600, 240 and 80; on the other trunks 60 to 150, in which `auto` looks
two to six times: its fidelity there is that of so few looks.

What bounds it: without a closed form every task takes a backward (about half a step) and, if exact, a forward (about a
quarter), so exact lookahead on conv and transformer cannot be much cheaper than the published way, which does the same
and loses only what heads and losses one by one cost, little up to 27 tasks.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """``MODEL-TASKS``; only two small ones when quick."""
        if quick:
            return ("mlp-5", "conv-5")
        return [f"{model}-{count}" for model in MODELS for count in COUNTS]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one trunk and number of tasks."""
        model, count = cell.split("-")
        problem = problem_of(model, int(count), places.data, quick=quick)
        torch.set_num_threads(1)
        trusted = _kept(folder / "fidelity.json", lambda: fidelities(problem, steps_of(model, int(count), quick=quick)))
        memory = {way.name: memory_of(problem, way) for way in WAYS}
        costs = costs_of(problem, reps={159: 3, 617: 1}.get(int(count), 3 if quick else 15))
        return [
            _row(model, problem, way, every, costs, memory, trusted) for way in WAYS for every in cadences(problem, way)
        ]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """A table per trunk and number of tasks, and what stands against the goals."""
        found = {"Exact against the published way": _speedups(rows)}
        for model in MODELS:
            for count in COUNTS:
                mine = [_shown(r) for r in rows if (r["model"], r["n_tasks"]) == (model, count)]
                if mine:
                    found[f"{model}, {count} tasks"] = mine
        return found


def _kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` gives, kept in a file for the next time."""
    if not path.exists():
        write_text(path, json.dumps(work()))
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _row(
    model: str,
    problem: Problem,
    way: Way,
    every: int,
    costs: Mapping[str, float],
    memory: Mapping[str, float | None],
    trusted: Mapping[str, Any],
) -> Row:
    found = trusted.get(f"{way.name} {every}", {})
    return {
        "model": model,
        "n_tasks": len(problem.tasks),
        "data": problem.name,
        "mode": way.name,
        "every": every,
        "step_ratio": costs[way.name],
        "separate_heads_ratio": costs["separate heads"],
        "phase_ratio": 1 + costs[way.name] / every,
        "fidelity": found.get("fidelity"),
        "ari": found.get("ari"),
        "reliability": trusted.get("reliability"),
        "ari_of_halves": trusted.get("ari_of_halves"),
        "n_steps": trusted.get("n_steps"),
        "memory_ratio": memory[way.name],
    }


def _speedups(rows: Sequence[Row]) -> list[Row]:
    by = {(r["model"], r["n_tasks"], r["mode"]): r["step_ratio"] for r in rows}
    by |= {(r["model"], r["n_tasks"], "heads"): r["separate_heads_ratio"] for r in rows}
    return [
        {
            "trunk": model,
            "tasks": count,
            "published (steps)": f"{by[model, count, 'naive']:.1f}",
            "exact (steps)": f"{by[model, count, 'exact']:.1f}",
            "times cheaper": f"{by[model, count, 'naive'] / by[model, count, 'exact']:.1f}",
            "first order (steps)": f"{by[model, count, 'first_order']:.1f}",
            "torchjd (steps)": f"{by[model, count, 'torchjd']:.1f}",
            "step with heads one by one (steps)": f"{by[model, count, 'heads']:.1f}",
        }
        for model in MODELS
        for count in COUNTS
        if (model, count, "exact") in by
    ]


def _shown(row: Row) -> Row:
    def number(key: str) -> str:
        return "" if row[key] is None else f"{row[key]:.2f}"

    kept = ("step_ratio", "phase_ratio", "fidelity", "ari", "ari_of_halves", "reliability", "memory_ratio")
    return {"mode": row["mode"], "every": row["every"], **{key: number(key) for key in kept}, "data": row["data"]}
