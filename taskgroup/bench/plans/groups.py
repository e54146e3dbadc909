"""Arms that part the tasks into networks of their own: TAG, by lookahead affinity, and HOA, by trained pairs."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.bench.plans.lab import Account, Array, Lab
from taskgroup.bench.plans.tuning import Race, scaled
from taskgroup.core.affinity import Affinity
from taskgroup.core.cover import Cover, Group, GroupScores
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.selection import select
from taskgroup.selection.pairwise import hoa

NETWORKS = (2, 3, 4, 6)
"""Numbers of networks that are tried."""
ALL_GROUPS = 10
"""Up to so many tasks every group is rated, beyond it those that grow around each task."""
LOOK_EVERY = 10
"""Steps between two looks of TAG, as published."""
SHORTEST = 0.2
"""Pairs are trained at least this share of the steps, whatever it takes."""


def tag(lab: Lab, account: Account) -> Candidate:
    """Exact lookahead affinity in a joint training, groups with the largest mean affinity onto their tasks.

    Source: Fifty et al. 2021, arXiv 2109.04617.
    """
    race = Race(lab, account)
    shared = race.tune(lab.shared)
    how = {"method": "lookahead", "mode": "exact", "step_size": "lr", "per_stage": "first_order"}
    affinity = lab.affinity(how, account, every=LOOK_EVERY, recipe=shared.recipe)
    scores = affinity_scores(affinity)
    return race.refined([*_covers(lab, scores, shared.recipe.lr_scale)])


def affinity_scores(affinity: Affinity) -> GroupScores:
    """A task's error in a group is minus the mean affinity of the group's other tasks onto it; alone, the worst."""
    values = np.nan_to_num(affinity.slice())
    np.fill_diagonal(values, 0.0)
    # alone a task has nobody's affinity: rated as the worst it could have, as published, so that groups form
    alone = values.min(axis=0) - 1e-9
    members = np.array([*_groups(values)])
    inner = members.astype(np.float64)
    others = inner.sum(axis=1, keepdims=True) - 1
    mean = np.where(others > 0, inner @ values / np.maximum(others, 1), alone)
    return GroupScores(affinity.tasks, members, np.where(members, -mean, np.nan), np.ones(len(members)))


def _groups(values: Array) -> Iterator[NDArray[np.bool_]]:
    n_tasks = len(values)
    if n_tasks <= ALL_GROUPS:
        for bits in range(1, 2**n_tasks):
            yield np.array([bool(bits >> k & 1) for k in range(n_tasks)])
        return
    seen: set[bytes] = set()
    for target in range(n_tasks):
        order = [target, *(j for j in np.argsort(-values[:, target], kind="stable") if j != target)]
        for size in sorted({1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, n_tasks}):
            row = np.zeros(n_tasks, dtype=bool)
            row[order[:size]] = True
            if row.tobytes() not in seen:
                seen.add(row.tobytes())
                yield row


def hoa_arm(lab: Lab, account: Account) -> Candidate:
    """All pairs trained, a round of disjoint pairs at a time; groups rated by the mean over their pairs.

    Where the budget does not carry every round at full length they are shortened, and below a fifth of it some are
    left out at random.

    Source: Standley et al. 2020, arXiv 1905.07553.
    """
    race = Race(lab, account)
    shared = race.tune(lab.shared)
    scale = shared.recipe.lr_scale
    rounds = [*_rounds(lab.tasks, np.random.default_rng(lab.seed))]
    one = lab.cost(lab.plain(Topology.branched(rounds[0], lab.stages, 0)))
    reserve = 0.25 * account.budget
    share = min(1.0, max(SHORTEST, (account.left - reserve) / (one * len(rounds))))
    steps = max(1, round(share * lab.train.steps))
    rows: list[dict[str, float]] = []
    for pairing in rounds:
        candidate = scaled(lab.plain(Topology.branched(pairing, lab.stages, 0)), scale)
        if rows and account.left - lab.cost(candidate, steps) < 0.5 * reserve:
            break
        errors = lab.errors(candidate, 0, account, steps=steps)
        rows += [{task: errors[task] for task in group} for group in pairing.groups]
    wanted = np.array([*_groups(_pair_values(lab.tasks, rows))])
    predicted = hoa(GroupScores.of(lab.tasks, rows), wanted)
    relative = predicted.errors / np.nanmean(predicted.errors, axis=0)
    scores = GroupScores(lab.tasks, predicted.members, relative, predicted.cost)
    return race.refined([*_covers(lab, scores, scale)])


def _rounds(tasks: Group, rng: np.random.Generator) -> Iterator[Grouping]:
    """Every pair once, in rounds of disjoint pairs (the circle method); of an odd number one is alone in each."""
    order: list[int | None] = [*map(int, rng.permutation(len(tasks)))]
    order += [None] * (len(order) % 2)
    n = len(order)
    for _ in range(n - 1):
        pairs = [(order[k], order[n - 1 - k]) for k in range(n // 2)]
        yield Grouping.of(tasks, [[tasks[k] for k in pair if k is not None] for pair in pairs])
        order = [order[0], order[-1], *order[1:-1]]


def _pair_values(tasks: Group, rows: Sequence[dict[str, float]]) -> Array:
    """How much better than its mean a target is beside a source; 0 where unknown; ``[source, target]``."""
    at = {task: k for k, task in enumerate(tasks)}
    errors = np.full((len(tasks), len(tasks)), np.nan)
    for row in rows:
        for source in row:
            for target in row:
                if source != target:
                    errors[at[source], at[target]] = row[target]
    known = np.nanmean(np.where(np.isnan(errors).all(axis=0), 0.0, errors), axis=0)
    return np.asarray(np.nan_to_num(known - errors))


def _covers(lab: Lab, scores: GroupScores, scale: float) -> Iterator[Candidate]:
    for networks in NETWORKS:
        if networks < len(lab.tasks):
            cover = select(scores, networks=networks, method="auto", time_limit_s=5.0)
            yield scaled(Candidate(architecture=cover_architecture(cover, lab.stages, lab.heads)), scale)


def cover_architecture(cover: Cover, stages: Sequence[str], head_size: int = 0) -> Architecture:
    """Networks of their own for what each serves, the others that it trains as helpers along its path."""
    grouping = Grouping.of(cover.tasks, [network.serves for network in cover.networks])
    helpers = tuple(
        Helper(task=task, along=network.serves[0]) for network in cover.networks for task in network.helpers
    )
    return Architecture(topology=Topology.branched(grouping, stages, 0), helpers=helpers, head_size=head_size)
