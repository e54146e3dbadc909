"""Tuning within a budget, on planted gains: the best learning rate is found, and the best candidate wins the race."""

import math
from collections import Counter

import numpy as np
import pytest
from plans_samples import STAGES, TASKS, Planted

from taskgroup.bench.plans.tuning import MOST_SEEDS, SCALES, scaled
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.topology import Topology
from taskgroup.errors import TrialError

NAN = math.nan


def hill(peak: float, steep: float = 0.05) -> Planted:
    """Gains that fall on both sides of a learning rate."""
    return Planted(lambda candidate, _: -steep * abs(math.log2(candidate.recipe.lr_scale / peak)))


def at(scale: float) -> Candidate:
    return scaled(Planted(lambda *_: 0.0).shared, scale)


def steps_of(lab: Planted) -> list[float]:
    names = {at(scale).fingerprint: scale for scale in SCALES}
    return [names[fingerprint] for fingerprint, _ in lab.trained]


@pytest.mark.parametrize("peak", SCALES)
def test_uphill_leads_to_the_best_scale(peak: float) -> None:
    lab = hill(peak)
    race = lab.race()
    assert race.tune(lab.shared) == at(peak)
    tried = steps_of(lab)
    assert tried[:3] == [1.0, 4.0, 0.25]
    assert len(set(tried)) == len(tried)


def test_uphill_stops_at_the_first_step_that_does_not_help() -> None:
    lab = hill(0.25)
    lab.race().tune(lab.shared)
    assert steps_of(lab) == [1.0, 4.0, 0.25, 0.5]
    lab = hill(16.0)
    lab.race().tune(lab.shared)
    assert steps_of(lab) == [1.0, 4.0, 0.25, 8.0, 2.0, 16.0]


def test_learning_rates_that_fail_are_out() -> None:
    lab = Planted(lambda candidate, _: NAN if candidate.recipe.lr_scale > 2 else candidate.recipe.lr_scale / 10)
    race = lab.race()
    assert race.tune(lab.shared) == at(2.0)
    assert race.best() == at(2.0)
    assert Counter(steps_of(lab))[4.0] == 1


def test_a_training_that_fails_later_puts_its_candidate_out_too() -> None:
    def gains(candidate: Candidate, k: int) -> float:
        return (0.0, 0.5, NAN)[min(k, 1) + 1] if candidate.recipe.lr_scale == 4 else candidate.recipe.lr_scale / 100

    lab = Planted(gains)
    race = lab.race()
    race.tune(lab.shared)
    assert race.best().recipe.lr_scale not in (4.0, 0.25)


def test_where_every_training_fails_it_says_so() -> None:
    lab = Planted(lambda *_: NAN)
    race = lab.race()
    race.tune(lab.shared)
    with pytest.raises(TrialError, match="every training of this arm failed"):
        race.best()


@pytest.mark.parametrize("budget", [0.5, 1.0, 2.5, 4.0, 5.0, 9.0, 17.0, 1000.0])
def test_budgets_are_kept(budget: float) -> None:
    lab = hill(8.0)
    race = lab.race(budget)
    race.tune(lab.shared)
    race.best()
    assert race.account.spent == len(lab.trained)
    assert race.account.spent <= max(budget, 1)  # the first training is always done
    assert race.account.spent > min(budget, 16) - 1  # and what is there is used
    assert max(Counter(lab.trained).values()) == 1  # a training is never done twice


def nets() -> list[Candidate]:
    """Seven ways to part one task from the others, and some more."""
    lab, found = Planted(lambda *_: 0.0), []
    for n_shared in (0, 1):
        for task in TASKS:
            grouping = Grouping.of(TASKS, [[task], [t for t in TASKS if t != task]])
            found.append(lab.plain(Topology.branched(grouping, STAGES, n_shared)))
    return found


def test_the_race_finds_the_best_behind_luck() -> None:
    """The true order is that of the list; under the first seed the last but two looks best."""
    candidates = nets()
    truth = {c.fingerprint: -0.05 * k for k, c in enumerate(candidates)}
    lucky = candidates[5].fingerprint

    def gains(candidate: Candidate, k: int) -> float:
        luck = 0.4 if k == 0 and candidate.fingerprint == lucky else 0.0
        return truth.get(candidate.fingerprint, -1.0) + luck

    lab = Planted(gains)
    race = lab.race()
    race.add(lab.shared)
    assert race.best(candidates) == candidates[0]
    runs = Counter(fingerprint for fingerprint, _ in lab.trained)
    # 8 once, 4 twice, 2 to the end; the reference each time
    assert sorted(runs[c.fingerprint] for c in candidates) == [1, 1, 1, 1, 2, 2, MOST_SEEDS, MOST_SEEDS]
    assert runs[lab.shared.fingerprint] == MOST_SEEDS
    assert {k for _, k in lab.trained} == set(range(MOST_SEEDS))


@pytest.mark.parametrize("extra", range(12))
def test_a_round_that_the_budget_cuts_short_does_not_decide(extra: int) -> None:
    """What is trained more often for lack of money for the others is not better for that."""
    order = [at(1.0), at(4.0), at(0.25)]
    lab = Planted(lambda candidate, _: {1.0: 0.0, 4.0: 0.2, 0.25: -0.1}[candidate.recipe.lr_scale])
    race = lab.race(3 + extra)
    for candidate in order:
        race.add(candidate)
    assert race.best() == order[1]


def test_with_nothing_left_for_new_candidates_it_is_the_best_that_was_trained() -> None:
    lab = hill(4.0)
    race = lab.race(5.0)
    race.tune(lab.shared)
    assert race.best(nets()) == at(4.0)


def test_ratings_are_paired_with_the_first_candidate_by_seed() -> None:
    hard = np.array([0.0, -3.0, 2.0])  # seeds differ far more than candidates
    lab = Planted(lambda candidate, k: 1 - (1 - hard[k] / 4) * (0.9 if candidate.recipe.lr_scale > 1 else 1.0))
    race = lab.race()
    race.add(at(1.0))
    assert race.add(at(4.0)) == pytest.approx(0.1)
    race.add(at(1.0))
    assert race.add(at(4.0)) == pytest.approx(0.1)
    assert race.add(at(4.0)) == pytest.approx(0.1)  # a seed that the first was not trained under does not count
    assert race.rating(at(1.0)) == 0


def test_the_best_of_an_arm_is_tried_at_twice_and_half_its_rate() -> None:
    candidates = [scaled(c, 4.0) for c in nets()]
    best = candidates[2].architecture

    def gains(candidate: Candidate, _: int) -> float:
        return 0.5 * (candidate.architecture == best) + {8.0: 0.2, 2.0: 0.1}.get(candidate.recipe.lr_scale, 0.0)

    lab = Planted(gains)
    race = lab.race()
    race.add(lab.shared)
    assert race.refined(candidates) == scaled(candidates[2], 8.0)
    assert race.refined([scaled(candidates[2], 16.0)]) == scaled(candidates[2], 8.0)  # twice that is not allowed
