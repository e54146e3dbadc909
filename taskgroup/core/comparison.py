"""Comparison: several measures of affinity on one problem, and what training really gained, as data."""

from dataclasses import dataclass

from taskgroup.core.affinity import Affinity
from taskgroup.core.reliability import centred_rank_agreement


@dataclass(frozen=True)
class Measured:
    """One measure and what it found.

    Attributes:
        name: Method with the options it was asked for, e.g. ``cka(kernel=rbf)``; unique in a comparison.
        family: ``training``, ``representation``, ``transfer``, ``data``, ``capacity``, ``measured``, or the package it
            comes from.
        sees: What it was shown.
        meaning: What a value says of A and B, in words.
        symmetric: Whether ``[i, j]`` equals ``[j, i]``.
        affinity: Its matrices.
        look_s: Seconds spent in the measure itself, all seeds together.
        training_s: Seconds of the trainings that it looked at, shared by all measures of the same sight.
        reliability: Agreement of the mean over seeds with that over as many other seeds, from -1 to 1; None where
            there was one seed, or nothing to compare.
    """

    name: str
    family: str
    sees: str
    meaning: str
    symmetric: bool
    affinity: Affinity
    look_s: float
    training_s: float
    reliability: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Measures side by side.

    Attributes:
        name: Of the job.
        measured: In the order asked for; at least one, all over the same tasks and stages.
        gains: What sharing really gained each target, in the axes of an affinity; None where nothing was trained yet.
        gains_from: Where the gains come from, or how to get some; one or two sentences.
    """

    name: str
    measured: tuple[Measured, ...]
    gains: Affinity | None
    gains_from: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names."""
        return self.measured[0].affinity.tasks

    @property
    def affinities(self) -> dict[str, Affinity]:
        """Matrices by name."""
        return {m.name: m.affinity for m in self.measured}

    def agreement(self, a: str, b: str) -> float:
        """Recipient-centred rank correlation of two measures over the whole trunk; NaN where undefined."""
        found = self.affinities
        return _agreement(found[a], found[b])

    def agreement_with_gains(self, name: str) -> float:
        """The same with the measured gains; NaN where there are none, and for the measure that they come from."""
        if self.gains is None or self.is_gains(name):
            return float("nan")
        return _agreement(self.affinities[name], self.gains)

    def is_gains(self, name: str) -> bool:
        """Whether the measured gains are this measure's."""
        return self.affinities[name] is self.gains


def _agreement(a: Affinity, b: Affinity) -> float:
    return centred_rank_agreement(a.slice(), b.slice())
