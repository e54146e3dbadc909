"""The grouping surrogate of a topology search: from all finished trials to the topologies worth trying next."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from taskgroup.active.companions_choice import chosen
from taskgroup.active.companions_climb import climb, climb_within
from taskgroup.active.companions_draws import Weights, draws
from taskgroup.active.companions_evidence import Array, Labels, Trials, labels_of
from taskgroup.active.companions_look import Look, look, mixed
from taskgroup.active.companions_model import Model
from taskgroup.active.companions_moves import canonical, neighbours
from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError

POOL = 32
"""Admitted topologies among which the draws decide."""
FEW = 8
"""With fewer admitted than this, or than wanted, climbs within the bounds add some."""
AROUND = 4
"""Topologies one step away from each that was found."""
BEST = 6
"""Best known topologies whose surroundings are looked at."""
HEATS = (1.0, 0.7, 0.35, 0.0)
"""Of the draws, in turn; a few tasks' worth of trials leaves draws so wide that their best topologies are chance."""

Proposed = tuple[Topology, str]


class Companions:
    """Learns from every finished trial what sharing does to each task, and proposes topologies.

    A trial says for each task who shared its copy of each stage, and what it gained: ``1 - error / reference``. The
    model (:class:`~taskgroup.active.companions_model.Member`): a task's gain is the sum over stages of what each
    companion does to it, what sharing the stage does, what pairs of companions do, parts of these that all tasks have
    in common, and luck. The affinity says beforehand who helps whom; how far it is believed is learned, down to
    nothing. Proposals are climbed to under draws of what was learned, and of those the ones are taken from which the
    most is expected beyond the best known.

    Nothing here trains. The answers follow from the seed and from what was told alone, in whatever order it was told.

    Args:
        tasks: Task names, shape ``(T,)``.
        stages: Stage names, shape ``(S,)``.
        affinity: A prior: who helps whom. Stages that it has not are as its whole trunk.
        seed: Of all random choices.
        n_draws: Climbs for each proposal; fewer with many tasks and stages.

    Raises:
        InputError: If names repeat, ``n_draws`` is below 1, or the affinity is of other tasks.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        stages: Sequence[str],
        affinity: Affinity | None = None,
        *,
        seed: int = 0,
        n_draws: int = 16,
    ) -> None:
        self.tasks, self.stages = tuple(tasks), tuple(stages)
        wrong = [
            f"`{name}` should be one or more different names, found {list(names)}"
            for name, names in (("tasks", self.tasks), ("stages", self.stages))
            if not names or len(set(names)) < len(names)
        ]
        if n_draws < 1:
            wrong.append(f"`n_draws` should be 1 or more, found {n_draws}")
        if wrong:
            raise InputError(wrong)
        self._seed, self._n_draws = seed, n_draws
        self._trials = Trials(self.tasks, self.stages)
        self._affinity = _by_stage(affinity, self.tasks, self.stages)
        self._model: Model | None = None

    def tell(self, topology: Topology, errors: Mapping[str, float], reference: Mapping[str, float]) -> None:
        """Errors (lower is better) of every task in a trial of ``topology``, and those of all tasks apart.

        Raises:
            InputError: If the topology is of other tasks or stages, or a number is missing, not finite, or a
                reference not above 0.
        """
        self._trials.add(topology, errors, reference)
        self._model = None

    @property
    def model(self) -> Model:
        """After what was told."""
        if self._model is None:
            with threadpool_limits(1, user_api="blas"):  # many small matrices: threads cost more than they bring
                self._model = Model.of(self._trials.evidence(), self._affinity)
        return self._model

    @property
    def trust(self) -> float | None:
        """Learned weight of the affinity, relative to what else companions do; 0 is not at all, None without one."""
        return self.model.trust

    def predict(self, topology: Topology) -> tuple[float, float]:
        """Mean and standard deviation of the mean gain, without the luck of a training."""
        looks = self._look([topology])
        found = mixed(self.model.weights, [k.total for k in looks], [k.total_variance for k in looks])
        return float(found[0][0]), float(found[1][0])

    def predict_tasks(self, topology: Topology) -> tuple[Array, Array]:
        """Means and standard deviations of the gains, without the luck of a training, shape ``(T,)`` each."""
        looks, spread = self._look([topology]), self.model.seen.spread
        means, variances = ([getattr(k, name)[:, 0] for k in looks] for name in ("mean", "variance"))
        mean, deviation = mixed(self.model.weights, means, variances)
        return mean * spread, deviation * spread

    def _look(self, topologies: Sequence[Topology]) -> tuple[Look, ...]:
        labels = labels_of([self._trials.fits(topology) for topology in topologies])
        with threadpool_limits(1, user_api="blas"):
            return look(self.model, labels)

    def propose(
        self,
        n: int = 1,
        *,
        admits: Callable[[Topology], bool] = lambda topology: True,
        known: Collection[Topology] = (),
        starts: Sequence[Topology] = (),
        cost: Callable[[Topology], float] | None = None,
    ) -> list[Proposed]:
        """At most ``n`` topologies to try next, the most wanted first, each with a word on why.

        Args:
            n: 1 or more.
            admits: Whether a topology may be tried.
            known: Topologies not to propose, besides those told: those that are being trained.
            starts: Topologies to start climbs from, and to propose if they are best, besides those told.
            cost: Of two that are wanted alike the cheaper is taken.

        Raises:
            InputError: If ``n`` is below 1, or a start is of other tasks or stages.
        """
        if n < 1:
            raise InputError(f"`n` should be 1 or more, found {n}")
        rng = np.random.default_rng([self._seed, self._trials.n_told])
        begin = self._begin(starts)
        taken = {*self._trials.topologies, *known}
        with threadpool_limits(1, user_api="blas"):
            weights = draws(self.model, np.resize(HEATS, self._climbs()), rng)
            worth = np.stack([w.values(labels_of(begin)) for w in weights])
            fresh = self._admitted(self._pool(weights, labels_of(begin), worth, taken, rng), admits)
            if len(fresh) < max(n, FEW):
                within = self._within(weights, begin, admits, rng)
                fresh += [t for t in dict.fromkeys(within) if t not in {*fresh, *taken}]
            told = worth[:, : len(self._trials.topologies)].mean(axis=0)
            leaders = [begin[i] for i in np.argsort(-told, kind="stable")[:BEST]]
            return chosen(self.model, fresh, leaders, n, cost, rng) if fresh else []

    def _begin(self, starts: Sequence[Topology]) -> list[Topology]:
        baselines = [Topology.shared(self.tasks, self.stages), Topology.separate(self.tasks, self.stages)]
        return list(dict.fromkeys([*self._trials.topologies, *baselines, *map(self._trials.fits, starts)]))

    def _climbs(self) -> int:
        """Climbs, fewer where each is long."""
        work = len(self.stages) * len(self.tasks) ** 2
        return max(4, min(self._n_draws, 600_000 // work))

    def _pool(
        self, weights: Sequence[Weights], begin: Labels, worth: Array, taken: set[Topology], rng: np.random.Generator
    ) -> Labels:
        """Untried topologies of the climbs, those around, and those around the best known; the most promising first.

        Args:
            weights: Drawn, one for each climb.
            begin: Known topologies, shape ``(N, S, T)``.
            worth: Of them under each draw.
            taken: Topologies to leave out.
            rng: Of the climbs.
        """
        chance = rng.integers(len(begin), size=len(weights))
        first = np.where(np.arange(len(weights)) % 4 == 3, chance, worth.argmax(axis=1))
        climbed = climb(weights, begin[first], rng)
        best = canonical(begin[np.argsort(-worth.mean(axis=0), kind="stable")[:BEST]])
        around = [
            near
            for i, centre in enumerate([*climbed, *best])
            for near in neighbours(centre, weights[i % len(weights)].pair, rng, AROUND)
        ]
        old = {labels.tobytes() for labels in (canonical(labels_of(list(taken))) if taken else [])}
        found = np.unique(canonical(np.stack([*climbed, *begin, *around])), axis=0)
        found = found[[labels.tobytes() not in old for labels in found]]
        if not len(found):
            return found
        looks = look(self.model, found)
        mean, deviation = mixed(self.model.weights, [k.total for k in looks], [k.total_variance for k in looks])
        return np.asarray(found[np.argsort(-(mean + deviation), kind="stable")])

    def _admitted(self, pool: Labels, admits: Callable[[Topology], bool]) -> list[Topology]:
        admitted = (topology for labels in pool if admits(topology := self._topology(labels)))
        return list(itertools.islice(admitted, POOL))

    def _within(
        self,
        weights: Sequence[Weights],
        begin: Sequence[Topology],
        admits: Callable[[Topology], bool],
        rng: np.random.Generator,
    ) -> list[Topology]:
        """Topologies of climbs by small steps that stay with those admitted."""
        inside = labels_of([t for t in begin if admits(t)] or begin)
        found = []
        for w in weights:
            start = inside[w.values(inside).argmax()]
            found += climb_within(w, start, lambda labels: admits(self._topology(labels)), rng)
        return [self._topology(labels) for labels in found]

    def _topology(self, labels: Labels) -> Topology:
        return Topology(tasks=self.tasks, stages=self.stages, matrix=tuple(canonical_labels(row) for row in labels))


def _by_stage(affinity: Affinity | None, tasks: Sequence[str], stages: Sequence[str]) -> Array | None:
    """Centred, 0 where unknown, shape ``(S, T, T)``; None where nothing is known."""
    if affinity is None:
        return None
    if sorted(affinity.tasks) != sorted(tasks):
        raise InputError(f"`affinity` should be of the tasks {sorted(tasks)}, found {sorted(affinity.tasks)}")
    found = affinity.reordered(tasks)
    slices = [stage if stage in found.stages else TRUNK for stage in stages]
    return np.nan_to_num(np.stack([found.centred(name) for name in slices]))
