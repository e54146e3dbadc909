"""Errors of arms whose true gains are known by construction, and all of confirm on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.gain import Interval
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.spec import Architecture, Cost, Evidence
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.search.confirm import Arm, TestErrors, arm_evidence, choose, evidence, lead_over, optimism
from taskgroup.search.limits import Limits
from taskgroup.search.statistics import gain_interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Spread of the logarithm of errors.

    Attributes:
        batch: Common to a seed: all arms and tasks see the same batches; a third of it differs by task.
        network: Common to the tasks of one trained network.
        run: Of every error by itself.
        carried: Share of the variance of a network's luck that validation and test split have in common.
    """

    batch: float = 0.3
    network: float = 0.04
    run: float = 0.08
    carried: float = 1.0


def plant(rng: np.random.Generator, gains: Array, n_seeds: int, noise: Noise) -> tuple[Array, Array]:
    """Errors on validation and test split, each of shape ``(n_arms, n_seeds, n_tasks)``.

    All arms have the same lognormal noise, so that the ratio of expected errors is that of ``1 - gain`` exactly: the
    true gain of arm a against arm b on a task is ``1 - (1 - gain_a) / (1 - gain_b)``.

    Args:
        rng: Random numbers.
        gains: True gains, shape ``(n_arms, n_tasks)``.
        n_seeds: How many.
        noise: Its spreads.
    """
    n_arms, n_tasks = gains.shape
    batch = noise.batch * (rng.normal(size=(n_seeds, 1)) + rng.normal(size=(n_seeds, n_tasks)) / 3)

    def luck() -> Array:
        network, run = rng.normal(size=(n_arms, n_seeds, 1)), rng.normal(size=(n_arms, n_seeds, n_tasks))
        return np.asarray(noise.network * network + noise.run * run)

    kept = noise.carried**0.5 * luck()
    splits = [kept + (1 - noise.carried) ** 0.5 * luck() for _ in range(2)]
    expected = np.linspace(0.1, 0.4, n_tasks) * (1 - gains)[:, None]
    return expected * np.exp(batch + splits[0]), expected * np.exp(batch + splits[1])


def true_gains(gains: Array, reference: int) -> Array:
    """Mean over tasks of each arm's true gain against arm ``reference``."""
    return np.asarray((1 - (1 - gains) / (1 - gains[reference])).mean(axis=1))


@dataclass(frozen=True)
class Outcome:
    """What confirming gave: the place of the chosen arm, its gains as measured and what is kept of them.

    Gains come as (against all-separate, against all-shared).
    """

    place: int
    measured: tuple[Interval, Interval]
    evidence: Evidence

    @property
    def reported(self) -> tuple[Interval, Interval]:
        """Gains less what having been chosen adds to them."""
        return self.evidence.gain_vs_separate, self.evidence.gain_vs_shared

    @property
    def beats_shared(self) -> bool:
        """Whether the verdict says that a topology does."""
        claims = ("better_than_both", "as_good_as_separate", "best_within_limits")
        return self.place > 1 and self.evidence.verdict.code in claims


def confirmed(rng: np.random.Generator, gains: Array, costs: Sequence[float], n_seeds: int, noise: Noise) -> Outcome:
    """All of confirm on planted errors, as the pipeline does it.

    Args:
        rng: Random numbers.
        gains: True gains of all-shared, all-separate and plans, shape ``(n_arms, n_tasks)``.
        costs: Of the same, relative to all-shared.
        n_seeds: Confirmation seeds.
        noise: Of the errors.
    """
    validation, test = plant(rng, gains, n_seeds, noise)
    names = [SHARED, SEPARATE, *(f"trial {k}" for k in range(2, len(gains)))]
    arms = [Arm(name, _network(k), _cost(costs[k]), validation[k]) for k, name in enumerate(names)]
    chosen = choose(arms, Limits(), 0.9, "macs")
    place = names.index(chosen.name)
    seen = TestErrors(chosen=test[place], separate=test[1], shared=test[0])
    excess = optimism(arms, chosen, seen, Limits(), 0.9, "macs")
    shown = arm_evidence(arms, chosen, 0.9)
    lead = lead_over(arms, chosen, Limits(), 0.9)
    tasks = TaskSet(tasks=tuple(Task(name=f"t{k}", kind="regression") for k in range(gains.shape[1])))
    kept = evidence(tasks, shown, seen, range(n_seeds), 0.9, Limits(), lead, excess=excess)
    return Outcome(place, (gain_interval(seen.chosen, seen.separate), gain_interval(seen.chosen, seen.shared)), kept)


def _network(place: int) -> Architecture:
    """Some network of the kind that stands there."""
    names, stages = ("a", "b", "c"), ("low", "high")
    if place < 2:
        return Architecture(topology=(Topology.shared, Topology.separate)[place](names, stages))
    return Architecture(topology=Topology.branched(Grouping(tasks=names, labels=(0, 0, 1)), stages, 1))


def _cost(ratio: float) -> Cost:
    return Cost(params=1, macs=1, params_ratio=1.0, macs_ratio=ratio)
