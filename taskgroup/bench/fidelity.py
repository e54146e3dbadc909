"""How far the matrices of each way of looking agree with exact looks at every step of a training."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from taskgroup.bench.ways import (
    BATCH,
    LR,
    N_STEPS,
    OURS,
    PUBLISHED,
    TORCHJD,
    WAYS,
    Way,
    cadences,
    network_of,
    rows_of,
)
from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.averaging import Average, average
from taskgroup.core.reliability import centred_rank_agreement, split_half
from taskgroup.core.trial import TrainOptions
from taskgroup.groupers.hierarchical import Hierarchical
from taskgroup.measures.training.sampling import Sampling
from taskgroup.problems.problem import VAL, Problem
from taskgroup.training.loop import train

Array = NDArray[np.float64]


def steps_of(model: str, count: int, *, quick: bool) -> int:
    """Length of the training whose every step is looked at; 0 where that would take hours."""
    if quick:
        return 40
    if model == "mlp":
        return {27: 600, 159: 240, 617: 80}.get(count, N_STEPS)
    return {5: 150, 12: 100, 27: 60}.get(count, 0)


def samples_of(problem: Problem, n_steps: int) -> dict[str, Array]:
    """Looks of one training by way, as often as its densest cadence asks: ``(n_looks, T, T)``, the trunk's slice."""
    if not n_steps:
        return {}
    network, rows = network_of(problem), rows_of(problem)
    tower = network.tower()
    assert tower is not None
    everything = tower.plain and len(problem.tasks) <= 27
    ways = [way for way in (PUBLISHED, *OURS) if everything or way.name in ("exact", "first_order", "auto")]
    looking = [
        Sampling(network, problem.tasks, way.measure, _densest(problem, way)) for way in ways if way.measure is not None
    ]
    options = TrainOptions(steps=n_steps, batch_size=BATCH, lr=LR, n_checks=1)
    with torch.random.fork_rng(devices=[]):
        train(network, problem.tasks, rows, rows_of(problem, VAL), options, 0, looking)
    found = {way.name: np.stack([s[-1] for s in at.samples]) for way, at in zip(ways, looking, strict=True)}
    return {**found, "torchjd": found["first_order"]}


def _densest(problem: Problem, way: Way) -> int:
    """Steps between two of the looks that are kept, from which every cadence is taken at several offsets."""
    return 1 if way in (TORCHJD, OURS[-1]) else min(cadences(problem, way))


def fidelities(problem: Problem, n_steps: int) -> dict[str, Any]:
    """For every way and cadence how far its matrix agrees with the exact one over all steps; empty without steps."""
    samples = samples_of(problem, n_steps)
    if not samples:
        return {}
    matrix = average(samples["exact"])
    reliability = float(split_half([samples["exact"][:, None]])[0])
    blocks = np.array_split(samples["exact"], 8)
    halves = [average(np.concatenate(blocks[side::2])) for side in (0, 1)]
    found: dict[str, Any] = {
        "n_steps": n_steps,
        "reliability": reliability,
        "ari_of_halves": same_grouping(*halves),
    }
    for way in WAYS:
        for every in cadences(problem, way) if way.name in samples else ():
            step = every // _densest(problem, way)
            offsets = range(0, step, max(1, step // 5))
            how: Average = "mean" if way.plain_mean else "trimmed"
            mine = [average(samples[way.name][offset::step], how) for offset in offsets]
            found[f"{way.name} {every}"] = {
                "fidelity": float(np.mean([centred_rank_agreement(m, matrix) for m in mine])) / reliability,
                "ari": float(np.mean([same_grouping(matrix, m) for m in mine])),
            }
    return found


def same_grouping(one: Array, other: Array) -> float:
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
