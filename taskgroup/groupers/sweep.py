"""One parameter tuned so that a method with no number of groups of its own gives several, from coarse to fine."""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from taskgroup.core.grouping import canonical_labels
from taskgroup.core.record import Proposal
from taskgroup.groupers.pairs import DECIMALS, Pairs

Labels = tuple[int, ...]

Point = tuple[float, int, int]
"""A value that was tried, and its number of groups as the upper and as the lower end of an interval.

They differ only where there was no answer: then each side is looked at as if all that is missing were there.
"""

RESOLUTION = 1e-3
"""Neighbours closer than this part of the whole range are not parted any further."""


@dataclass(frozen=True)
class Swept:
    """What a sweep found.

    Attributes:
        best: Number of groups → labels in name order, the numbers ascending.
        wanted: Numbers of groups that were looked for.
        n_tried: Values of the parameter that were tried.
        n_failed: Of these, how many gave no answer.
    """

    best: dict[int, Labels]
    wanted: range
    n_tried: int
    n_failed: int

    def proposals(self, pairs: Pairs, name: str) -> tuple[Proposal, ...]:
        """The groupings as proposals called ``name, k groups``, from coarse to fine."""
        return tuple(
            Proposal(grouping=pairs.grouping(labels), source=f"{name}, {k} groups") for k, labels in self.best.items()
        )

    def notes(self, name: str) -> list[str]:
        """The numbers of groups that were not found, and the values without an answer."""
        missing = [k for k in self.wanted if k not in self.best]
        absent = [f"{name} found no grouping into {spans(missing)} groups: not proposed"] if missing else []
        failed = [f"{name} did not settle at {self.n_failed} of {self.n_tried} values of its sweep: left out"]
        return absent + failed * (self.n_failed > 0)


def spans(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: ``2, 4 to 6``."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    words = (str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
    return ", ".join(words)


def swept(
    labels_at: Callable[[float], Sequence[int] | None],
    starts: Sequence[float],
    wanted: range,
    tries: int,
    score: Callable[[Labels], float],
) -> Swept:
    """The best labels found for each wanted number of groups.

    After ``starts`` the parameter is halved, time and again, between the two neighbours with the greatest product of
    their distance and the wanted numbers between theirs that are not found yet, until none is missing or ``tries`` are
    used up. The method need not be monotone in its parameter, and a number may be missed.

    Args:
        labels_at: The method: parameter → labels in name order, None where it has no answer.
        starts: The sweep stays between the least and the greatest. All are tried, whatever ``tries`` says.
        wanted: Numbers of groups worth keeping; nothing is tried where it is empty.
        tries: Most values to try.
        score: Of several groupings into the same number the greatest wins; of equal ones the first in labels' order.
    """
    found: dict[int, set[Labels]] = {}
    points: list[Point] = []
    failed: list[float] = []

    def look(parameter: float, fewest: int, most: int) -> None:
        answer = labels_at(parameter)
        if answer is None:
            failed.append(parameter)
            insort(points, (parameter, most, fewest))
        else:
            labels = canonical_labels(answer)
            found.setdefault(len(set(labels)), set()).add(labels)
            insort(points, (parameter, len(set(labels)), len(set(labels))))

    for parameter in sorted(set(starts)) if wanted else ():
        look(parameter, wanted.start - 1, wanted.stop)
    while 1 < len(points) < tries:
        missing = [k for k in wanted if k not in found]
        gaps = [_area(low, high, missing) for low, high in pairwise(points)]
        widest = max(range(len(gaps)), key=lambda n: gaps[n])
        low, high = points[widest], points[widest + 1]
        if gaps[widest] == 0 or high[0] - low[0] < RESOLUTION * (points[-1][0] - points[0][0]):
            break
        look((low[0] + high[0]) / 2, low[2], high[1])
    best = {
        k: min(found[k], key=lambda labels: (-round(score(labels), DECIMALS), labels)) for k in wanted if k in found
    }
    return Swept(best, wanted, len(points), len(failed))


def _area(low: Point, high: Point, missing: Sequence[int]) -> float:
    few, many = sorted((low[2], high[1]))
    return (high[0] - low[0]) * sum(few < k < many for k in missing)
