"""The grouping surrogate of a topology search: from all finished trials to the topologies worth trying next."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from taskgroup.active.companions.choice import chosen
from taskgroup.active.companions.draws import Weights, draws
from taskgroup.active.companions.evidence import Array, Labels, Trials, labels_of
from taskgroup.active.companions.look import Look, look, mixed
from taskgroup.active.companions.model import Model
from taskgroup.active.companions.moves import canonical, topology_of
from taskgroup.active.companions.pool import Known, pool, pool_within
from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError

POOL = 32
"""Admitted topologies among which the draws decide."""
FEW = 8
"""With fewer admitted than this, or than wanted, climbs within the bounds add some."""
LEADERS = 6
"""Topologies told among which is the best, under the draws."""
WORK = 600_000
"""Pairs of tasks of all stages, summed over the climbs."""
HEATS = (1.0, 0.7, 0.35, 0.0)
"""Of the draws, in turn: after few trials draws are so wide that their best topologies are chance."""

Proposed = tuple[Topology, str]


class Companions:
    """Learns from every finished trial what sharing does to each task, and proposes topologies.

    A trial says for each task who shared its copy of each stage, and what it gained: ``1 - error / reference``. The
    model (:class:`~taskgroup.active.companions.model.Member`): a task's gain is the sum over stages of what each
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
        told = self._trials.topologies
        begin = self._begin(starts)
        with threadpool_limits(1, user_api="blas"):
            n_climbs = max(4, min(self._n_draws, WORK // (len(self.stages) * len(self.tasks) ** 2)))
            weights = draws(self.model, np.resize(HEATS, n_climbs), rng)
            start = Known.of(labels_of(begin), weights)
            fresh = self._fresh(weights, start, {*told, *known}, max(n, FEW), admits, rng)
            leaders = [told[i] for i in start.best(LEADERS, len(told))]
            return chosen(self.model, fresh, leaders, n, cost, rng) if fresh else []

    def _begin(self, starts: Sequence[Topology]) -> list[Topology]:
        """Topologies told, first; the baselines; the starts."""
        baselines = [Topology.shared(self.tasks, self.stages), Topology.separate(self.tasks, self.stages)]
        return list(dict.fromkeys([*self._trials.topologies, *baselines, *map(self._trials.fits, starts)]))

    def _fresh(
        self,
        weights: Sequence[Weights],
        start: Known,
        taken: set[Topology],
        least: int,
        admits: Callable[[Topology], bool],
        rng: np.random.Generator,
    ) -> list[Topology]:
        """Admitted topologies that are not taken, at most ``POOL``; where ``least`` are not found, by a closer look."""
        asked: dict[bytes, Topology | None] = {}

        def admitted(labels: Labels) -> Topology | None:
            key = labels.tobytes()
            if key not in asked:
                topology = topology_of(self.tasks, self.stages, labels)
                asked[key] = topology if admits(topology) else None
            return asked[key]

        old = canonical(labels_of(list(taken))) if taken else start.labels[:0]
        candidates = filter(None, map(admitted, pool(self.model, weights, start, old, rng)))
        found = list(itertools.islice(candidates, POOL))
        if len(found) < least:
            within = pool_within(weights, start.labels, lambda labels: admitted(labels) is not None, rng)
            found += filter(None, map(admitted, within))
        return [topology for topology in dict.fromkeys(found) if topology not in taken]


def _by_stage(affinity: Affinity | None, tasks: Sequence[str], stages: Sequence[str]) -> Array | None:
    """Centred, 0 where unknown, shape ``(S, T, T)``; None where nothing is known."""
    if affinity is None:
        return None
    if sorted(affinity.tasks) != sorted(tasks):
        raise InputError(f"`affinity` should be of the tasks {sorted(tasks)}, found {sorted(affinity.tasks)}")
    found = affinity.reordered(tasks)
    slices = [stage if stage in found.stages else TRUNK for stage in stages]
    return np.nan_to_num(np.stack([found.centred(name) for name in slices]))
