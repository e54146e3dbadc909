"""Benchmark ``build``: how fast the network that a topology makes is, against networks written by hand."""

import copy
import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from taskgroup.bench.frame import Places, Row
from taskgroup.core.grouping import Grouping
from taskgroup.core.spec import Architecture
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.conv import Conv
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.nn.trunks.transformer import Transformer
from taskgroup.pipeline.progress import Progress

BATCH = 64
COUNTS = (2, 8, 32)
TOPOLOGIES = ("all-shared", "branched", "all-separate")
TRUNKS: Mapping[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (MLP(width=64, depth=3), (64,)),
    "mlp 256": (MLP(width=256, depth=3), (64,)),
    "conv": (Conv(width=8, depth=2), (1, 8, 8)),
    "conv 16": (Conv(width=16, depth=3), (3, 16, 16)),
    "transformer": (Transformer(width=32, depth=2), (16, 8)),
}


class Handwritten(nn.Module):
    """What one writes for one topology: shared stages, a list of branches, a list of heads on each."""

    def __init__(self, shared: nn.Module, branches: Sequence[nn.Module], heads: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        self.shared = shared
        self.branches = nn.ModuleList(branches)
        self.heads = nn.ModuleList(nn.ModuleList(group) for group in heads)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Outputs of all tasks, branch after branch."""
        x = self.shared(x)
        outputs = []
        for branch, heads in zip(self.branches, self.heads, strict=True):
            features = branch(x)
            outputs += [head(features) for head in cast("nn.ModuleList", heads)]
        return outputs


class BuildBench:
    """Our networks against hand-written ones, with and without running sibling copies together."""

    about = f"""\
Forward and backward pass of one batch of {BATCH} rows on one thread; medians of interleaved runs, in seconds of the
thread itself, so that other programs on the machine weigh little.

- `ratio_to_handwritten`: our time as the network is used, over that of a network written by hand for the very topology
  (shared stages, a list of branches, a list of heads); 1 is as fast, the goal is at most 1.03.
- `batched_speedup`: our time with sibling copies one after the other, over our time with siblings run together where
  the rule in `taskgroup/nn/siblings.py` says that it pays; 1 where nothing is run together.
- `ratio_in_turn`: our time with sibling copies one after the other, over the hand-written network's.
- `ratio_to_networks_per_group`: our time as used, over that of one whole hand-written network for each group of tasks
  that share the last stage.

`branched` shares the first half of the stages, then parts into groups of four tasks (of one where there are two)."""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """One a trunk and number of tasks."""
        trunks, counts = (("mlp", "conv"), COUNTS[:2]) if quick else (tuple(TRUNKS), COUNTS)
        return [f"{trunk}, {count} tasks" for trunk in trunks for count in counts]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Time the three topologies."""
        trunk, count = cell.removesuffix(" tasks").split(", ")
        progress.begin(cell, len(TOPOLOGIES))
        rows, threads = [], torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for k, topology in enumerate(TOPOLOGIES):
                rows.append(timed_row(trunk, int(count), topology, seconds=1 if quick else 6))
                progress.advance(k + 1)
        finally:
            torch.set_num_threads(threads)
        progress.end(f"{len(rows)} topologies")
        return rows

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """One table."""
        return {"Time against networks written by hand": list(rows)}


def timed_row(trunk: str, count: int, topology: str, seconds: float) -> Row:
    """One line of the table, measured for about so long."""
    works, before, wide = works_of(trunk, count, topology)
    medians = interleaved(works, before, seconds)

    def ratio(one: str, other: str) -> float:
        return round(medians[one] / medians[other], 3)

    return {
        "trunk": trunk,
        "n_tasks": count,
        "topology": topology,
        "ratio_to_handwritten": ratio("ours", "handwritten"),
        "batched_speedup": ratio("ours, in turn", "ours") if wide else 1.0,
        "ratio_in_turn": ratio("ours, in turn", "handwritten"),
        "ratio_to_networks_per_group": ratio("ours", "networks per group"),
        "handwritten_ms": round(medians["handwritten"] * 1e3, 2),
    }


def works_of(
    trunk_name: str, count: int, kind: str
) -> tuple[dict[str, Callable[[], object]], Callable[[], None], bool]:
    """The passes to time by name, what to do before each, and whether siblings run together in ours."""
    method, shape = TRUNKS[trunk_name]
    rows = torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(0))
    trunk: Trunk = method.build(rows)
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="binary") for k in range(count)))
    topology = topology_of(kind, tasks.names, trunk.names)
    ours = SharedNetwork(tasks, Architecture(topology=topology), trunk, sites_of(trunk, rows), 0)
    in_turn = copy.deepcopy(ours)
    in_turn.together = False
    groups = topology.groups(len(trunk.names) - 1)
    n_shared = (
        sum(len(topology.groups(s)) == 1 for s in range(len(trunk.names))) if len(groups) > 1 else len(trunk.names)
    )
    stages = [trunk.instantiate(name, 0) for name in trunk.names]
    shared, own = nn.Sequential(*stages[:n_shared]), nn.Sequential(*stages[n_shared:])
    width = trunk.shapes(rows)[-1][0]

    def by_hand(shared: nn.Module, own: nn.Module, chosen: Sequence[Sequence[str]]) -> Handwritten:
        branches = [copy.deepcopy(own) for _ in chosen]
        return Handwritten(copy.deepcopy(shared), branches, [[nn.Linear(width, 1) for _ in g] for g in chosen])

    handwritten = by_hand(shared, own, groups)
    whole = [by_hand(nn.Sequential(*stages), nn.Identity(), [group]) for group in groups]
    works: dict[str, Callable[[], object]] = {
        "handwritten": lambda: backward(handwritten(rows)),
        "ours, in turn": lambda: backward(list(in_turn(rows).values())),
        "ours": lambda: backward(list(ours(rows).values())),
        "networks per group": lambda: all_backward(whole, rows),
    }

    def before() -> None:
        for network in (handwritten, in_turn, ours, *whole):
            network.zero_grad()

    return works, before, ours.runs_together(rows)


def topology_of(kind: str, tasks: Sequence[str], stages: Sequence[str]) -> Topology:
    """One of ``TOPOLOGIES``."""
    if kind == "all-shared":
        return Topology.shared(tasks, stages)
    if kind == "all-separate":
        return Topology.separate(tasks, stages)
    size = 4 if len(tasks) > 4 else 1
    grouping = Grouping(tasks=tuple(tasks), labels=tuple(k // size for k in range(len(tasks))))
    return Topology.branched(grouping, stages, len(stages) // 2)


def backward(outputs: Sequence[Tensor]) -> None:
    """Gradients of the mean square of all outputs."""
    torch.stack([output.square().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]


def all_backward(networks: Sequence[nn.Module], rows: Tensor) -> None:
    """One after the other."""
    for network in networks:
        backward(network(rows))


def interleaved(
    works: Mapping[str, Callable[[], object]], before: Callable[[], object], seconds: float
) -> dict[str, float]:
    """Median seconds of each in rounds of random order, seven or more after three to warm up; nothing is collected."""
    found: dict[str, list[float]] = {name: [] for name in works}
    order, draw = list(works), random.Random(0)
    until, n_rounds = time.perf_counter() + seconds, 0
    gc.collect()
    gc.disable()
    try:
        while n_rounds < 10 or (time.perf_counter() < until and n_rounds < 1000):
            draw.shuffle(order)
            for name in order:
                before()
                started = time.thread_time()
                works[name]()
                found[name].append(time.thread_time() - started)
            n_rounds += 1
    finally:
        gc.enable()
    return {name: statistics.median(times[3:]) for name, times in found.items()}
