"""``bench lookahead``: what looking ahead costs beside the training itself, and how faithful each way is."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from taskgroup.bench.engines import published, separate_heads_step, torchjd_gram
from taskgroup.bench.frame import Row
from taskgroup.bench.memory import peak_growth
from taskgroup.bench.sets import read_set
from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.averaging import average
from taskgroup.core.reliability import centred_rank_agreement, split_half
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions
from taskgroup.groupers.hierarchical import Hierarchical
from taskgroup.measures.training.lookahead import GUARD_EVERY, Lookahead
from taskgroup.measures.training.sampling import Sampling
from taskgroup.measures.training.schedule import look_cost, looks_every, overhead_for
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.progress import Progress
from taskgroup.problems.planted import planted
from taskgroup.problems.problem import TRAIN, VAL, Problem
from taskgroup.training.data import Rows, batches
from taskgroup.training.loop import total_loss, train

MODELS = ("mlp", "conv", "transformer")
COUNTS = (5, 12, 27, 159, 617)
BATCH, LR = 64, 2e-3
MIN_LOOKS, N_STEPS = 40, 1500
TIMED_SOURCES = 27
"""The published way is timed on so many sources at most; it takes as long for each."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One way to look.

    Attributes:
        name: In the tables.
        measure: What looks; None for the two engines we compare with.
        cadences: Steps from one look to the next, for each row of the table; 0 is our own schedule, of 1,500 steps.
        plain_mean: Whether looks are averaged plainly, as published, instead of trimmed.
    """

    name: str
    measure: Lookahead | None
    cadences: tuple[int, ...]
    plain_mean: bool = False


PUBLISHED = Way("naive", Lookahead(mode="exact", step_size="lr"), (10,), plain_mean=True)
TORCHJD = Way("torchjd", None, (10,))
OURS = (
    Way("exact", Lookahead(mode="exact"), (1, 10)),
    Way("first_order", Lookahead(mode="first_order"), (1, 4, 10)),
    Way("sampled", Lookahead(mode="sampled", draws=1), (2, 10)),
    Way("halves", Lookahead(mode="first_order", on="halves"), (10,)),
    Way("auto", Lookahead(), (0,)),
)
WAYS = (PUBLISHED, TORCHJD, *OURS)


class LookaheadBench:
    """One cell per trunk and number of tasks."""

    about = """
What a look costs, how far it can be trusted, and what it needs, on one CPU thread.

- `step_ratio`: time of one look over the time of one plain training step (medians of interleaved runs).
- `phase_ratio`: the whole phase over the same training without looks, `1 + step_ratio / every`.
- `fidelity`: rank correlation, per-target centred, of the averaged matrix with the exact one averaged over *all* steps
  (10 % trimmed mean), over that matrix's own split-half reliability. Above 1 is possible: the estimate saw the same
  steps as the reference. Empty where the reference would take hours. On trunks other than the MLP `auto` is held
  against the reference by its first-order looks.
- `ari`: agreement of the groupings (average linkage, cut into 2 to 6 groups; mean) with those from the reference;
  `ari_of_halves` that of the two halves of the reference itself, which is what can be asked for.
- `memory_ratio`: growth of the resident memory in one step with a look over that in a plain step.

Ways: `naive` is the published algorithm (one backward, one step and one forward per task, heads one by one, step the
learning rate, plain mean over steps); above 27 tasks it was timed on 27 sources and scaled up. `torchjd` is its Gram
engine, first order. `exact`, `first_order`, `sampled` (random signs, one draw), `halves` (first order across halves of
the batch) and `auto` are the modes of the `lookahead` measure, `auto` at its own cadence. Data: the MLP has real sets
(tox21 with 5 and 12 tasks, sider, bibtex) and 617 planted tasks, the others planted images and sequences.
"""

    def cells(self, quick: bool) -> Sequence[str]:
        """``MODEL-TASKS``; only two small ones when quick."""
        if quick:
            return ("mlp-5", "conv-5")
        return [f"{model}-{count}" for model in MODELS for count in COUNTS]

    def run(self, cell: str, *, quick: bool, workers: int, folder: Path, data: Path, progress: Progress) -> list[Row]:
        """Rows of one trunk and number of tasks."""
        model, count = cell.split("-")
        problem = _problem(model, int(count), data, quick=quick)
        torch.set_num_threads(1)
        trusted = _kept(
            folder / "fidelity.json", lambda: _fidelities(problem, _n_steps(model, int(count), quick=quick))
        )
        memory = {way.name: _memory(problem, way) for way in WAYS}
        costs = _costs(problem, reps={159: 3, 617: 1}.get(int(count), 3 if quick else 15))
        return [
            _row(model, problem, way, every, costs, memory, trusted)
            for way in WAYS
            for every in _cadences(problem, way)
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


def _problem(model: str, count: int, data: Path, *, quick: bool) -> Problem:
    if model == "mlp" and count < 617 and not (quick and not data.exists()):
        name = {5: "tox21", 12: "tox21", 27: "sider", 159: "bibtex"}[count]
        found = read_set(name, data, {"name": "mlp", "width": 64, "depth": 2})
        return read_set(name, data, {"name": "mlp", "width": 64, "depth": 2}, tasks=found.tasks.names[:count])
    groups = {5: [3, 2], 12: [4, 4, 4], 27: [9, 9, 9]}.get(count) or [-(-count // 8)] * 7 + [count - 7 * -(-count // 8)]
    inputs = {"mlp": "vector", "conv": "image", "transformer": "sequence"}[model]
    trunk = {
        "mlp": {"name": "mlp", "width": 64, "depth": 2},
        "conv": {"name": "conv", "width": 16, "depth": 3},
        "transformer": {"name": "transformer", "width": 32, "depth": 2},
    }[model]
    return planted(
        groups=groups, relation="conflicting" if len(groups) <= 4 else "orthogonal", inputs=inputs, n_inputs=64,
        n_rows=3000, kinds=["binary"], trunk=trunk, length=16, width=8,
    )  # fmt: skip


def _n_steps(model: str, count: int, *, quick: bool) -> int:
    """Length of the training whose every step is looked at; 0 where that would take hours."""
    if quick:
        return 40
    if model == "mlp":
        return {27: 600, 159: 300, 617: 100}.get(count, N_STEPS)
    return {5: 250, 12: 150, 27: 80}.get(count, 0)


def _network(problem: Problem) -> SharedNetwork:
    topology = Topology.shared(problem.tasks.names, problem.trunk.names)
    example = _rows(problem).inputs[:2]
    shapes = problem.trunk.shapes(example)
    return SharedNetwork(problem.tasks, Architecture(topology=topology), problem.trunk, shapes, 0)


def _rows(problem: Problem, split: int = TRAIN) -> Rows:
    chosen = problem.split == split
    return Rows.of(problem.inputs[chosen], problem.labels[chosen])


def _work(problem: Problem) -> tuple[Callable[[], object], dict[str, Callable[[], object]]]:
    """A plain training step, and one look of each way, on one batch."""
    network, batch = _network(problem), next(batches(_rows(problem), BATCH, 1, 0))
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        total_loss(network, problem.tasks, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def looking(measure: Lookahead) -> Callable[[], object]:
        sampling = Sampling(network, problem.tasks, measure, 1, others={"val": batch})
        at_once = range(_at_once(measure))

        def look() -> None:
            for _ in at_once:
                sampling.before_step(len(sampling.samples), batch, LR)

        return look

    sources = range(min(len(problem.tasks), TIMED_SOURCES))
    looks: dict[str, Callable[[], object]] = {
        "separate heads": partial(separate_heads_step, network, batch, optimizer),
        "naive": partial(published, network, batch, LR, sources),
        "torchjd": torchjd_gram(network, problem.tasks, batch),
    }
    return step, {**looks, **{way.name: looking(way.measure) for way in OURS if way.measure is not None}}


def _costs(problem: Problem, reps: int) -> dict[str, float]:
    """Look over step, medians of interleaved runs after one to warm up."""
    step, looks = _work(problem)
    seconds: dict[str, list[float]] = {name: [] for name in ("step", *looks)}
    for _ in range(reps + 1):
        for name, work in (("step", step), *looks.items()):
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    scales = {way.name: 1 / _at_once(way.measure) for way in OURS}
    scales["naive"] = len(problem.tasks) / min(len(problem.tasks), TIMED_SOURCES)
    return {name: found / median["step"] * scales.get(name, 1.0) for name, found in median.items()}


def _at_once(measure: Lookahead | None) -> int:
    """Looks that are timed together: ``auto`` checks its guard in one of so many."""
    return GUARD_EVERY if measure is not None and measure.mode == "auto" else 1


def _memory(problem: Problem, way: Way) -> float | None:
    """Peak growth of a step with a look over that of a step."""

    def with_look() -> None:
        step, looks = _work(problem)
        step()
        looks[way.name]()

    alone, both = peak_growth(lambda: _work(problem)[0]()), peak_growth(with_look)
    return both / alone if alone and both else None


def _samples(problem: Problem, n_steps: int) -> dict[str, Array]:
    """Looks of one training by way, as often as its densest cadence asks: ``(n_looks, T, T)``, the trunk's slice."""
    if not n_steps:
        return {}
    network, rows = _network(problem), _rows(problem)
    tower = network.tower()
    assert tower is not None
    everything = tower.plain and len(problem.tasks) <= 27
    ways = [way for way in (PUBLISHED, *OURS) if everything or way.name in ("exact", "first_order")]
    looking = [
        Sampling(network, problem.tasks, way.measure, min(_cadences(problem, way)))
        for way in ways
        if way.measure is not None
    ]
    options = TrainOptions(steps=n_steps, batch_size=BATCH, lr=LR, n_checks=1)
    with torch.random.fork_rng(devices=[]):
        train(network, problem.tasks, rows, _rows(problem, VAL), options, 0, looking)
    found = {way.name: np.stack([s[-1] for s in at.samples]) for way, at in zip(ways, looking, strict=True)}
    every = min(_cadences(problem, OURS[-1]))
    return {**found, "auto": found.get("auto", found["first_order"][::every]), "torchjd": found["first_order"]}


def _fidelities(problem: Problem, n_steps: int) -> dict[str, Any]:
    """For every way and cadence how far its matrix agrees with the exact one over all steps; empty without steps."""
    samples = _samples(problem, n_steps)
    if not samples:
        return {}
    matrix = average(samples["exact"])
    reliability = float(split_half([samples["exact"][:, None]])[0])
    blocks = np.array_split(samples["exact"], 8)
    halves = [average(np.concatenate(blocks[side::2])) for side in (0, 1)]
    found: dict[str, Any] = {
        "n_steps": n_steps,
        "reliability": reliability,
        "ari_of_halves": _same_grouping(*halves),
    }
    for way in WAYS:
        densest = min(_cadences(problem, way))
        for every in _cadences(problem, way) if way.name in samples else ():
            step = every if way.name == "torchjd" else every // densest
            mine = average(samples[way.name][::step], "mean" if way.plain_mean else "trimmed")
            found[f"{way.name} {every}"] = {
                "fidelity": centred_rank_agreement(mine, matrix) / reliability,
                "ari": _same_grouping(matrix, mine),
            }
    return found


def _cadences(problem: Problem, way: Way) -> tuple[int, ...]:
    """Steps between looks; that of ``auto`` is what a training of 1,500 steps would get."""
    if any(way.cadences):
        return way.cadences
    count = len(problem.tasks)
    cost = look_cost(Lookahead(), _network(problem).tower(), count)
    return (looks_every(cost, N_STEPS, overhead_for(count), MIN_LOOKS),)


def _kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` gives, kept in a file for the next time."""
    if not path.exists():
        write_text(path, json.dumps(work()))
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _same_grouping(one: Array, other: Array) -> float:
    """Adjusted Rand index of the average-linkage cuts of two matrices, mean over 2 to 6 groups."""
    found = [adjusted_rand_score(a, b) for a, b in zip(_cuts(one), _cuts(other), strict=True)]
    return float(np.mean(found))


def _cuts(matrix: Array) -> list[list[int]]:
    """Groupings into 2, 3, … groups, as a label for each task."""
    names = tuple(f"t{k}" for k in range(len(matrix)))
    counts = np.ones((1, *matrix.shape), dtype=np.int64)
    affinity = Affinity(names, (TRUNK,), matrix[None], np.zeros((1, *matrix.shape)), counts)
    cuts = []
    for proposal in Hierarchical(max_groups=min(len(names) - 1, 6))(affinity).proposals:
        where = {task: g for g, group in enumerate(proposal.grouping.groups) for task in group}
        cuts.append([where[name] for name in names])
    return cuts


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
