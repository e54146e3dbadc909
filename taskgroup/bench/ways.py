"""Ways of looking that ``bench lookahead`` compares, the problems it tries them on, and what each costs."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from taskgroup.bench.engines import published, separate_heads_step, torchjd_gram
from taskgroup.bench.memory import peak_growth
from taskgroup.bench.sets import read_set
from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.measures.training.lookahead import GUARD_EVERY, Lookahead
from taskgroup.measures.training.sampling import Sampling
from taskgroup.measures.training.schedule import look_cost, looks_every, overhead_for
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.problems.planted import planted
from taskgroup.problems.problem import TRAIN, Problem
from taskgroup.training.data import Rows, batches
from taskgroup.training.objective import total_loss

BATCH, LR = 64, 2e-3
MIN_LOOKS, N_STEPS = 40, 1500
TIMED_SOURCES = 27
"""The published way is timed on so many sources at most; it takes as long for each."""


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


def problem_of(model: str, count: int, data: Path, *, quick: bool) -> Problem:
    """Data and trunk for so many tasks: public sets for the MLP as far as there are, planted ones else."""
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


def network_of(problem: Problem) -> SharedNetwork:
    """All tasks on one trunk, always with the same weights, the heads' among them."""
    topology = Topology.shared(problem.tasks.names, problem.trunk.names)
    example = rows_of(problem).inputs[:2]
    sites = sites_of(problem.trunk, example)
    network = SharedNetwork(problem.tasks, Architecture(topology=topology), problem.trunk, sites, 0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        for head in network.heads:  # they start at zero, where no gradient would reach a stage
            cast("nn.Linear", head).reset_parameters()
    return network


def rows_of(problem: Problem, split: int = TRAIN) -> Rows:
    """The rows of one split."""
    chosen = problem.split == split
    return Rows.of(problem.inputs[chosen], problem.labels[chosen])


def cadences(problem: Problem, way: Way) -> tuple[int, ...]:
    """Steps between looks; that of ``auto`` is what a training of 1,500 steps would get."""
    if any(way.cadences):
        return way.cadences
    count = len(problem.tasks)
    cost = look_cost(Lookahead(), network_of(problem).tower(), count)
    return (looks_every(cost, N_STEPS, overhead_for(count), MIN_LOOKS),)


def work_of(problem: Problem) -> tuple[Callable[[], object], dict[str, Callable[[], object]]]:
    """A plain training step, and one look of each way, on one batch."""
    network, batch = network_of(problem), next(batches(rows_of(problem), BATCH, 1, 0))
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


def costs_of(problem: Problem, reps: int) -> dict[str, float]:
    """Look over step, medians of interleaved runs after one to warm up."""
    step, looks = work_of(problem)
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


def memory_of(problem: Problem, way: Way) -> float | None:
    """Peak growth of a step with a look over that of a step."""

    def with_look() -> None:
        step, looks = work_of(problem)
        step()
        looks[way.name]()

    alone, both = peak_growth(lambda: work_of(problem)[0]()), peak_growth(with_look)
    return both / alone if alone and both else None
