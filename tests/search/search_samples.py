"""A small search with trainings made up, and rows and arms to choose from."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from taskgroup.bench.searching.planted import random_tree
from taskgroup.core.gain import mean_gain
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import Proposal, TrialRow
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree
from taskgroup.core.trial import Check, TrialResult
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.budget import Budget
from taskgroup.search.confirm import Arm
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.space import Space
from taskgroup.search.study import Asked, Search

TASKS = ("mass", "digit", "odd", "loops")
STAGES = ("stem", "body", "neck")
CHECKS = (10, 20, 30)


def make_space(n_tasks: int = 4, n_trees: int = 2, sizes: tuple[int, ...] = (0, 4, 16)) -> Space:
    trees = tuple(random_tree(TASKS[:n_tasks], seed) for seed in range(n_trees))
    return Space(trees, STAGES, AdapterChoice(STAGES[1:], sizes))


def make_cost(architecture: Architecture) -> Cost:
    """A copy of a stage costs 100, adapters their size."""
    topology = architecture.topology
    n = sum(100 * len(topology.groups(s)) for s in range(len(STAGES))) + sum(a.size for a in architecture.adapters)
    return Cost(params=n, macs=2 * n, params_ratio=n / 300, macs_ratio=n / 300)


def make_errors(what: Architecture | Candidate, step: int) -> dict[str, float]:
    """Errors that follow from the candidate alone, and fall with the steps."""
    seen = hashlib.sha256(what.fingerprint.encode()).digest()
    architecture = what.architecture if isinstance(what, Candidate) else what
    return {t: 0.1 + seen[k] / 1000 + 1 / (10 + step) for k, t in enumerate(architecture.topology.tasks)}


def train(asked: Asked) -> TrialResult:
    """What a worker would hand back, bars kept."""
    history = []
    bars = {bar.step: bar for bar in asked.bars}
    for step in CHECKS:
        history.append(Check(step=step, errors=make_errors(asked.candidate, step)))
        bar = bars.get(step)
        if bar is not None and mean_gain(history[-1].errors, bar.reference) < bar.gain:
            break
    state = "pruned" if len(history) < len(CHECKS) else "complete"
    return TrialResult.model_validate(
        {"key": "k", "state": state, "errors": history[-1].errors, "history": history, "seconds": 1.0}
    )


def plain(architecture: Architecture) -> Candidate:
    return Candidate(architecture=architecture)


def make_search(
    storage: optuna.storages.BaseStorage,
    space: Space | None = None,
    first: Sequence[tuple[str, Candidate]] = (),
    limits: Limits | None = None,
    n_trials: int | None = 12,
    prune: bool = True,
    cost: Callable[[Architecture], Cost] = make_cost,
    budget: Budget | None = None,
    **options: Any,
) -> Search:
    return Search(
        storage,
        "job",
        space or make_space(),
        first,
        cost=cost,
        limits=limits or Limits(),
        budget=budget or Budget(n_trials=n_trials),
        seed=3,
        prune=prune,
        **options,
    )


def run(search: Search, trained: list[str] | None = None, n_most: int = 1000) -> list[TrialRow]:
    """Ask, train and tell with one worker until nothing is left, or ``n_most`` were told."""
    for _ in range(n_most):
        asked = search.ask(0)
        if asked is None:
            break
        if trained is not None:
            trained.append(asked.candidate.fingerprint)
        search.tell(asked.number, train(asked))
    return search.rows()


def proposals_of(tree: MergeTree) -> list[Proposal]:
    """Every cut of a tree, coarse to fine."""
    return [Proposal(grouping=tree.cut(k), source=f"cut {k}") for k in range(1, len(tree.tasks) + 1)]


def baseline(name: str, tasks: Sequence[str] = TASKS) -> Architecture:
    make = {SHARED: Topology.shared, SEPARATE: Topology.separate}[name]
    return Architecture(topology=make(tasks, STAGES))


def branched(n_groups: int, n_shared: int) -> Architecture:
    """All share ``n_shared`` stages, then part."""
    grouping = random_tree(TASKS, 0).tree.cut(n_groups)
    return Architecture(topology=Topology.branched(grouping, STAGES, n_shared))


def cost_at(ratio: float, params_ratio: float | None = None) -> Cost:
    return Cost(params=1, macs=1, params_ratio=ratio if params_ratio is None else params_ratio, macs_ratio=ratio)


def row(
    number: int, architecture: Architecture, gain: float | None, *, origin: str = "sampler", ratio: float = 2.0
) -> TrialRow:
    return TrialRow(
        number=number,
        origin=origin,
        state="complete" if gain is not None else "failed",
        architecture=architecture,
        cost=cost_at(ratio),
        gain=gain,
        errors={},
        seconds=1.0,
    )


def arm(name: str, errors: NDArray[np.float64] | Sequence[Sequence[float]], ratio: float, params: float = 1.0) -> Arm:
    architecture = baseline(name) if name in (SHARED, SEPARATE) else branched(2, 1)
    return Arm(name, architecture, cost_at(ratio, params), np.asarray(errors, dtype=np.float64))
