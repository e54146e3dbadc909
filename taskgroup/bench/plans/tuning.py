"""Tuning within a budget: the learning rate of one candidate, and the best of several by racing over seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.core.gain import mean_gain
from taskgroup.core.recipe import Candidate
from taskgroup.errors import TrialError

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Factors of the learning rate that every arm chooses from."""
MOST_SEEDS = 4
"""A race ends after so many trainings of each that is left."""


@dataclass
class Race:
    """Candidates of one arm, compared under the same seeds until its budget is used up.

    Ratings are mean gains on validation against the arm's first candidate under the same seeds. A training that
    fails (a learning rate too high) puts its candidate out of the race.

    Attributes:
        lab: Trains.
        account: Of the arm.
    """

    lab: Lab
    account: Account
    _found: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    _known: dict[str, Candidate] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def add(self, candidate: Candidate) -> float | None:
        """Train once more; its rating so far, None where the budget is used up or the training failed."""
        key = candidate.fingerprint
        too_dear = bool(self._found) and self.lab.cost(candidate) > self.account.left
        if key in self._failed or too_dear or len(self._found.get(key, ())) >= MOST_SEEDS:
            return None
        k = len(self._found.get(key, ()))
        try:
            errors = self.lab.errors(candidate, k, self.account)
        except TrialError:
            self._failed.add(key)
            return None
        self._found.setdefault(key, []).append(errors)
        self._known[key] = candidate
        return self.rating(candidate)

    def rating(self, candidate: Candidate) -> float:
        """Over the seeds that it was trained under and the first candidate too."""
        reference = next(iter(self._found.values()))
        pairs = list(zip(self._found[candidate.fingerprint], reference, strict=False))
        return float(np.mean([mean_gain(errors, ref) for errors, ref in pairs]))

    def tune(self, candidate: Candidate) -> Candidate:
        """The candidate at the best learning rate: the scales 1, 4 and 1/4, then uphill by factors of two."""
        rated: dict[float, float] = {}

        def rate(scale: float) -> None:
            if scale in SCALES and scale not in rated:
                found = self.add(scaled(candidate, scale))
                rated[scale] = -np.inf if found is None else found

        for scale in (1.0, 4.0, 0.25):
            rate(scale)
        while True:
            best, n_before = max(rated, key=lambda s: rated[s]), len(rated)
            for scale in (best * 2, best / 2):
                rate(scale)
            if len(rated) == n_before:
                return scaled(candidate, best)

    def best(self, candidates: Sequence[Candidate] | None = None) -> Candidate:
        """Successive halving over seeds: all once, the better half twice, and so on, as long as the budget lasts.

        Where it does not carry any of ``candidates`` it is the best of what was trained before.

        Raises:
            TrialError: Every training failed.
        """
        alive = {c.fingerprint: c for c in candidates or self._known.values()}
        for key, candidate in alive.items():
            if key not in self._found:
                self.add(candidate)
        ranked = self._ranked(alive.values()) or self._ranked(self._known.values())
        if not ranked:
            raise TrialError("bench plans: every training of this arm failed")
        n_left, n_runs = len(ranked), 1
        while n_left > 1 and n_runs < MOST_SEEDS:
            n_left, n_runs = max(2, -(-n_left // 2)), n_runs + 1
            trained = [self._topped_up(c, n_runs) for c in [next(iter(self._known.values())), *ranked[:n_left]]]
            ranked = [*self._ranked(ranked[:n_left]), *ranked[n_left:]]
            if not any(trained):
                break
        return min(ranked, key=lambda c: c.fingerprint in self._failed)

    def refined(self, candidates: Sequence[Candidate]) -> Candidate:
        """The best of ``candidates``, at the best of its learning rate, twice and half of it."""
        leader = self.best(candidates)
        scales = (2 * leader.recipe.lr_scale, leader.recipe.lr_scale / 2)
        return self.best([leader, *(scaled(leader, scale) for scale in scales if scale in SCALES)])

    def _topped_up(self, candidate: Candidate, n_runs: int) -> bool:
        """Whether there was anything left to train it once more."""
        if len(self._found[candidate.fingerprint]) >= n_runs:
            return False
        return self.add(candidate) is not None

    def _ranked(self, among: Iterable[Candidate]) -> list[Candidate]:
        """Those that were trained, best first, however often: a round that the budget cuts short decides nothing."""
        there = [c for c in among if c.fingerprint in self._found]
        return sorted(there, key=lambda c: -self.rating(c))


def scaled(candidate: Candidate, scale: float) -> Candidate:
    """With another learning rate."""
    return candidate.model_copy(update={"recipe": candidate.recipe.model_copy(update={"lr_scale": scale})})
