"""Planner: what to try next where it is not the sampler's turn; each step by what the trials before it gave."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from taskgroup.active.companions.surrogate import Companions
from taskgroup.adapters import ADAPTERS
from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.search.first import Named
from taskgroup.search.ladder import beside, leading, next_scales, rated_scales, uphill
from taskgroup.search.space import Space

DEAR = 0.08
"""Share of the budget from which on all-separate's learning rate is tuned in few steps."""
TUNING = 0.6
"""Of a dear all-separate no more is trained than this share of the budget pays for."""
OPENING = 0.75
"""Proposals stop and turns begin once this share of the budget is used up."""
MIN_SCALES = 2
"""But so many scales of it are tried, if one is not enough to tell."""
KINDS = 3
"""So many proposals, about one of each kind, are at the same learning rate before it is another's turn."""
TURNS = 3
"""Of so many trainings after the opening one is the sampler's, one the surrogate's, one a neighbour of the best."""


@dataclass(frozen=True)
class Planner:
    """Opens a search, and later takes turns with the sampler.

    1. Both baselines' learning rates: from the job's own two scales up and two down, then uphill to the next ones.
       All-separate, where it is dear, does so one at a time, as long as ``TUNING`` of the budget lasts: first at the
       best scale of all-shared, uphill first to the side that was better for all-shared, and not where that was ruined.
    2. ``first``, in order, at the learning rate that was best for the baseline nearer in cost, or in turn at the
       two best where one training does not tell them apart.
    3. In turns: what the surrogate expects most of (topologies, with the best recipe, heads and adapters so far); a
       neighbour of the best candidates that differs in one choice (learning rate, head size, adapters, weighting);
       the sampler.

    What it proposes follows from the rows alone.

    Attributes:
        space: What may be chosen.
        first: Origins and candidates of step 2.
        affinity: Prior of the surrogate; None for none.
        cost: Compute of a training, in trainings of all-shared.
        budget: Compute of the whole search; None for no limit.
        admits: What topologies must keep.
        surrogate: Whether to propose from it.
        seed: Of its draws.
    """

    space: Space
    first: Sequence[Named]
    affinity: Affinity | None
    cost: Callable[[Candidate], float]
    budget: float | None = None
    admits: Callable[[Architecture], bool] = field(default=lambda _: True)
    surrogate: bool = True
    seed: int = 0

    def propose(self, rows: Sequence[TrialRow], n: int) -> Sequence[Named]:
        """See :class:`~taskgroup.search.proposer.Proposer`; empty where it is the sampler's turn."""
        known = {row.candidate.fingerprint for row in rows}
        new = (named for named in self._opening(rows) if named[1].fingerprint not in known)
        opening = list(itertools.islice((named for named in new if self.admits(named[1].architecture)), n))
        if opening:
            return opening
        n_later = sum(row.origin == "sampler" or row.origin.startswith(("surrogate", "neighbour")) for row in rows)
        turn = n_later % TURNS
        if turn == 0 and self.surrogate:
            return self._taught(rows, n)
        return list(itertools.islice(self._neighbours(rows, known), n)) if turn == 1 else ()

    def _opening(self, rows: Sequence[TrialRow]) -> Iterator[Named]:
        plain = {SHARED: Topology.shared, SEPARATE: Topology.separate}
        best: dict[str, list[float]] = {}
        cheap: dict[float, float] = {}
        for name in (SHARED, SEPARATE):
            candidate = self.space.plain(plain[name](self.space.tasks, self.space.stages))
            rated = rated_scales(rows, candidate)
            if name == SEPARATE and self.budget is not None and self.cost(candidate) > DEAR * self.budget:
                left = int(TUNING * self.budget / self.cost(candidate)) - len(rated)
                scales = uphill(self.space.scales, rated, cheap) if left > 0 or len(rated) < MIN_SCALES else []
            else:
                scales = next_scales(self.space.scales, rated)
            for scale in scales:
                yield _at(f"{name}, learning rate x {scale:g}", candidate, scale)
            best[name] = leading(rated)
            cheap = cheap or rated
        spent = sum(row.trainings for row in rows)
        within = self.budget is None or spent < OPENING * self.budget
        for k, (origin, candidate) in enumerate(self.first if within else ()):
            yield _at(origin, candidate, self._scale_for(candidate, best, k))

    def _scale_for(self, candidate: Candidate, best: dict[str, list[float]], k: int) -> float:
        """A learning rate of the baseline that is nearer in cost; the candidate's own where it says one."""
        if candidate.recipe.lr_scale != 1:
            return candidate.recipe.lr_scale
        leading = best[SHARED] if self.cost(candidate) <= self._middle else best[SEPARATE]
        return leading[k // KINDS % len(leading)]

    @cached_property
    def _middle(self) -> float:
        """Between the costs of both baselines, in the geometric mean."""
        separate = self.space.plain(Topology.separate(self.space.tasks, self.space.stages))
        return math.sqrt(max(self.cost(separate), 1.0))

    def _taught(self, rows: Sequence[TrialRow], n: int) -> list[Named]:
        """Topologies that the surrogate expects most of, dressed as the best candidate."""
        done = [row for row in rows if row.state == "complete"]
        reference = next((row.errors for row in done if row.origin == SEPARATE), None)
        leader = _ranked(rows)[:1]
        if reference is None or not leader or len(self.space.tasks) < 2:
            return []
        taught = Companions(self.space.tasks, self.space.stages, self.affinity, seed=self.seed)
        for topology, row in _best_of_each(done).items():
            taught.tell(topology, row.errors, reference)
        known = set(_best_of_each(done))
        found = taught.propose(
            n,
            admits=lambda topology: self.admits(self.space.plain(topology).architecture),
            known=known,
        )
        return [(why, _dressed(leader[0].candidate, topology)) for topology, why in found]

    def _neighbours(self, rows: Sequence[TrialRow], known: set[str]) -> Iterator[Named]:
        """Of the best candidates in turn, what differs from them in one choice and was not tried."""
        for row in _ranked(rows)[:4]:
            for what, candidate in self._changed(row.candidate):
                if candidate.fingerprint not in known and self.admits(candidate.architecture):
                    yield f"neighbour of {row.number}, {what}", candidate

    def _changed(self, candidate: Candidate) -> Iterator[Named]:
        architecture, scales, heads = candidate.architecture, self.space.scales, self.space.heads
        for scale in beside(scales, candidate.recipe.lr_scale):
            yield _at(f"learning rate x {scale:g}", candidate, scale)
        for size in beside(heads, architecture.head_size):
            network = architecture.model_copy(update={"head_size": size})
            yield f"heads of {size}", candidate.model_copy(update={"architecture": network})
        for what, network in self._readapted(architecture):
            yield what, candidate.model_copy(update={"architecture": network})
        for weighting in self.space.losses:
            if weighting != candidate.recipe.weighting and not architecture.topology.is_separate:
                recipe = candidate.recipe.model_copy(update={"weighting": weighting})
                yield weighting, candidate.model_copy(update={"recipe": recipe})

    def _readapted(self, architecture: Architecture) -> Iterator[tuple[str, Architecture]]:
        """With adapters added behind one stage, or taken away there."""
        order = {name: k for k, name in enumerate(self.space.stages)}
        for stage in self.space.adapters.stages:
            rest = tuple(a for a in architecture.adapters if a.stage != stage)
            if len(rest) < len(architecture.adapters):
                yield f"no adapters at {stage}", architecture.model_copy(update={"adapters": rest})
            elif any(len(group) > 1 for group in architecture.topology.groups(order[stage])):
                for entry in self._entries(stage):
                    entries = tuple(sorted((*rest, entry), key=lambda a: order[a.stage]))
                    yield f"{entry.kind} adapters at {stage}", architecture.model_copy(update={"adapters": entries})

    def _entries(self, stage: str) -> Iterator[AdapterSpec]:
        """Adapters of a middle size, one of each kind."""
        choice = self.space.adapters
        sizes = [size for size in choice.sizes if size]
        for kind in choice.kinds if sizes else ():
            size = sizes[len(sizes) // 2] if ADAPTERS[kind].sized else 1
            if kind != "none":
                yield AdapterSpec(stage=stage, kind=kind, size=size, per=choice.per)


def _at(origin: str, candidate: Candidate, scale: float) -> Named:
    recipe = candidate.recipe.model_copy(update={"lr_scale": scale})
    return origin, candidate.model_copy(update={"recipe": recipe})


def _ranked(rows: Sequence[TrialRow]) -> list[TrialRow]:
    done = [row for row in rows if row.state == "complete" and row.gain is not None]
    return sorted(done, key=lambda row: -(row.gain or 0.0))


def _best_of_each(rows: Sequence[TrialRow]) -> dict[Topology, TrialRow]:
    """The best trial of each topology, whatever its recipe."""
    found: dict[Topology, TrialRow] = {}
    for row in _ranked(rows):
        found.setdefault(row.architecture.topology, row)
    return found


def _dressed(leader: Candidate, topology: Topology) -> Candidate:
    """``topology`` with the recipe and the heads of ``leader``, and its adapters where they are everybody's."""
    adapters = tuple(a for a in leader.architecture.adapters if a.tasks is None)
    network = leader.architecture.model_copy(update={"topology": topology, "adapters": adapters, "helpers": ()})
    return leader.model_copy(update={"architecture": network})
