"""Agreement of matrices within a target, and of a matrix with itself."""

import numpy as np
import pytest

from taskgroup.core.reliability import (
    Array,
    centred_rank_agreement,
    recipient_centred,
    seed_agreement,
    spearman_brown,
    split_half,
)

NAN = float("nan")
RNG = np.random.default_rng(0)
PLANTED = RNG.normal(size=(8, 8))
OFF = ~np.eye(8, dtype=bool)


def looks(n: int, noise: float, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray((PLANTED + noise * rng.normal(size=(n, 8, 8)))[:, None])


def test_centring_takes_the_mean_of_the_other_sources_away() -> None:
    matrix = np.array([[99, 21, 30], [12, 99, 34], [10, 19, 99.0]])
    expected = np.array([[NAN, 1, -2], [1, NAN, 2], [-1, -1, NAN]])
    np.testing.assert_array_equal(recipient_centred(matrix), expected)
    np.testing.assert_array_equal(recipient_centred(np.stack([matrix, 2 * matrix])), [expected, 2 * expected])
    assert matrix[0, 0] == 99


def test_agreement_in_figures() -> None:
    # Centred entries by column, without the diagonal: (1, -1), (1, -1), (-2, 2) and (1, -1), (-1, 1), (-2, 2).
    # Their ranks 4.5, 2.5, 4.5, 2.5, 1, 6 less 3.5: 1, -1, 1, -1, -2.5, 2.5; and 1, -1, -1, 1, -2.5, 2.5.
    a = np.array([[0, 21, 30], [12, 0, 34], [10, 19, 0.0]])
    b = np.array([[0, 1, 10], [8, 0, 14], [6, 3, 0.0]])
    assert centred_rank_agreement(a, b) == pytest.approx((1 + 1 - 1 - 1 + 12.5) / (4 + 12.5))
    assert centred_rank_agreement(a, b) == centred_rank_agreement(b, a)


def test_agreement_is_blind_to_targets_levels_and_units_and_not_to_those_of_sources() -> None:
    constants = np.arange(8.0) * 10
    assert centred_rank_agreement(PLANTED, 3 * PLANTED + constants[None, :]) == pytest.approx(1)
    assert centred_rank_agreement(PLANTED, PLANTED + constants[:, None]) < 0.6
    assert centred_rank_agreement(PLANTED, -PLANTED) == pytest.approx(-1)
    assert abs(centred_rank_agreement(PLANTED, PLANTED.T)) < 0.4
    assert centred_rank_agreement(PLANTED, np.where(OFF, PLANTED, 1e9)) == pytest.approx(1)


def test_agreement_over_common_entries() -> None:
    one, other = PLANTED.copy(), PLANTED.copy()
    one[0, 1:4], other[2, 4:] = NAN, NAN
    assert centred_rank_agreement(one, other) == pytest.approx(1)
    few = np.full((3, 3), NAN)
    few[0, 1] = few[1, 0] = few[2, 2] = 1.0
    assert np.isnan(centred_rank_agreement(few, few))
    assert np.isnan(centred_rank_agreement(np.ones((4, 4)), PLANTED[:4, :4]))
    with pytest.raises(ValueError, match=r"should be two square matrices of one shape, found \(2, 2\) and \(3, 3\)"):
        centred_rank_agreement(np.zeros((2, 2)), np.zeros((3, 3)))


def test_halves_agree_as_far_as_the_noise_allows() -> None:
    found = [float(split_half([looks(64, noise)])[0]) for noise in (0.0, 2.0, 1e3)]
    assert found[0] == pytest.approx(1)
    assert 0.8 < found[1] < 0.99
    assert abs(found[2]) < 0.4
    both = split_half([np.concatenate([looks(64, 0), looks(64, 1e3)], axis=1)])
    assert both.shape == (2,)
    assert both[0] > 0.9 > both[1]


def test_halves_are_interleaved_blocks() -> None:
    """A drift in the course of training is in both halves; runs of equal looks are not torn apart."""
    other = np.random.default_rng(1).normal(size=(8, 8))
    drifting = np.linspace(PLANTED, other, 64)[:, None]
    assert split_half([drifting])[0] > 0.95
    runs = np.repeat(np.stack([PLANTED, other] * 4), 8, axis=0)[:, None]
    assert split_half([runs])[0] == pytest.approx(centred_rank_agreement(PLANTED, other))


def test_more_seeds_are_more_reliable() -> None:
    one = np.mean([split_half([looks(16, 6.0, k)])[0] for k in range(10)])
    four = np.mean([split_half([looks(16, 6.0, 10 * k + j) for j in range(4)])[0] for k in range(1, 11)])
    assert four > one + 0.1


def test_spearman_brown_foretells_the_whole() -> None:
    np.testing.assert_allclose(spearman_brown(np.array([0.5, 1.0, 0.0, -0.5])), [2 / 3, 1, 0, -2 / 3])
    halves = np.mean([split_half([looks(32, 4.0, k)])[0] for k in range(40)])
    wholes = np.mean([split_half([looks(64, 4.0, k)])[0] for k in range(40)])
    assert float(spearman_brown(np.array(halves))) == pytest.approx(wholes, abs=0.05)


def test_a_single_look_has_no_halves() -> None:
    assert np.isnan(split_half([looks(1, 1.0)])).all()
    assert not np.isnan(split_half([looks(1, 1.0), looks(2, 1.0)])).any()
    assert not np.isnan(split_half([looks(3, 1.0)])).any()


def test_seeds_agree() -> None:
    assert np.isnan(seed_agreement([looks(4, 1.0)])).all()
    same = seed_agreement([looks(4, 0.0), looks(5, 0.0), looks(6, 0.0)])
    assert same.tolist() == pytest.approx([1])
    mixed = seed_agreement([looks(4, 0.0), looks(4, 0.0), -looks(4, 0.0)])
    assert mixed.tolist() == pytest.approx([-1 / 3])  # 1, -1, -1
