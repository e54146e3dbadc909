"""Affinity: every figure here is a closed form; orientation is what no property test would catch."""

import numpy as np
import pytest

from taskgroup.core.affinity import Affinity, Array, trimmed_mean
from taskgroup.errors import InputError

TASKS = ("a", "b", "c")
NAN = float("nan")


def affinity(matrix: object, stderr: float = 0.0) -> Affinity:
    values = np.array(matrix, dtype=np.float64)[None]
    counts = np.ones(values.shape, dtype=np.int64)
    return Affinity(tuple("abcdef"[: values.shape[1]]), ("trunk",), values, np.full(values.shape, stderr), counts)


def averaged(*seeds: Array, trim: float = 0.0, n_batches: int = 8) -> Affinity:
    """Affinity of one task and one slice from plain sequences, one for each seed."""
    samples = [np.asarray(seed, dtype=np.float64).reshape(-1, 1, 1, 1) for seed in seeds]
    return Affinity.from_samples(("a",), ("trunk",), samples, trim=trim, n_batches=n_batches)


# Row = source, column = target. Targets differ in level (10, 20, 30): that is what centring takes away.
MATRIX = [[99, 21, 30], [12, 99, 34], [10, 19, 99]]
# Targets' means over the other tasks: (12 + 10) / 2 = 11, (21 + 19) / 2 = 20, (30 + 34) / 2 = 32.
CENTRED = np.array([[NAN, 1, -2], [1, NAN, 2], [-1, -1, NAN]])


def test_centring_is_per_target() -> None:
    rms = np.sqrt((1 + 1 + 1 + 1 + 4 + 4) / 6)
    np.testing.assert_allclose(affinity(MATRIX).centred(), CENTRED / rms)


def test_constants_of_targets_vanish_and_constants_of_sources_do_not() -> None:
    noise = np.random.default_rng(0).normal(size=(4, 4))
    constants = np.array([0.0, 5.0, -3.0, 100.0])
    plain = affinity(noise).centred()
    np.testing.assert_allclose(affinity(noise + constants[None, :]).centred(), plain, atol=1e-9)
    assert np.nanmax(np.abs(affinity(noise + constants[:, None]).centred() - plain)) > 0.5


def test_similarity_is_the_mean_of_both_directions() -> None:
    rms = np.sqrt(2)
    expected = np.array([[0, 1, -1.5], [1, 0, 0.5], [-1.5, 0.5, 0]]) / rms
    np.testing.assert_allclose(affinity(MATRIX).similarity(), expected)


def test_unknown_entries_are_left_out_of_the_means() -> None:
    holed = np.array([[0, 3, NAN], [1, 0, NAN], [5, 9, 0]])
    # a: mean (1 + 5) / 2 = 3; b: (3 + 9) / 2 = 6; c: nothing known.
    centred = affinity(holed).centred()
    rms = np.sqrt((4 + 4 + 9 + 9) / 4)
    np.testing.assert_allclose(centred, np.array([[NAN, -3, NAN], [-2, NAN, NAN], [2, 3, NAN]]) / rms)
    # The pair (a, c) is known from c to a only, and that direction counts in full.
    np.testing.assert_allclose(affinity(holed).similarity() * rms, np.array([[0, -2.5, 2], [-2.5, 0, 3], [2, 3, 0]]))


def test_a_pair_unknown_in_both_directions_is_neutral() -> None:
    holed = np.random.default_rng(0).normal(size=(4, 4))
    holed[0, 3] = holed[3, 0] = NAN
    similarity = affinity(holed).similarity()
    assert similarity[0, 3] == similarity[3, 0] == 0
    assert np.all(similarity[np.triu_indices(4, 1)][[0, 1, 3, 4, 5]] != 0)


@pytest.mark.parametrize("level", [0.0, 0.1, -3.3e-4, 1e8])
def test_constant_columns_centre_to_zero(level: float) -> None:
    columns = level * np.array([1.0, 0.3, 7.0, 11.1, 1 / 3, 0.7])  # a mean of five such numbers is not always exact
    centred = affinity(np.tile(columns, (6, 1))).centred()
    np.testing.assert_array_equal(centred[~np.eye(6, dtype=bool)], np.zeros(30))


def test_all_unknown_centres_to_unknown() -> None:
    assert np.isnan(affinity(np.full((3, 3), NAN)).centred()).all()
    np.testing.assert_array_equal(affinity(np.full((3, 3), NAN)).similarity(), np.zeros((3, 3)))


def test_reordered_moves_sources_and_targets() -> None:
    moved = affinity(MATRIX).reordered(("c", "a", "b"))
    assert moved.tasks == ("c", "a", "b")
    np.testing.assert_array_equal(moved.slice(), [[99, 10, 19], [30, 99, 21], [34, 12, 99]])
    with pytest.raises(ValueError, match="`tasks` should hold each of"):
        affinity(MATRIX).reordered(("a", "b"))


def test_resampled_draws_from_the_error_bars() -> None:
    matrix = np.zeros((50, 50))
    values = Affinity(
        tuple(f"t{i}" for i in range(50)),
        ("trunk",),
        matrix[None],
        np.full((1, 50, 50), 0.5),
        np.ones((1, 50, 50), int),
    )
    values.stderr[0, :, 0] = NAN
    drawn = values.resampled(np.random.default_rng(0))
    assert drawn.slice()[:, 1:].std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(drawn.slice()[:, 0], matrix[:, 0])
    np.testing.assert_array_equal(drawn.slice(), values.resampled(np.random.default_rng(0)).slice())


def test_trimmed_mean_cuts_both_ends() -> None:
    samples = np.array([100.0, 1, 2, 3, 4, 5, 6, 7, 8, -100])
    assert trimmed_mean(samples, 0.1) == 4.5
    assert trimmed_mean(samples, 0.4) == 4.5  # the middle two, 4 and 5
    assert trimmed_mean(samples, 0.0) == pytest.approx(3.6)
    assert trimmed_mean(samples, 0.05) == pytest.approx(3.6)  # half a sample is not cut


def test_trimmed_mean_ignores_what_was_not_seen() -> None:
    samples = np.array([[1.0, NAN], [NAN, NAN], [3.0, NAN], [100.0, NAN], [-9.0, NAN]])
    np.testing.assert_array_equal(trimmed_mean(samples, 0.25), [2.0, NAN])  # 4 seen, one cut at each end


def test_from_samples_keeps_source_and_target_apart() -> None:
    step = np.arange(18, dtype=np.float64).reshape(2, 3, 3)
    made = Affinity.from_samples(TASKS, ("s1", "trunk"), [np.stack([step, step + 2])], provenance={"every": 10})
    np.testing.assert_array_equal(made.values, step + 1)
    np.testing.assert_array_equal(made.slice("s1"), step[0] + 1)
    assert made.slice()[0, 2] == 12  # source a, target c of the last slice
    assert (made.counts == 2).all()
    assert made.provenance == {"every": 10}


def test_trim_is_per_seed_and_the_mean_over_seeds_plain() -> None:
    made = averaged(np.array([0.0, 1, 2, 3, 100]), np.array([10.0, 10, 10, 10, 10]), trim=0.2)
    assert made.values.item() == 6.0  # (2 + 10) / 2
    assert made.counts.item() == 10


def test_error_within_a_seed_comes_from_the_means_of_runs() -> None:
    # Two runs of two steps: means 1 and 5, variance 8 between them, 8 / 2 for their mean.
    assert averaged(np.array([0.0, 2, 4, 6]), n_batches=2).stderr.item() == pytest.approx(2.0)
    # As many runs as steps: the usual standard error.
    assert averaged(np.array([0.0, 2, 4, 6]), n_batches=9).stderr.item() == pytest.approx(np.sqrt((20 / 3) / 4))


def test_error_over_seeds_is_the_larger_of_within_and_between() -> None:
    # Within: variances 2 / 2 = 1 each, mean 1, over two seeds 1/2. Between: means 1 and 9, 32 / 2 = 16.
    far = averaged(np.array([0.0, 2]), np.array([8.0, 10]), n_batches=2)
    assert far.stderr.item() == pytest.approx(4.0)
    near = averaged(np.array([0.0, 2]), np.array([0.0, 2]), n_batches=2)
    assert near.stderr.item() == pytest.approx(np.sqrt(1 / 2))


def test_a_seed_that_saw_nothing_does_not_make_the_error_smaller() -> None:
    seen = np.array([0.0, 2, 4, 6])
    alone, beside = averaged(seen, n_batches=2), averaged(seen, np.full(4, NAN), n_batches=2)
    assert beside.values.item() == alone.values.item() == 3
    assert beside.stderr.item() == alone.stderr.item()
    assert beside.counts.item() == 4


def test_error_of_independent_steps_is_the_root_of_their_number() -> None:
    samples = np.random.default_rng(0).normal(size=(400, 1, 20, 20))
    made = Affinity.from_samples([f"t{i}" for i in range(20)], ("trunk",), [samples], trim=0.0)
    assert np.mean(made.stderr**2) == pytest.approx(1 / 400, rel=0.1)
    trimmed = Affinity.from_samples([f"t{i}" for i in range(20)], ("trunk",), [samples], trim=0.1)
    assert 1.0 < np.mean(trimmed.stderr**2) * 400 < 1.25  # a trimmed mean of normal samples loses about 6 %


def test_error_of_correlated_steps_is_larger() -> None:
    steps = np.repeat(np.random.default_rng(0).normal(size=(40, 1, 10, 10)), 10, axis=0)
    made = Affinity.from_samples([f"t{i}" for i in range(10)], ("trunk",), [steps], trim=0.0)
    assert np.mean(made.stderr**2) == pytest.approx(1 / 40, rel=0.2)


def test_a_single_sample_has_no_error() -> None:
    made = averaged(np.array([3.0]))
    assert made.values.item() == 3
    assert np.isnan(made.stderr.item())


def test_what_no_seed_saw_is_unknown() -> None:
    made = averaged(np.full(4, NAN), np.full(2, NAN))
    assert np.isnan(made.values.item())
    assert np.isnan(made.stderr.item())
    assert made.counts.item() == 0


@pytest.mark.parametrize("samples", [[], [np.zeros((0, 1, 2, 2))], [np.zeros((5, 2, 2, 1))], [np.zeros((1, 2, 2))]])
def test_samples_of_another_shape_are_refused(samples: list[Array]) -> None:
    with pytest.raises(ValueError, match=r"`samples` should be one array a seed of shape .* = \(1 or more, 1, 2, 2\)"):
        Affinity.from_samples(("a", "b"), ("trunk",), samples)


def test_sentences() -> None:
    good = affinity(MATRIX)
    with pytest.raises(ValueError, match=r"`values` should have shape \(stages, tasks, tasks\) = \(1, 2, 2\), found"):
        Affinity(("a", "b"), ("trunk",), good.values, good.stderr, good.counts)
    with pytest.raises(ValueError, match="`stderr` should have shape"):
        Affinity(TASKS, ("trunk",), good.values, good.stderr[0], good.counts)
    with pytest.raises(ValueError, match=r"`tasks` should be one or more different names, found \['a', 'b', 'a'\]"):
        Affinity(("a", "b", "a"), ("trunk",), good.values, good.stderr, good.counts)
    with pytest.raises(ValueError, match="found infinite entries"):
        affinity([[0, np.inf], [0, 0]])
    with pytest.raises(InputError, match="`stage` should be one of trunk, found `trnk`, did you mean `trunk`"):
        good.slice("trnk")
