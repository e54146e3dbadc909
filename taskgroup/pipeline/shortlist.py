"""The short list: the best of the search are trained under further seeds, before finalists are taken from them."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from taskgroup.core.gain import mean_gain
from taskgroup.core.record import TrialRow
from taskgroup.core.trial import TrialResult
from taskgroup.pipeline.context import Job, counting
from taskgroup.pipeline.forking import SearchTrials
from taskgroup.search.notes import SEPARATE
from taskgroup.search.select import finalists, rating

SHARE = 0.2
"""Of the search's compute, that the first round may take."""
FEWEST = 2
"""Candidates that are trained again whatever it takes."""


def shortlist(job: Job, rows: Sequence[TrialRow], trials: SearchTrials) -> list[TrialRow]:
    """``rows``, the best of which say what they gain under further seeds.

    What looks best among many under one seed owes some of it to that seed. So ``confirm.shortlist`` candidates, or as
    many as a share of the search's compute pays for, are trained under a second seed of the search, the better half
    under a third, and so on, ``confirm.rounds`` in all (successive halving, Karnin, Koren and Somekh 2013). All seeds
    are the same for all, and none of them is one of the confirmation's. Where ``confirm.division`` has rows divided
    anew, they are so for each round, in which all-separate is trained too, for the gains to be against.
    """
    config, known = job.config.confirm, {row.number: row for row in rows}
    alive = _candidates(job, rows, SHARE * sum(row.trainings for row in rows)) if config.shortlist else []
    if not alive:
        return list(rows)
    sizes = _sizes(len(alive), config.rounds)
    n_separate = 0 if job.division("shortlist", 0) is None else len(sizes)
    job.progress.begin("shortlist", sum(sizes) + n_separate)
    taking = _Taking(job, trials, known, counting(job))
    for k, size in enumerate(sizes, 1):
        alive = taking.again(k, sorted(alive, key=lambda n: -rating(known[n]))[:size])
    job.charge("shortlist", taking.spent)
    job.progress.end(f"{taking.n_trained} further trainings of the best")
    return [known[number] for number in sorted(known)]


def _sizes(n_first: int, n_rounds: int) -> list[int]:
    """Candidates of each round: half of those before, and no round for one alone."""
    sizes = [n_first]
    while len(sizes) < n_rounds and sizes[-1] > FEWEST:
        sizes.append(math.ceil(sizes[-1] / 2))
    return sizes


@dataclass
class _Taking:
    """Trains rows once more, and keeps what they gained.

    Attributes:
        job: Its crew trains.
        trials: How the search trained.
        rows: By number; replaced as they learn more.
        count: Told of every result.
    """

    job: Job
    trials: SearchTrials
    rows: dict[int, TrialRow]
    count: Callable[[TrialResult], None]
    spent: float = field(default=0.0, init=False)
    n_trained: int = field(default=0, init=False)

    def again(self, k: int, numbers: Sequence[int]) -> list[int]:
        """Train those under the ``k``-th further seed; gives the ones that trained."""
        division, separate = self.job.division("shortlist", k - 1), _separate(self.rows)
        added = [] if division is None or separate in numbers else [separate]
        specs = {n: self.trials.spec(self.rows[n].candidate, k=k, division=division) for n in [*numbers, *added]}
        self.spent += sum(
            self.job.compute.trainings(self.rows[number].candidate, spec.train.steps) for number, spec in specs.items()
        )
        self.n_trained += len(specs)
        done = {}
        for result in self.job.crew.each(list(specs.values())):
            done[result.key] = result
            self.count(result)
        reference = self.rows[separate].errors if division is None else done[specs[separate].key].errors
        trained = [n for n in numbers if reference and done[specs[n].key].state == "complete"]
        for number in numbers:
            row = self.rows[number]
            gain = mean_gain(done[specs[number].key].errors, reference) if number in trained else None
            self.rows[number] = row.model_copy(update={"again": () if gain is None else (*row.again, gain)})
        return trained


def _separate(rows: Mapping[int, TrialRow]) -> int:
    """Number of all-separate, which gains are against."""
    return next(number for number, row in rows.items() if row.origin == SEPARATE)


def _candidates(job: Job, rows: Sequence[TrialRow], share: float) -> list[int]:
    """The best candidates, as many as ``share`` pays for."""
    best = finalists(rows, job.limits, job.config.confirm.shortlist)
    costs = itertools.accumulate(row.trainings for row in best)
    return [row.number for k, (row, cost) in enumerate(zip(best, costs, strict=True)) if cost <= share or k < FEWEST]
