"""Intervals of paired gains: closed forms, pairing, and coverage on data with a known truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from taskgroup.core.gain import Interval
from taskgroup.search.statistics import gain_interval, seeds_to_settle

Array = NDArray[np.float64]


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
    """Without noise between seeds the standard error is that of a mean over tasks, s / sqrt(T)."""
    gains = np.linspace(-0.1, 0.3, n_tasks)
    found = gain_interval(np.tile(1 - gains, (4, 1)), np.ones((4, n_tasks)), n_draws=20_000)
    margin = stats.t.ppf(0.95, 3) * gains.std(ddof=1) / np.sqrt(n_tasks)
    assert found.mean == pytest.approx(0.1)
    assert (found.high - found.mean) / margin == pytest.approx(1, abs=0.02)


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


def planted(rng: np.random.Generator, spread: float, n_seeds: int, n_tasks: int) -> tuple[Array, Array]:
    """Errors whose gains scatter about 0.1 by task, with noise common to a seed and noise of each run."""
    reference = rng.uniform(0.1, 0.4, n_tasks) * np.exp(rng.normal(0, 0.3, (n_seeds, 1)))
    gains = rng.normal(0.1, spread, n_tasks)
    noise = np.exp(rng.normal(0, 0.05, (2, n_seeds, n_tasks)))
    return reference * (1 - gains) * noise[0], reference * noise[1]


def coverage(spread: float) -> tuple[float, float]:
    """How often intervals at 90 % hold the truth, and their mean width."""
    rng = np.random.default_rng(6)
    found = [gain_interval(*planted(rng, spread, 5, 8), level=0.9) for _ in range(300)]
    return float(np.mean([i.low <= 0.1 <= i.high for i in found])), float(np.mean([width(i) for i in found]))


@pytest.mark.parametrize("spread", [0.1, 0.2])
def test_nine_of_ten_intervals_hold_the_truth(spread: float) -> None:
    covered, wide = coverage(spread)
    assert 0.85 <= covered <= 0.97
    assert wide < 4 * spread  # not by being endless


def test_intervals_are_too_wide_rather_than_too_narrow_where_tasks_do_not_differ() -> None:
    """Drawing seeds and tasks counts the noise of single runs up to three times."""
    covered, wide = coverage(0.0)
    assert covered >= 0.9
    assert wide < 0.1


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
