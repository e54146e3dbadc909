"""Averages over looks: closed forms, and intervals that cover what they say on simulated trainings."""

import numpy as np
import pytest

from taskgroup.core.averaging import (
    Array,
    Average,
    average,
    batch_variance,
    clipped,
    correlation_time,
    estimate,
)

NAN = float("nan")
T7 = 1.894578605061305 / 1.6448536269514722  # what a 90 % interval is wider for 7 degrees of freedom
T1 = 6.313751514675043 / 1.6448536269514722


def sequences(*seeds: object) -> list[Array]:
    """Looks at one task and one slice from plain sequences, one for each seed."""
    return [np.asarray(seed, dtype=np.float64).reshape(-1, 1, 1, 1) for seed in seeds]


def steps(rng: np.random.Generator, n: int, shape: tuple[int, ...], correlation: float, heavy: bool = False) -> Array:
    """An AR(1) series of unit variance (of infinite kurtosis where ``heavy``) along axis 0."""
    fresh = rng.standard_t(3, size=(n + 50, *shape)) if heavy else rng.normal(size=(n + 50, *shape))
    series = np.zeros_like(fresh)
    for k in range(1, len(fresh)):
        series[k] = correlation * series[k - 1] + np.sqrt(1 - correlation**2) * fresh[k]
    return series[50:]


def test_trimmed_mean_cuts_both_ends() -> None:
    samples = np.array([100.0, 1, 2, 3, 4, 5, 6, 7, 8, -100])
    assert average(samples, "trimmed", 0.1) == 4.5
    assert average(samples, "trimmed", 0.4) == 4.5  # the middle two, 4 and 5
    assert average(samples, "trimmed", 0.0) == pytest.approx(3.6)
    assert average(samples, "trimmed", 0.05) == pytest.approx(3.6)  # half a sample is not cut


def test_what_was_not_seen_is_left_out() -> None:
    samples = np.array([[1.0, NAN], [NAN, NAN], [3.0, NAN], [100.0, NAN], [-9.0, NAN]])
    np.testing.assert_array_equal(average(samples, "trimmed", 0.25), [2.0, NAN])  # 4 seen, one cut at each end
    np.testing.assert_array_equal(average(samples, "median"), [2.0, NAN])
    np.testing.assert_array_equal(average(samples, "mean"), [23.75, NAN])


@pytest.mark.parametrize("n", range(1, 9))
def test_median_is_the_median(n: int) -> None:
    samples = np.random.default_rng(n).normal(size=(n, 3))
    np.testing.assert_allclose(average(samples, "median"), np.median(samples, axis=0))
    np.testing.assert_allclose(average(samples, "mean", 0.4), samples.mean(axis=0))


def test_one_look_near_zero_loss_moves_the_plain_mean_alone() -> None:
    looks = np.r_[np.full(19, 0.1), -1e6]
    assert average(looks, "mean") < -1e4
    assert [average(looks, "trimmed"), average(looks, "median")] == pytest.approx([0.1, 0.1])


def test_clipping_sets_the_ends_to_the_nearest_kept() -> None:
    samples = np.array([9.0, 1, 2, NAN, 3, -7])
    np.testing.assert_array_equal(clipped(samples, 0.2), [3, 1, 2, NAN, 3, 1])
    np.testing.assert_array_equal(clipped(samples, 0.0), samples)


def test_error_within_a_seed_comes_from_the_means_of_runs() -> None:
    # Two runs of two steps: means 1 and 5, variance 8 between them, 8 / 2 for their mean; 1 degree of freedom.
    variance, freedom = batch_variance(np.array([0.0, 2, 4, 6]), "mean", 0.0, 2)
    assert [variance, freedom] == pytest.approx([4.0, 1.0])
    # As many runs as steps: the usual standard error.
    variance, freedom = batch_variance(np.array([0.0, 2, 4, 6]), "mean", 0.0, 9)
    assert [variance, freedom] == pytest.approx([(20 / 3) / 4, 3.0])


def test_error_of_the_median_comes_from_the_medians_of_runs() -> None:
    # Runs (0, 0, 9) and (4, 4, -9): medians 0 and 4, variance 8 between them.
    variance, _ = batch_variance(np.array([0.0, 0, 9, 4, 4, -9]), "median", 0.1, 2)
    assert variance == pytest.approx(4.0)


def test_error_of_a_trimmed_mean_comes_from_clipped_runs() -> None:
    # Trimmed by a sixth at each end: 9 becomes 4, -9 becomes 0. Runs mean 4/3 and 8/3, over 1 - 1/3.
    variance, _ = batch_variance(np.array([0.0, 0, 9, 4, 4, -9]), "trimmed", 1 / 6, 2)
    assert variance == pytest.approx((2 / 3) ** 2 / (2 / 3) ** 2)


def test_runs_count_by_what_was_seen_in_them() -> None:
    # Shares 3/4 and 1/4 of means 2 and 6, which is 3 in all: (9 · 1 + 1 · 9) / 16 over 1 - 10/16.
    variance, freedom = batch_variance(np.array([1.0, 2, 3, NAN, NAN, 6]), "mean", 0.0, 2)
    assert variance == pytest.approx((18 / 16) / (6 / 16))
    assert freedom == pytest.approx(0.6)


@pytest.mark.parametrize("looks", [[3.0], [1.0, 2, NAN, NAN], [NAN] * 4])
def test_one_run_has_no_error(looks: list[float]) -> None:
    found = estimate(sequences(looks), n_batches=2)
    assert np.isnan(found.stderr.item())
    assert found.counts.item() == np.sum(~np.isnan(looks))
    assert found.effective.item() == found.counts.item()


def test_over_seeds_the_mean_is_plain() -> None:
    found = estimate(sequences([0.0, 1, 2, 3, 100], [10.0] * 5), "trimmed", 0.2)
    assert found.values.item() == 6.0  # (2 + 10) / 2
    assert found.counts.item() == 10


def test_error_over_seeds_is_the_larger_of_within_and_between() -> None:
    # Within: variances 2 / 2 = 1 each, mean 1, over two seeds 1/2. Between: means 1 and 9, 32 / 2 = 16.
    t2 = 2.919985580355516 / 1.6448536269514722  # each seed gives one degree of freedom
    assert estimate(sequences([0.0, 2], [8.0, 10]), "mean", n_batches=2).stderr.item() == pytest.approx(4.0 * t2)
    assert estimate(sequences([0.0, 2], [0.0, 2]), "mean", n_batches=2).stderr.item() == pytest.approx(t2 / 2**0.5)


def test_an_entry_known_from_one_look_a_seed_rests_on_the_seeds() -> None:
    found = estimate(sequences([1.0], [3.0]))
    assert found.values.item() == 2
    assert found.stderr.item() == pytest.approx(1.0 * T1)


def test_the_spread_of_seeds_is_drawn_towards_that_of_the_slice() -> None:
    """With two seeds, one entry whose seeds happen to agree does not get a small error where all others differ."""
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(2, 1, 1, 8, 8)) * 5
    offsets[:, 0, 0, 0, 1] = 0
    looks = [rng.normal(size=(40, 1, 8, 8)) + offset[0] for offset in offsets]
    errors = estimate(looks, "mean").stderr[0]
    assert errors[0, 1] > 0.4 * np.median(errors)
    alone = estimate([look[:, :, :1, 1:2] for look in looks], "mean").stderr.item()
    assert errors[0, 1] > 4 * alone


def test_a_seed_that_saw_nothing_does_not_make_the_error_smaller() -> None:
    seen = [0.0, 2, 4, 6]
    alone, beside = (estimate(sequences(*s), "mean", n_batches=2) for s in ([seen], [seen, [NAN] * 4]))
    assert beside.values.item() == alone.values.item() == 3
    assert beside.stderr.item() == alone.stderr.item() == pytest.approx(2.0 * T1)
    assert beside.counts.item() == 4


def test_error_of_independent_steps_is_the_root_of_their_number() -> None:
    samples = np.random.default_rng(0).normal(size=(400, 1, 20, 20))
    assert np.mean(estimate([samples], "mean").stderr ** 2) * 400 == pytest.approx(T7**2, rel=0.1)
    trimmed = np.mean(estimate([samples], "trimmed").stderr ** 2) * 400 / T7**2
    median = np.mean(estimate([samples], "median").stderr ** 2) * 400 / T7**2
    assert 1.0 < trimmed < 1.25  # a trimmed mean of normal samples loses about 6 %
    assert median == pytest.approx(np.pi / 2, rel=0.1)


def test_what_is_seen_seldom_has_larger_errors() -> None:
    samples = np.random.default_rng(0).normal(size=(100, 1, 10, 10))
    samples[np.arange(100) % 10 > 0, :, :, 5:] = NAN
    errors = estimate([samples]).stderr[0]
    assert np.median(errors[:, 5:]) > 2.5 * np.median(errors[:, :5])


def test_correlation_time() -> None:
    rng = np.random.default_rng(0)
    repeated = np.repeat(rng.normal(size=(80, 1, 10, 10)), 5, axis=0)
    looks = np.concatenate([repeated, rng.normal(size=(400, 1, 10, 10))], axis=1)
    found = correlation_time([looks, looks])
    assert found == pytest.approx([5, 1], rel=0.15)
    made = estimate([looks, looks])
    np.testing.assert_allclose(made.effective[:, 0, 0], 800 / found)


@pytest.mark.parametrize("how", ["trimmed", "mean", "median"])
@pytest.mark.parametrize(
    ("n", "correlation", "missing", "heavy"),
    [(60, 0.0, 0.0, True), (60, 0.5, 0.0, False), (200, 0.6, 0.0, True), (60, 0.3, 0.8, False), (60, 0.3, 0.8, True)],
)
def test_intervals_cover(how: Average, n: int, correlation: float, missing: float, heavy: bool) -> None:
    """90 % intervals of a mean that is zero, over 1,600 entries."""
    rng = np.random.default_rng(n)
    samples = steps(rng, n, (1, 40, 40), correlation, heavy)
    samples[rng.random(samples.shape) < missing] = NAN
    found = estimate([samples], how)
    known = ~np.isnan(found.stderr)
    inside = np.abs(found.values) < 1.6448536269514722 * found.stderr
    assert 0.85 < inside[known].mean() < 0.95


@pytest.mark.parametrize(("n_seeds", "spread"), [(2, 0.0), (2, 0.3), (2, 1.0), (5, 0.0), (5, 0.3)])
def test_intervals_over_seeds_cover(n_seeds: int, spread: float) -> None:
    rng = np.random.default_rng(3)
    looks = [steps(rng, 60, (1, 30, 30), 0.3) + spread * rng.normal(size=(1, 30, 30)) for _ in range(n_seeds)]
    found = estimate(looks)
    inside = np.abs(found.values) < 1.6448536269514722 * found.stderr
    assert 0.85 < inside.mean() < 0.95
