"""Replay: a search on a recorded table, by a sampler, a hill climb or the flow itself."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from taskgroup.bench.samplers.recording import Recorded
from taskgroup.core.spec import Cost
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult
from taskgroup.search.budget import Budget
from taskgroup.search.encodings import BareStudy, Encoding, Heights, Listed, Splits, every_tree, memory
from taskgroup.search.first import Named, first_candidates
from taskgroup.search.limits import Limits
from taskgroup.search.planner import Planner
from taskgroup.search.study import Search

N_FIRST = 4
"""Proposals that are tried after both baselines."""
IDLE = 10
"""After so many known topologies in a row a sampler has nothing more to say."""
FREE = Cost(params=1, macs=1, params_ratio=1.0, macs_ratio=1.0)


@dataclass(frozen=True)
class Walk:
    """What one replay trained.

    Attributes:
        order: Numbers of the topologies in the order of training, each once; baselines and proposals first.
        asks: Of the sampler, the climb or the flow, known topologies included.
        seconds: That the asks took, of this thread.
    """

    order: tuple[int, ...]
    asks: int
    seconds: float


def encodings(table: Recorded) -> Mapping[str, Encoding]:
    """By name, over the trees and groupings that the flow proposes."""
    trees, groupings = table.proposals.trees, [p.grouping for p in table.proposals.proposals]
    return {
        "splits": Splits(trees, table.stages),
        "all splits": Splits(every_tree(table.tasks), table.stages),
        "heights": Heights(trees[0].tree, table.stages),
        "list": Listed.of(trees, groupings, table.stages),
    }


def first_named(table: Recorded) -> list[Named]:
    """What the flow would try after the baselines."""
    space = Splits(table.proposals.trees, table.stages).space
    return first_candidates(space, table.proposals.proposals, N_FIRST, table.proposals.chain)


def opening(table: Recorded) -> list[int]:
    """Both baselines and what the flow tries next."""
    plain = [make(table.tasks, table.stages) for make in (Topology.separate, Topology.shared)]
    first = [candidate.architecture.topology for _, candidate in first_named(table)]
    return [table.number[topology] for topology in dict.fromkeys((*plain, *first))]


def sampled(table: Recorded, encoding: Encoding, sampler: str, seed: int, trial_seed: int, budget: int) -> Walk:
    """By a sampler alone; it is told the gains under ``trial_seed``.

    Args:
        table: Of trainings.
        encoding: Of the topologies.
        sampler: Its name.
        seed: Of the sampler.
        trial_seed: Which training of each topology search sees.
        budget: Topologies to train.
    """
    study, gains = BareStudy(encoding, sampler, seed, budget), table.gains[:, trial_seed]
    order = dict.fromkeys(opening(table))
    for k in order:
        study.place(table.topologies[k], gains[k])
    asks, idle, seconds = 0, 0, 0.0
    while len(order) < budget and idle < IDLE:
        started = time.thread_time()
        k = table.number[study.ask()]
        seconds += time.thread_time() - started
        study.tell(gains[k])
        asks, idle = asks + 1, idle + 1 if k in order else 0
        order[k] = None
    return Walk(tuple(order), asks, seconds)


def climbed(table: Recorded, seed: int, trial_seed: int, budget: int) -> Walk:
    """By a random hill climb: any new neighbour of the best topology so far that has one.

    Neighbours differ in the way of one task: without it they are equal.
    """
    rng, gains = np.random.default_rng(seed), table.gains[:, trial_seed]
    order, beside = opening(table), _beside(table)
    n_first, started = len(order), time.thread_time()
    while len(order) < min(budget, len(gains)):
        best_first = sorted(order, key=lambda k: -gains[k])
        new = next(near for k in best_first if (near := sorted(beside[k] - set(order))))
        order.append(int(rng.choice(new)))
    return Walk(tuple(order), len(order) - n_first, time.thread_time() - started)


def _beside(table: Recorded) -> list[set[int]]:
    """Neighbours of each topology."""
    matrices = np.array([topology.matrix for topology in table.topologies])
    together = matrices[:, :, :, None] == matrices[:, :, None, :]
    found: list[set[int]] = [set() for _ in matrices]
    for t in range(len(table.tasks)):
        rest = np.delete(np.delete(together, t, axis=2), t, axis=3).reshape(len(matrices), -1)
        same = (rest[:, None] == rest[None]).all(axis=2)
        for k, row in enumerate(same):
            found[k] |= set(np.flatnonzero(row).tolist()) - {k}
    return found


def flowed(table: Recorded, seed: int, trial_seed: int, budget: int, *, sampler: str, surrogate: bool) -> Walk:
    """By the flow's own turns of planner and sampler, with neighbours where the sampler has nothing new."""
    search = _search(table, seed, budget, sampler, surrogate)
    asks, seconds = 0, 0.0
    while True:
        started = time.thread_time()
        asked = search.ask(0)
        seconds += time.thread_time() - started
        if asked is None:
            break
        errors = table.errors_of(asked.architecture.topology, trial_seed)
        search.tell(asked.number, TrialResult(key=str(asked.number), state="complete", errors=errors))
    asks = len(search.notes)
    return Walk(tuple(_trained(table, search)), asks, seconds)


def _search(table: Recorded, seed: int, budget: int, sampler: str, surrogate: bool) -> Search:
    space = Splits(table.proposals.trees, table.stages).space
    planner = Planner(
        space, first_named(table), table.affinity, lambda _: 1.0, budget=budget, surrogate=surrogate, seed=seed
    )
    return Search(
        memory(),
        "replay",
        space,
        (),
        cost=lambda _: FREE,
        limits=Limits(),
        budget=Budget(n_trials=budget),
        seed=seed,
        prune=False,
        sampler=sampler,
        proposer=planner,
        propose_every=1,
    )


def _trained(table: Recorded, search: Search) -> Iterator[int]:
    for notes in search.notes:
        if notes.is_spent:
            yield table.number[notes.asked.architecture.topology]
