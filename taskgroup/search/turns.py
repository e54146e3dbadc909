"""Whose turn it is: the baselines, what is tried first, then proposer and sampler, or neighbours of good candidates."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taskgroup.core.recipe import Candidate
from taskgroup.core.record import TrialRow
from taskgroup.core.topology import Topology
from taskgroup.search.ledger import Ledger
from taskgroup.search.neighbours import near
from taskgroup.search.notes import SEPARATE, SHARED, Notes, Question, Turn
from taskgroup.search.objectives import front
from taskgroup.search.proposer import N_PROPOSED, Proposing
from taskgroup.search.sampling import Draw, Sampling

MAX_IDLE = 2
"""Suggestions of the sampler in a row that may need no training."""


@dataclass(frozen=True)
class Chosen:
    """What is to be asked next, shown to the sampler already; ``draw`` is None outside its space."""

    origin: str
    turn: Turn
    candidate: Candidate
    draw: Draw | None


@dataclass(frozen=True)
class Turns:
    """Chooses the next candidate from what is known; with one worker it would choose the same again.

    Both baselines come first, then ``first``, then in turn the sampler and the proposer. A sampler that has settled
    on a good point, or into a corner where limits are broken, suggests little that is worth training: after
    ``MAX_IDLE`` suggestions in a row that were known or over a limit, candidates are drawn near good ones within the
    limits (:func:`~.neighbours.near`), which are new and keep the limits by construction. After every two of them the
    sampler, which has learnt from them, gets another chance. (On planted trees of tasks no sampler beat a hill climb
    from the same first candidates.) Where the space has nothing new within the limits any more, the search is over.

    Attributes:
        ledger: What is known.
        sampling: The sampler's view of it.
        first: Origin and candidate of what is tried after the baselines; it may lie outside the space.
        proposing: The proposer and how often it is its turn, if there is one.
        is_new: Whether a candidate is unknown and within the limits.
        seed: Of the neighbours.
    """

    ledger: Ledger
    sampling: Sampling
    first: tuple[tuple[str, Candidate], ...]
    proposing: Proposing | None
    is_new: Callable[[Candidate], bool]
    seed: int

    @property
    def _notes(self) -> list[Notes]:
        return self.ledger.notes

    def choose(self, rows: Sequence[TrialRow]) -> Chosen | None:
        """What to ask next, None where nothing is left.

        Args:
            rows: The trials table so far.
        """
        turns = [notes.asked.turn for notes in self._notes]
        n_baselines, n_first = turns.count("baseline"), turns.count("first")
        if n_baselines < 2:
            return self._baseline((SEPARATE, SHARED)[n_baselines])
        if n_first < len(self.first):
            origin, candidate = self.first[n_first]
            return self._place(origin, "first", candidate)
        return self._proposed(rows, n_baselines + n_first) or self._sampled(rows)

    def _baseline(self, origin: str) -> Chosen:
        space = self.sampling.space
        make = Topology.separate if origin == SEPARATE else Topology.shared
        return self._place(origin, "baseline", space.plain(make(space.tasks, space.stages)))

    def _place(self, origin: str, turn: Turn, candidate: Candidate) -> Chosen:
        """Show a given candidate to the sampler, under the name its space has for it, if it has one."""
        params = self.sampling.space.encode(candidate)
        if params is None:
            self.sampling.skip()
            return Chosen(origin, turn, candidate, None)
        draw = self.sampling.place(params)
        return Chosen(origin, turn, draw.candidate, draw)

    def _proposed(self, rows: Sequence[TrialRow], n_before: int) -> Chosen | None:
        """The proposer's next candidate, if it is its turn and it has a new one.

        Args:
            rows: The trials table so far.
            n_before: Trials before sampler and proposer took turns.
        """
        n_trained = sum(not notes.is_idle for notes in self._notes[n_before:])
        if self.proposing is None or not self.proposing.is_turn(n_trained):
            return None
        trained = [row for row in rows if self._notes[row.number].is_spent]
        for origin, candidate in self.proposing.proposer.propose(trained, N_PROPOSED):
            if self.is_new(self._named(candidate)):
                return self._place(origin, "proposer", candidate)
        return None

    def _named(self, candidate: Candidate) -> Candidate:
        """The candidate as the space names it, which may say the same of its network in another way."""
        params = self.sampling.space.encode(candidate)
        return candidate if params is None else self.sampling.space.decode(params)

    def _sampled(self, rows: Sequence[TrialRow]) -> Chosen | None:
        """What the sampler suggests, or a neighbour of good candidates where that was in vain several times."""
        if not self.sampling.space.has_choice:
            return None
        if not self._is_stuck():
            draw = self.sampling.draw()
            return Chosen("sampler", "sampler", draw.candidate, draw)
        rng = np.random.default_rng([self.seed, len(self._notes)])
        params = near(self.sampling.space, self._centres(rows), rng, self.is_new)
        if params is None:
            return None
        draw = self.sampling.place(params)
        return Chosen("neighbour", "neighbour", draw.candidate, draw)

    def _is_stuck(self) -> bool:
        """Whether the sampler's last suggestions were in vain."""
        since = itertools.takewhile(lambda n: n.is_idle or n.asked.turn != "sampler", reversed(self._notes))
        turns = [notes.asked.turn for notes in since]
        return turns.count("sampler") >= MAX_IDLE + turns.count("neighbour") // 2

    def _centres(self, rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
        """Parameters of good candidates within limits: the best quarter, at least three; or those on the front."""
        trained = [row for row in rows if row.gain is not None and self._notes[row.number].is_spent]
        known = [row for row in trained if self._asked(row).is_allowed and self._asked(row).params is not None]
        if len(self.sampling.objective) > 1:
            good = front(known, self.sampling.objective[1:])
        else:
            good = sorted(known, key=lambda row: -(row.gain or 0.0))[: max(3, len(known) // 4)]
        return [self._asked(row).params or {} for row in good]

    def _asked(self, row: TrialRow) -> Question:
        return self._notes[row.number].asked
