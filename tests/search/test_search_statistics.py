"""Intervals of paired gains: closed forms, pairing, and coverage on data with a known truth."""

from typing import Literal

import numpy as np
import pytest
from scipy import stats

from taskgroup.bench.confirming.planted import Noise, plant
from taskgroup.core.gain import Interval, task_gains
from taskgroup.errors import InputError
from taskgroup.search.statistics import (
    drawn_gains,
    gain_estimate,
    gain_interval,
    seed_weights,
    seeds_to_settle,
    worst_task,
)


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_constant_gain_has_no_width() -> None:
    reference = np.array([[0.2, 0.4], [0.1, 0.5], [0.3, 0.3]])
    found = gain_interval(0.9 * reference, reference)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.above_zero


def test_nothing_gained_over_itself() -> None:
    errors = np.random.default_rng(0).uniform(0.1, 0.4, (4, 3))
    assert gain_interval(errors, errors) == Interval(mean=0.0, low=0.0, high=0.0)


def test_mean_is_over_tasks_of_ratios_of_means_over_seeds() -> None:
    errors, reference = np.array([[1.0, 3.0], [2.0, 3.0]]), np.array([[4.0, 4.0], [2.0, 4.0]])
    assert gain_interval(errors, reference).mean == pytest.approx(((1 - 3 / 6) + (1 - 6 / 8)) / 2)


def test_sign_is_that_of_lower_errors() -> None:
    low, high = np.full((3, 2), 0.1), np.full((3, 2), 0.2)
    assert gain_interval(low, high).mean == pytest.approx(0.5)
    assert gain_interval(high, low).mean == pytest.approx(-1.0)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.99])
def test_two_seeds_of_one_task_in_closed_form(level: float) -> None:
    """One seed of two is drawn: standard error |a - b| / 2, Student's quantile with one degree of freedom."""
    found = gain_interval(np.array([[0.5], [0.9]]), np.ones((2, 1)), level=level, n_draws=20_000)
    margin = stats.t.ppf(0.5 + level / 2, 1) * 0.2
    assert found.mean == pytest.approx(0.3)
    assert (found.high - found.mean) / margin == pytest.approx(1, abs=0.02)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


@pytest.mark.parametrize("n_tasks", [2, 5, 12])
def test_tasks_that_differ_in_closed_form(n_tasks: int) -> None:
    """No doubt about these tasks without noise between seeds; about others that of a mean, s / sqrt(T)."""
    gains = np.linspace(-0.1, 0.3, n_tasks)
    errors, reference = np.tile(1 - gains, (4, 1)), np.ones((4, n_tasks))
    assert width(gain_interval(errors, reference)) == pytest.approx(0)
    found = gain_estimate(errors, reference, over="tasks")
    assert found.mean == pytest.approx(0.1)
    assert found.stderr == pytest.approx(gains.std(ddof=1) / np.sqrt(n_tasks))
    assert found.freedom == pytest.approx(n_tasks - 1)
    margin = stats.t.ppf(0.95, n_tasks - 1) * found.stderr
    assert width(gain_interval(errors, reference, over="tasks")) == pytest.approx(2 * margin)


def test_variance_for_other_tasks_is_that_of_two_crossed_factors() -> None:
    """Against one reference without noise gains are plain numbers, and the parts those of an analysis of variance."""
    n_seeds, n_tasks = 6, 9
    rng = np.random.default_rng(0)
    gains = 0.05 * rng.normal(size=(n_seeds, 1)) + 0.1 * rng.normal(size=n_tasks)
    gains = gains + 0.05 * rng.normal(size=(n_seeds, n_tasks))
    rest = gains - gains.mean(0) - gains.mean(1)[:, None] + gains.mean()
    by = {
        n_seeds - 1: gains.mean(1).var(ddof=1) / n_seeds,
        n_tasks - 1: gains.mean(0).var(ddof=1) / n_tasks,
        (n_seeds - 1) * (n_tasks - 1): (rest**2).sum() / (n_seeds - 1) / (n_tasks - 1) / n_seeds / n_tasks,
    }
    seeds, tasks, runs = by.values()
    both = seeds + tasks - runs
    assert both > max(seeds, tasks)
    found = gain_estimate(1 - gains, np.ones_like(gains), over="tasks", n_draws=50_000)
    assert found.mean == pytest.approx(gains.mean())
    assert found.stderr**2 == pytest.approx(both, rel=0.02)
    assert found.freedom == pytest.approx(both**2 / sum(v**2 / k for k, v in by.items()), rel=0.05)


def test_noise_alone_is_counted_once() -> None:
    """Where only single runs differ, seeds and tasks each see all of the variance, and it is not added up."""
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(200):
        gains = rng.normal(size=(8, 8)) / 10
        ratios.append(gain_estimate(1 - gains, np.ones_like(gains), over="tasks", n_draws=300).stderr ** 2 * 64 * 100)
    assert 1.0 <= np.mean(ratios) < 1.4


def test_other_tasks_take_two_of_them_and_an_interval_two_seeds() -> None:
    with pytest.raises(InputError, match=r"takes two tasks at least, found 1"):
        gain_interval(np.ones((3, 1)), np.ones((3, 1)), over="tasks")
    with pytest.raises(InputError, match=r"takes two paired seeds at least, found 1; raise `confirm.seeds`"):
        gain_interval(np.ones((1, 3)), np.ones((1, 3)))


def test_drawn_gains_are_gains_of_the_drawn_runs() -> None:
    """Two of three seeds are drawn: the same as the gain of those two runs."""
    rng = np.random.default_rng(2)
    errors, reference = rng.uniform(0.1, 0.4, (3, 4)), rng.uniform(0.1, 0.4, (3, 4))
    weights = seed_weights(3, 200)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert set(np.unique(weights)) == {0.0, 0.5, 1.0}
    one = weights[0]
    twice = [s for s in range(3) for _ in range(round(2 * one[s]))]
    assert drawn_gains(weights, errors, reference)[0] == pytest.approx(task_gains(errors[twice], reference[twice]))


def test_worst_task_is_the_least_gain_with_its_standard_error() -> None:
    rng = np.random.default_rng(3)
    separate = np.ones((6, 3))
    errors = 1 - np.array([0.1, -0.2, 0.3]) + rng.normal(0, 0.05, (6, 3))
    gains = 1 - errors
    upper = gains.mean(0) + gains.std(0, ddof=1) / np.sqrt(6)
    assert worst_task(errors, separate) == pytest.approx(upper[1], abs=0.003)
    assert worst_task(separate, separate) == 0.0


def test_seeds_that_differ_in_closed_form() -> None:
    errors = 1 - np.random.default_rng(5).normal(0.1, 0.05, (6, 1))
    found = gain_interval(errors, np.ones((6, 1)), n_draws=20_000)
    margin = stats.t.ppf(0.95, 5) * errors.std(ddof=1) / np.sqrt(6)
    assert (found.high - found.mean) / margin == pytest.approx(1, abs=0.02)


def test_what_is_common_to_a_seed_does_not_widen() -> None:
    rng = np.random.default_rng(1)
    gains = rng.normal(0.1, 0.05, 6)
    common = rng.uniform(0.5, 2.0, (5, 1))
    calm = gain_interval(np.tile(1 - gains, (5, 1)), np.ones((5, 6)))
    stormy = gain_interval(common * (1 - gains), np.tile(common, (1, 6)))
    assert (stormy.mean, stormy.low, stormy.high) == pytest.approx((calm.mean, calm.low, calm.high))
    unpaired = gain_interval(common * (1 - gains), np.roll(np.tile(common, (1, 6)), 1, axis=0))
    assert width(unpaired) > 5 * width(stormy)


def test_minus_is_the_difference_of_two_gains() -> None:
    rng = np.random.default_rng(2)
    one, two, reference = (rng.uniform(0.2, 0.4, (5, 3)) for _ in range(3))
    found = gain_interval(one, reference, minus=two)
    assert found.mean == pytest.approx(gain_interval(one, reference).mean - gain_interval(two, reference).mean)
    assert gain_interval(one, reference, minus=one) == Interval(mean=0.0, low=0.0, high=0.0)
    other = gain_interval(two, reference, minus=one)
    assert (other.mean, other.low, other.high) == pytest.approx((-found.mean, -found.high, -found.low))


def test_minus_is_paired() -> None:
    """Two arms that swing together differ by less than each swings."""
    rng = np.random.default_rng(3)
    swing = rng.uniform(0.1, 0.4, (5, 4))
    difference = gain_interval(0.9 * swing, np.full((5, 4), 0.3), minus=swing)
    assert difference.above_zero
    assert not gain_interval(0.9 * swing, np.full((5, 4), 0.3), minus=np.roll(swing, 1, axis=0)).above_zero


def test_same_data_same_interval_and_level_widens() -> None:
    rng = np.random.default_rng(4)
    errors, reference = rng.uniform(0.1, 0.3, (5, 4)), rng.uniform(0.1, 0.3, (5, 4))
    assert gain_interval(errors, reference) == gain_interval(errors, reference)
    assert width(gain_interval(errors, reference, level=0.99)) > width(gain_interval(errors, reference, level=0.8))


N_RUNS = 400


def coverage(over: Literal["seeds", "tasks"], n_seeds: int, n_tasks: int, noise: Noise, spread: float = 0.1) -> float:
    """How often intervals at 90 % hold the truth: the mean over these tasks, or over all that there could be."""
    rng = np.random.default_rng([n_seeds, n_tasks])
    here, held = rng.normal(0.1, spread, n_tasks), 0
    for _ in range(N_RUNS):
        gains = here if over == "seeds" else rng.normal(0.1, spread, n_tasks)
        errors, reference = plant(rng, np.stack([gains, np.zeros(n_tasks)]), n_seeds, noise)[0]
        found = gain_interval(errors, reference, over=over, n_draws=200)
        held += found.low <= (here.mean() if over == "seeds" else 0.1) <= found.high
    return held / N_RUNS


NETWORKS, TAILS = Noise(network=0.08, run=0.02), Noise(run=0.3)
"""Luck mostly of whole networks, and heavy tails of single runs."""

SIZES = [(n_seeds, n_tasks) for n_seeds in (3, 5, 10) for n_tasks in (3, 8, 30)]
SOME = [(3, 30), (5, 8), (10, 3)]


@pytest.mark.parametrize(
    ("noise", "n_seeds", "n_tasks"),
    [*((Noise(), *size) for size in SIZES), *((noise, *size) for noise in (NETWORKS, TAILS) for size in SOME)],
)
def test_nine_of_ten_intervals_hold_the_gain_on_these_tasks(noise: Noise, n_seeds: int, n_tasks: int) -> None:
    assert 0.85 <= coverage("seeds", n_seeds, n_tasks, noise) <= 0.95


@pytest.mark.parametrize(
    ("noise", "n_seeds", "n_tasks"), [*((Noise(), *size) for size in SIZES), *((NETWORKS, *size) for size in SOME)]
)
def test_nine_of_ten_intervals_hold_the_gain_on_tasks_like_these(noise: Noise, n_seeds: int, n_tasks: int) -> None:
    spread = 0.2 if n_tasks == 3 else 0.1
    assert 0.85 <= coverage("tasks", n_seeds, n_tasks, noise, spread) <= 0.95


def test_other_tasks_widen_rather_too_much_where_tasks_do_not_differ() -> None:
    """The floor of the variance shows: which of its parts is nothing is not known from so few."""
    assert 0.9 <= coverage("tasks", 5, 8, Noise(run=0.3), 0.0) <= 0.99


def test_that_tasks_differ_is_no_doubt_about_these() -> None:
    """Their spread, a third here, would make the interval several times as wide."""
    rng = np.random.default_rng(0)
    errors, reference = plant(rng, np.stack([np.linspace(-0.4, 0.6, 8), np.zeros(8)]), 5, Noise())[0]
    assert 3 * width(gain_interval(errors, reference)) < width(gain_interval(errors, reference, over="tasks"))


def test_seeds_to_settle_shrinks_as_student_and_root_n_do() -> None:
    """The usual formula for the size of a sample, with a chance of 80 %."""
    mean, spread, n_seeds, moves = 0.05, 0.1, 4, stats.norm.ppf(0.8)
    margin = stats.t.ppf(0.95, n_seeds - 1) * spread / n_seeds**0.5
    advantage = Interval(mean=mean, low=mean - margin, high=mean + margin)
    more = seeds_to_settle(advantage, n_seeds, 0.9, 40)
    assert more is not None
    after = n_seeds + more
    assert (stats.t.ppf(0.95, after - 1) + moves) * spread / after**0.5 < mean
    assert (stats.t.ppf(0.95, after - 2) + moves) * spread / (after - 1) ** 0.5 >= mean
    assert seeds_to_settle(advantage, n_seeds, 0.9, after - 1) is None


def test_seeds_to_settle_where_it_is_settled_or_never_will_be() -> None:
    assert seeds_to_settle(Interval(mean=0.2, low=0.1, high=0.3), 5, 0.9, 20) == 0
    assert seeds_to_settle(Interval(mean=-0.1, low=-0.3, high=0.1), 5, 0.9, 1000) is None
