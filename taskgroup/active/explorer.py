"""The explorer: which networks to train so that the best cover comes out of few."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from taskgroup.active import Request
from taskgroup.active.observations import Observations
from taskgroup.active.opening import opening
from taskgroup.active.pool import ALL_TASKS, distinct, every_group, grown_groups
from taskgroup.active.sight import Sight
from taskgroup.active.standard import Standard
from taskgroup.active.surrogate import Cells, Pool, Posterior
from taskgroup.core.affinity import Affinity
from taskgroup.core.cover import Array, Cover, Group, GroupScores
from taskgroup.errors import InputError
from taskgroup.selection import select

Rows = NDArray[np.bool_]


MOST_OPENING = 20
"""Networks of the opening, which grows with the number of pairs of tasks up to this."""


class Explorer:
    """Asks for networks to train, learns from their errors, and knows the best cover so far.

    After a short opening (:func:`~taskgroup.active.opening.opening`) every ask draws whole tables of errors from the
    surrogate (:class:`~taskgroup.active.surrogate.Posterior`), solves the best covers of each with 2 … K networks, and
    gives each group its *share*: the mean over the tables of one over the number of groups that a table's best covers
    still miss. The group with the largest share is asked for: one that is likely needed, and that soon completes what
    it is needed in. Measured groups count too where errors vary from seed to seed: with the part of their uncertainty
    that another seed would take away.

    Nothing here trains. The answers follow from what was told alone: a new explorer that is told the same goes on in
    the same way. Groups may be told that were never asked for.

    Args:
        tasks: Task names, shape ``(T,)``.
        candidates: Groups that may be asked for; by default all up to ten tasks, and with more such as grow from what
            was learned.
        max_networks: K, the most networks worth having; by default T, at most 8.
        max_size: Largest group asked for besides all together.
        affinity: A prior: who helps whom (``taskgroup.load_affinity`` reads that of a run). Its weight is learned; it
            may be nothing.
        seeds: Seeds under which the opening is trained; two or more show the noise between seeds.
        seed: Of all random choices.
        n_draws: Tables drawn for each ask.

    Raises:
        InputError: If an argument is out of its range, a candidate is not a group of the tasks, or the candidates
            leave a task untrained.

    Example:
        >>> explorer = Explorer(("a", "b", "c"))
        >>> while requests := explorer.ask():
        ...     for request in requests:  # together with c, a and b are worse
        ...         explorer.tell(request.group, {t: 1.0 + ("c" in request.group) for t in request.group}, request.seed)
        >>> explorer.cover(2).total
        4.0
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        candidates: Sequence[Sequence[str]] | None = None,
        max_networks: int | None = None,
        max_size: int | None = None,
        affinity: Affinity | None = None,
        seeds: int = 1,
        seed: int = 0,
        n_draws: int = 128,
    ) -> None:
        least = {"max_networks": max_networks, "max_size": max_size, "seeds": seeds, "n_draws": n_draws}
        wrong = [f"`{name}` should be 1 or more, found {n}" for name, n in least.items() if n is not None and n < 1]
        if not tasks or len(set(tasks)) < len(tasks):
            wrong.append(f"`tasks` should be one or more different names, found {list(tasks)}")
        if wrong:
            raise InputError(wrong)
        self.tasks = tuple(tasks)
        self.max_networks = min(max_networks or 8, len(tasks))
        self.max_size = min(max_size or len(tasks), len(tasks))
        self._seeds, self._seed, self._n_draws = seeds, seed, n_draws
        self._observed = Observations(tasks)
        self._pending: dict[Group, set[int]] = {}
        self._affinity = _centred(affinity, self.tasks)
        self._listed = self._candidates(candidates)
        self._opening = self._opening_groups()

    def _candidates(self, candidates: Sequence[Sequence[str]] | None) -> Rows | None:
        if candidates is not None:
            groups = [self._observed.group(names) for names in candidates]
            untrained = [task for task in self.tasks if not any(task in group for group in groups)]
            if untrained:
                raise InputError(f"`candidates` should train every task, found none with {', '.join(untrained)}")
            return distinct(self._row(group) for group in groups)
        return every_group(len(self.tasks), self.max_size) if len(self.tasks) <= ALL_TASKS else None

    def _opening_groups(self) -> tuple[Group, ...]:
        n_networks = min(round(len(self.tasks) * (len(self.tasks) + 1) / 5), MOST_OPENING)
        rows = opening(len(self.tasks), n_networks, np.random.default_rng(self._seed))
        if self._listed is not None:
            rows = _nearest(rows, self._listed)
        return tuple(self._group(row) for row in rows)

    def _row(self, group: Group) -> Rows:
        return np.array([task in group for task in self.tasks])

    def _group(self, row: Rows) -> Group:
        return tuple(task for task, inside in zip(self.tasks, row, strict=True) if inside)

    def tell(self, group: Sequence[str], errors: Mapping[str, float], seed: int = 0) -> None:
        """Errors (lower is better) of every task of ``group`` in a network trained on it under ``seed``.

        The same group and seed told again replaces what was told before.

        Raises:
            InputError: If the group or the errors are not as they should be.
        """
        self._observed.add(group, errors, seed)
        self._pending.get(self._observed.group(group), set()).discard(seed)

    def forget(self, group: Group, seed: int = 0) -> None:
        """Take back a request that will not be answered; it may be asked for again."""
        self._pending.get(self._observed.group(group), set()).discard(seed)

    def ask(self, n: int = 1) -> tuple[Request, ...]:
        """At most ``n`` networks to train next, all different, none asked for before; none when all are done.

        Before anything is told there are those of the opening alone.

        Raises:
            InputError: If ``n`` is below 1.
        """
        if n < 1:
            raise InputError(f"`n` should be 1 or more, found {n}")
        found: list[Request] = []
        for group in self._opening:
            found += [Request(group, s) for s in range(self._seeds) if not self._asked(group, s)]
        if self._opened:
            found = []  # enough is known from elsewhere
        found = found[:n]
        if len(found) < n and len(self._observed):
            found += self._best(n - len(found), {request.group for request in found})
        for request in found:
            self._pending.setdefault(request.group, set()).add(request.seed)
        return tuple(found)

    @property
    def _opened(self) -> bool:
        """Whether as many groups are known as the opening has."""
        return len(self._observed) >= len(self._opening)

    def _asked(self, group: Group, seed: int) -> bool:
        return seed in self._observed.seeds(group) or seed in self._pending.get(group, ())

    def _best(self, n: int, taken: set[Group]) -> list[Request]:
        sight = self._look()
        worth = sight.worth()
        waiting = taken | {group for group, seeds in self._pending.items() if seeds}
        found: list[Request] = []
        for row in np.argsort(-worth, kind="stable"):
            group = self._group(sight.pool.members[row])
            new = group not in self._observed
            if group not in waiting and (new or worth[row] > 0) and len(found) < n:
                seeds = self._observed.seeds(group)
                found.append(Request(group, next(s for s in range(len(seeds) + 1) if s not in seeds)))
        return found

    def _look(self) -> Sight:
        rng = np.random.default_rng([self._seed, int(self._observed.n_runs.sum()), len(self._observed)])
        scores = self._observed.scores()
        standard = Standard.of(scores.errors)
        noise = self._observed.noise()
        variance = np.zeros(len(self.tasks)) if noise is None else noise
        per_cell = standard.variances(scores.errors, variance) / self._observed.n_runs[:, None]
        cells = Cells.of(Pool.of(scores.members, self._affinity), standard.to(scores.errors), per_cell)
        posterior = Posterior.of(cells)
        members = self._pool(posterior, scores.members, rng)
        pool = Pool.of(members, self._affinity)
        return Sight.of(posterior, pool, scores.members, standard, self.max_networks, self._n_draws, rng)

    def _pool(self, posterior: Posterior, measured: Rows, rng: np.random.Generator) -> Rows:
        if self._listed is not None:
            return distinct([*self._listed, *measured])
        effects = np.concatenate([draws.effect for draws in posterior.draws(8, rng)])
        return grown_groups(effects, measured, self.max_size, rng)

    @property
    def scores(self) -> GroupScores:
        """What was measured: means over the seeds, with the seeds' own shares taken out."""
        return self._observed.scores()

    def cover(self, networks: int) -> Cover:
        """The best cover of measured groups with at most ``networks`` networks.

        Raises:
            InputError: If the measured groups give none.
        """
        return select(self.scores, networks=networks)

    def regret(self) -> float:
        """How much lower a total may be expected from knowing every group, in the unit of the errors.

        Mean over the drawn tables and over 2 … K networks of the total of the best cover of measured groups less that
        of the best cover of all. An upper bound of what more measuring can bring; infinite before anything is told.
        """
        if not len(self._observed):
            return float("inf")
        return self._look().regret(self.max_networks)

    def settled(self) -> bool:
        """Whether more measuring is not worth while.

        True when nothing is left that could be asked for, or the expected regret is below what a total varies from seed
        to seed. False before the opening is told, and while the noise is not known (no group has two seeds).
        """
        if not self._opened:
            return False
        noise = self._observed.noise()
        if noise is None:
            return self._listed is not None and all(self._group(row) in self._observed for row in self._listed)
        return self.regret() <= float(np.sqrt(noise.sum()))


def _centred(affinity: object, tasks: Group) -> Array | None:
    if affinity is None:
        return None
    if not isinstance(affinity, Affinity):
        found = type(affinity).__name__
        raise InputError(f"`affinity` should be a taskgroup.Affinity; taskgroup.load_affinity reads one; found {found}")
    if sorted(affinity.tasks) != sorted(tasks):
        raise InputError(f"`affinity` should be of the tasks {sorted(tasks)}, found {sorted(affinity.tasks)}")
    return affinity.reordered(tasks).centred()


def _nearest(wanted: Rows, listed: Rows) -> Rows:
    """Each wanted row, or the listed one that differs in the fewest tasks; each once."""
    distance = (wanted[:, None, :] != listed).sum(axis=2)
    return distinct(listed[row] for row in distance.argmin(axis=1))
