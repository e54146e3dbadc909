"""Affinity: every figure here is a closed form; orientation is what no property test would catch."""

from dataclasses import replace

import numpy as np
import pytest

from taskgroup.core.affinity import Affinity, Array, Symmetrization
from taskgroup.errors import InputError

TASKS = ("a", "b", "c")
NAN = float("nan")


def affinity(matrix: object, stderr: float = 0.0) -> Affinity:
    values = np.array(matrix, dtype=np.float64)[None]
    counts = np.ones(values.shape, dtype=np.int64)
    return Affinity(tuple("abcdef"[: values.shape[1]]), ("trunk",), values, np.full(values.shape, stderr), counts)


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


def test_similarity_of_the_lesser_and_of_the_greater_direction() -> None:
    rms = np.sqrt(2)
    lesser = np.array([[0, 1, -2], [1, 0, -1], [-2, -1, 0]]) / rms
    greater = np.array([[0, 1, -1], [1, 0, 2], [-1, 2, 0]]) / rms
    np.testing.assert_allclose(affinity(MATRIX).similarity(how="centred-min"), lesser)
    np.testing.assert_allclose(affinity(MATRIX).similarity(how="centred-max"), greater)
    np.testing.assert_array_equal(affinity(MATRIX).similarity(how="centred-mean"), affinity(MATRIX).similarity())


@pytest.mark.parametrize("how", ["centred-mean", "centred-min", "centred-max"])
def test_one_known_direction_counts_in_full_and_none_is_neutral(how: Symmetrization) -> None:
    holed = np.array([[0, 3, NAN, NAN], [1, 0, NAN, 2], [5, 9, 0, NAN], [NAN, NAN, NAN, 0]])
    centred, similarity = affinity(holed).centred(), affinity(holed).similarity(how=how)
    assert similarity[0, 2] == similarity[2, 0] == centred[2, 0] != 0
    assert similarity[0, 3] == similarity[3, 0] == similarity[0, 0] == 0


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
    assert moved.effective is moved.phases is None
    grown = replace(affinity(MATRIX), effective=np.array([MATRIX]) * 2.0, phases=np.array([[MATRIX]] * 3) * 3.0)
    grown = grown.reordered(("c", "a", "b"))
    assert grown.effective is not None
    assert grown.phases is not None
    np.testing.assert_array_equal(grown.effective, moved.values * 2)
    np.testing.assert_array_equal(grown.phases[1], moved.values * 3)
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
    drawn = values.resampled(np.random.default_rng(0))
    assert drawn.slice().std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(drawn.slice(), values.resampled(np.random.default_rng(0)).slice())


def test_an_entry_without_an_error_bar_is_drawn_with_the_widest() -> None:
    made = affinity(np.zeros((4, 4)), 0.001)
    made.stderr[0, 1, 0], made.stderr[0, 0, 0], made.stderr[0, 2, 0] = NAN, 99, 7
    made.stderr[0, :, 3] = NAN
    rng = np.random.default_rng(0)
    spread = np.std([made.resampled(rng).slice() for _ in range(400)], axis=0)
    assert spread[1, 0] == pytest.approx(7, rel=0.2)  # of its target's column, without the diagonal
    assert spread[1, 3] == pytest.approx(7, rel=0.2)  # of the slice
    assert spread[1, 2] < 0.01
    made.stderr[:] = NAN
    np.testing.assert_array_equal(made.resampled(rng).slice(), made.slice())


def test_from_samples_keeps_source_and_target_apart() -> None:
    step = np.arange(18, dtype=np.float64).reshape(2, 3, 3)
    made = Affinity.from_samples(TASKS, ("s1", "trunk"), [np.stack([step, step + 2])], provenance={"every": 10})
    np.testing.assert_array_equal(made.values, step + 1)
    np.testing.assert_array_equal(made.slice("s1"), step[0] + 1)
    assert made.slice()[0, 2] == 12  # source a, target c of the last slice
    assert (made.counts == 2).all()
    assert made.effective is not None
    np.testing.assert_array_equal(made.effective, made.counts)
    assert made.provenance == {"every": 10}


def test_flattened_says_of_every_stage_what_was_found_for_all() -> None:
    step = np.arange(36, dtype=np.float64).reshape(4, 3, 3)  # three stages and the trunk
    made = Affinity.from_samples(TASKS, ("s1", "s2", "s3", "trunk"), [np.stack([step, step + 2, step + 7])])
    made = replace(made, phases=np.stack([made.values, made.values + 1, made.values + 2]))
    flat = made.flattened()
    assert (flat.stages, flat.tasks) == (made.stages, TASKS)
    for stage in made.stages:
        np.testing.assert_array_equal(flat.slice(stage), made.slice())
    for name in ("values", "stderr", "counts", "effective"):
        before, after = getattr(made, name), getattr(flat, name)
        np.testing.assert_array_equal(after, np.stack([before[-1]] * 4))
    assert flat.phases is not None
    np.testing.assert_array_equal(flat.phases[1], np.stack([made.slice() + 1] * 4))
    assert flat.classes is None


def test_from_samples_averages_as_asked() -> None:
    looks = np.array([0.0, 0, 0, 1, 9]).reshape(-1, 1, 1, 1)
    for average, expected in (("trimmed", 1 / 3), ("mean", 2.0), ("median", 0.0)):
        made = Affinity.from_samples(("a",), ("trunk",), [looks], average=average, trim=0.2)  # type: ignore[arg-type]
        assert made.values.item() == pytest.approx(expected)


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
    with pytest.raises(ValueError, match=r"`effective` should have shape .* = \(1, 3, 3\), found \(3, 3\)"):
        replace(good, effective=good.slice())
    with pytest.raises(ValueError, match=r"`phases` should have shape \(3, 1, 3, 3\), found \(1, 3, 3\)"):
        replace(good, phases=good.values)
    with pytest.raises(ValueError, match="found infinite entries"):
        affinity([[0, np.inf], [0, 0]])
    with pytest.raises(InputError, match="`stage` should be one of trunk, found `trnk`, did you mean `trunk`"):
        good.slice("trnk")
