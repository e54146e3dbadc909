"""``bench search``: planted worlds for the surrogate, the cost of choosing, and several seeds trained at once."""

import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from taskgroup.active.companions.surrogate import Companions
from taskgroup.bench.frame import Places, Row
from taskgroup.bench.searching.planted import KINDS, World, drawn, moves, random_tree
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Check, TrainOptions, TrialResult
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.pipeline.progress import Progress
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.budget import Budget
from taskgroup.search.limits import Limits
from taskgroup.search.planner import Planner
from taskgroup.search.space import Space
from taskgroup.search.storage import open_storage
from taskgroup.search.study import Asked, Search
from taskgroup.training.data import Rows
from taskgroup.training.loop import train
from taskgroup.training.together import train_together

N_WORLDS, N_TRIALS, N_FIRST = 10, (10, 20, 40), 10
WAYS = ("surrogate", "random", "hill climb")
SIZES = ((4, 3), (8, 5), (16, 5), (27, 3))
"""Tasks and stages of the searches whose choosing is timed."""
CHECKS = (10, 20, 30, 40)
NETWORKS = ((2, 64), (8, 64), (8, 128), (32, 64))
"""Tasks and width of the networks whose seeds are trained at once."""
TOGETHER, STEPS, ROUNDS = 5, 40, 5


class SearchBench:
    """One cell for each kind of world, one for choosing, one for seeds at once."""

    about = """
The parts of the search, each by itself.

- Planted worlds: eight tasks, four stages, true gains of all topologies known, noise of 5 % of the error for a task in
  one training, an affinity that correlates 0.5 with what pairs do. All ways begin with the same ten trials; then each
  tries one topology at a time. Regret is the gain of the best topology there is less that of the best tried so far, in
  points, mean over the worlds. The last columns are the regrets of the one whose own trial was best, and of the one
  that the surrogate *predicts* to be best among those it tried.
- Choosing: 200 made-up trials that take no time, so that what is left is asking, telling and keeping the study (in
  SQLite); surrogate, neighbours of the best and TPE take turns. `shortest trial` is the length of a training from which
  choosing takes less than 5 % of it.
- Seeds at once: five seeds of one network in a batched one (`torch.func`), against one after the other, interleaved;
  median of the ratio and its range over the rounds.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """Kinds of worlds, then the two timings."""
        return [*(f"planted {kind}" for kind in (KINDS[:1] if quick else KINDS)), "choosing", "seeds at once"]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one cell."""
        torch.set_num_threads(1)
        if cell == "choosing":
            _choosing(*SIZES[0], n_trials=10)  # what is loaded at first use is no cost of choosing
            return [_choosing(*size, n_trials=20 if quick else 200) for size in (SIZES[:1] if quick else SIZES)]
        if cell == "seeds at once":
            return [_together(*network, rounds=1 if quick else ROUNDS) for network in NETWORKS[: 1 if quick else None]]
        return _planted(cell.removeprefix("planted "), 1 if quick else N_WORLDS, 12 if quick else max(N_TRIALS))

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """One for each part."""
        parts = {"Planted worlds": "world", "Choosing": "ms a trial", "Seeds at once": "speed-up"}
        found = {title: [row for row in rows if key in row] for title, key in parts.items()}
        return {title: table for title, table in found.items() if table}


def _planted(kind: str, n_worlds: int, n_trials: int) -> list[Row]:
    worlds = [World.of(kind, seed) for seed in range(n_worlds)]
    best = np.array([world.best() for world in worlds])
    rows: list[Row] = []
    for way in WAYS:
        tried = [_tried(world, way, n_trials) for world in worlds]
        row: Row = {"world": kind, "next by": way, "worlds": n_worlds}
        for n in [n for n in N_TRIALS if n <= n_trials]:
            gains = [max(map(world.gain, found[:n])) for world, (found, _) in zip(worlds, tried, strict=True)]
            row[f"regret after {n}"] = f"{100 * (best - gains).mean():.2f}"
        by_trial = [world.gain(_leader(world, found)) for world, (found, _) in zip(worlds, tried, strict=True)]
        predicted = [world.gain(t) for world, (_, t) in zip(worlds, tried, strict=True) if t is not None]
        row["chosen by its trial"] = f"{100 * (best - by_trial).mean():.2f}"
        row["chosen by prediction"] = f"{100 * (best - predicted).mean():.2f}" if predicted else ""
        rows.append(row)
    return rows


def _tried(world: World, way: str, n_trials: int) -> tuple[list[Topology], Topology | None]:
    """Topologies in the order of trying, and which of them the surrogate predicts to be best."""
    reference = dict.fromkeys(world.tasks, 1.0)
    taught = Companions(world.tasks, world.stages, world.affinity(), seed=0)
    rng = np.random.default_rng([world.seed, 7])
    found: list[Topology] = []

    def try_out(topology: Topology) -> None:
        found.append(topology)
        if way == "surrogate":
            taught.tell(topology, world.errors(topology), reference)

    for topology in _opening(world):
        try_out(topology)
    while len(found) < n_trials:
        if way == "surrogate":
            following = taught.propose(1)[0][0]
        elif way == "random":
            following = drawn(world.tasks, world.stages, rng)
        else:
            nearby = [*moves(_leader(world, found))]
            following = nearby[rng.integers(len(nearby))]
        if following not in found:
            try_out(following)
    return found, max(found, key=lambda t: taught.predict(t)[0]) if way == "surrogate" else None


def _leader(world: World, found: Sequence[Topology]) -> Topology:
    """Whose own trial was best."""
    return min(found, key=lambda topology: sum(world.errors(topology).values()))


def _opening(world: World) -> list[Topology]:
    """Both baselines, clusters of the affinity and all tasks apart, branching at several stages."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    similarity = world.affinity().similarity()
    distance = similarity.max() - similarity
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), "average")
    n_stages = len(world.stages)
    depths = sorted(range(n_stages), key=lambda s: (abs(2 * s - n_stages), s))
    cuts = [Grouping(tasks=world.tasks, labels=tuple(fcluster(tree, k, "maxclust").tolist())) for k in (2, 3, 4)]
    grouped = [Topology.branched(cut, world.stages, s) for s in depths for cut in cuts]
    apart = [Topology.branched(Grouping.apart(world.tasks), world.stages, s) for s in depths if s > 0]
    mixed = [t for pair in itertools.zip_longest(grouped, apart) for t in pair if t is not None]
    baselines = [make(world.tasks, world.stages) for make in (Topology.separate, Topology.shared)]
    return list(dict.fromkeys([*baselines, *mixed]))[:N_FIRST]


def _choosing(n_tasks: int, n_stages: int, n_trials: int) -> Row:
    """Wall time of asking, telling and listing, over a search whose trainings take none."""
    tasks, stages = tuple(f"t{k}" for k in range(n_tasks)), tuple(f"s{k}" for k in range(n_stages))
    space = Space(
        tuple(random_tree(tasks, seed) for seed in range(10)),
        stages,
        AdapterChoice(stages[1:], (0, 4, 16)),
        head_sizes=(0, 32),
        lr_scales=(0.5, 2.0, 4.0),
    )
    planner = Planner(space, (), None, lambda candidate: _cost(candidate.architecture).macs_ratio)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = Search(
            open_storage(None, Path(folder)),
            "choosing",
            space,
            (),
            cost=_cost,
            limits=Limits(),
            budget=Budget(n_trials=n_trials),
            seed=0,
            prune=False,
            proposer=planner,
            propose_every=1,
        )
        made = 0.0
        while (asked := study.ask(0)) is not None:
            before = time.perf_counter()
            result = _made_up(asked)
            made += time.perf_counter() - before
            study.tell(asked.number, result)
        seconds = time.perf_counter() - started - made
    each = seconds / n_trials
    return {
        "tasks": n_tasks,
        "stages": n_stages,
        "trials": n_trials,
        "ms a trial": f"{1000 * each:.0f}",
        "shortest trial": f"{each / 0.05:.1f} s",
    }


def _cost(architecture: Architecture) -> Cost:
    """A copy of a stage costs 100, adapters their size."""
    topology = architecture.topology
    stages = range(len(topology.stages))
    n = sum(100 * len(topology.groups(s)) for s in stages) + sum(a.size for a in architecture.adapters)
    return Cost(params=n, macs=n, params_ratio=n / len(stages) / 100, macs_ratio=n / len(stages) / 100)


def _made_up(asked: Asked) -> TrialResult:
    """Errors that follow from the candidate alone."""
    seen = hashlib.sha256(Candidate.model_validate(asked.candidate).fingerprint.encode()).digest()
    tasks = asked.architecture.topology.tasks
    errors = {task: 0.1 + seen[k % len(seen)] / 1000 for k, task in enumerate(tasks)}
    history = [Check(step=step, errors=errors) for step in CHECKS]
    return TrialResult(key="k", state="complete", errors=errors, history=tuple(history), seconds=1.0)


def _together(n_tasks: int, width: int, rounds: int) -> Row:
    """Seeds of a branched perceptron, one after the other and at once."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(512, 30)).astype(np.float32), rng.integers(0, 2, (512, n_tasks)).astype(float)
    rows = Rows.of(inputs, labels)
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="binary") for k in range(n_tasks)))
    trunk = MLP(width=width, depth=3).build(rows.inputs)
    grouping = Grouping(tasks=tasks.names, labels=tuple(k % max(2, n_tasks // 4) for k in range(n_tasks)))
    architecture = Architecture(topology=Topology.branched(grouping, trunk.names, 1))
    sites, seeds = sites_of(trunk, rows.inputs[:2]), list(range(TOGETHER))
    options, check = TrainOptions(steps=STEPS, n_checks=1), rows.pick(torch.arange(64))

    def networks() -> list[SharedNetwork]:
        return [SharedNetwork(tasks, architecture, trunk, sites, seed) for seed in seeds]

    alone, together = [], []
    for _ in range(1 + rounds):  # the first, in which much is loaded, does not count
        one, other = networks(), networks()
        times = [time.perf_counter()]
        for network, seed in zip(one, seeds, strict=True):
            train(network, tasks, rows, check, options, seed)
        times.append(time.perf_counter())
        train_together(other, tasks, [(rows, check)] * TOGETHER, options, seeds)
        times.append(time.perf_counter())
        alone.append(times[1] - times[0])
        together.append(times[2] - times[1])
    alone, together = alone[1:], together[1:]
    ratios = [a / b for a, b in zip(alone, together, strict=True)]
    return {
        "tasks": n_tasks,
        "width": width,
        "seeds": TOGETHER,
        "ms a step, one after the other": f"{1000 * statistics.median(alone) / STEPS:.1f}",
        "ms a step, at once": f"{1000 * statistics.median(together) / STEPS:.1f}",
        "speed-up": f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]",
    }
