"""Whoever proposes candidates between the sampler's suggestions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from taskgroup.core.recipe import Candidate
from taskgroup.core.record import TrialRow

N_PROPOSED = 16
"""How many candidates a proposer is asked for, of which the first new one within the limits is tried."""


class Proposer(Protocol):
    """Learns from the trials and proposes what to try next."""

    def propose(self, rows: Sequence[TrialRow], n: int) -> Sequence[tuple[str, Candidate]]:
        """Candidates with their origins, the most promising first; none where there is too little to learn from.

        It is asked from the controller's process, and again after an interruption: equal ``rows`` should give equal
        candidates. They need not lie in the sampler's space. Those known already or over a limit are passed over.

        Args:
            rows: Candidates that were trained, in the order of asking; no repeats.
            n: At most so many.
        """
        ...


@dataclass(frozen=True)
class Proposing:
    """A proposer, and when it is asked.

    Attributes:
        proposer: Whom to ask.
        every: Every so many-th training is its turn.
    """

    proposer: Proposer
    every: int = 2

    def is_turn(self, n_trained: int) -> bool:
        """Whether it chooses the next candidate, after so many that sampler and proposer chose and that were new."""
        return n_trained % self.every == self.every - 1
