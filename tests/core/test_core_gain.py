import numpy as np
import pytest

from taskgroup.core.gain import Interval, mean_gain, task_gains


def test_gain_is_the_relative_error_reduction() -> None:
    # Task 1: errors 0.1 and 0.3 against 0.2 and 0.6, half the error is gone; task 2 doubles it.
    errors = np.array([[0.1, 4.0], [0.3, 4.0]])
    reference = np.array([[0.2, 2.0], [0.6, 2.0]])
    np.testing.assert_allclose(task_gains(errors, reference), [0.5, -1.0])


def test_gain_takes_means_over_seeds_before_the_ratio() -> None:
    gains = task_gains(np.array([[1.0], [1.0]]), np.array([[1.0], [4.0]]))
    np.testing.assert_allclose(gains, [1 - 2 / 5])  # the mean of the ratios would be 0.375


def test_gain_keeps_leading_axes() -> None:
    errors = np.random.default_rng(0).uniform(1, 2, size=(6, 3, 4))
    assert task_gains(errors, errors[:1]).shape == (6, 4)
    np.testing.assert_allclose(task_gains(errors, errors), np.zeros((6, 4)), atol=1e-15)


def test_mean_gain_weighs_tasks_equally() -> None:
    assert mean_gain({"a": 1.0, "b": 300.0}, {"a": 2.0, "b": 200.0}) == pytest.approx(1 - (0.5 * 1.5) ** 0.5)
    assert mean_gain({"a": 1.0, "b": 3.0, "other": 9.0}, {"a": 2.0, "b": 4.0}) == pytest.approx(1 - (0.5 * 0.75) ** 0.5)
    assert mean_gain({"a": 0.2, "b": 0.1}, {"a": 0.1, "b": 0.2}) == pytest.approx(0)  # whichever is the reference
    assert mean_gain({"a": 0.0, "b": 0.1}, {"a": 0.1, "b": 0.1}) < 1


@pytest.mark.parametrize(
    ("low", "high", "above", "below"), [(0.1, 0.2, True, False), (-0.2, 0.2, False, False), (-0.2, -0.1, False, True)]
)
def test_interval_against_zero(low: float, high: float, above: bool, below: bool) -> None:
    interval = Interval(mean=(low + high) / 2, low=low, high=high)
    assert (interval.above_zero, interval.below_zero) == (above, below)


def test_an_interval_that_touches_zero_is_on_neither_side() -> None:
    assert not Interval(mean=0.1, low=0.0, high=0.2).above_zero
    assert not Interval(mean=-0.1, low=-0.2, high=0.0).below_zero


def test_interval_for_people() -> None:
    assert Interval(mean=0.0123, low=-0.003, high=0.0271).percent() == "+1.2 % [-0.3, +2.7]"
