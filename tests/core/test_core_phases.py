"""Phases of training, and the window that an affinity is made of."""

from itertools import chain

import numpy as np
import pytest

from taskgroup.core.phases import choose_window, class_shares, lowest, phase_agreement, phase_matrices, thirds
from taskgroup.core.trial import Check

NAN = float("nan")


def checks(*errors: tuple[float, ...], every: int = 10) -> list[Check]:
    return [Check(step=every * (k + 1), errors={f"t{j}": e for j, e in enumerate(row)}) for k, row in enumerate(errors)]


@pytest.mark.parametrize(
    ("n", "sizes"), [(9, (3, 3, 3)), (10, (3, 4, 3)), (3, (1, 1, 1)), (1, (0, 1, 0)), (0, (0, 0, 0))]
)
def test_thirds_cover_every_look_once(n: int, sizes: tuple[int, ...]) -> None:
    parts = [list(range(n))[part] for part in thirds(n)]
    assert list(chain(*parts)) == list(range(n))
    assert tuple(len(part) for part in parts) == sizes


def test_each_phase_has_its_own_matrix() -> None:
    looks = np.repeat(np.arange(3.0), 4)[:, None, None, None] * np.array([[[0, 1], [10, 0]]])
    found = phase_matrices([looks, looks + 2])
    assert found.shape == (3, 1, 2, 2)
    np.testing.assert_array_equal(found[:, 0, 1, 0], [1, 11, 21])  # source 1, target 0; mean of both seeds
    np.testing.assert_array_equal(found[:, 0, 0, 1], [1, 2, 3])
    np.testing.assert_array_equal(phase_matrices([looks[:1]])[:, 0, 1, 0], [NAN, 0, NAN])


def test_agreement_of_phases_is_named() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 1, 5, 5))
    found = phase_agreement(np.stack([one, one, -one]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "early and middle": [pytest.approx(1)],
        "early and late": [pytest.approx(-1)],
        "middle and late": [pytest.approx(-1)],
    }
    assert phase_agreement(np.stack([one, one, other]))["early and late"][0] < 0.9


def test_shares_of_aligned_orthogonal_and_conflicting_looks() -> None:
    pair = np.array([0.5, 0.11, 0.1, -0.1, -0.5, NAN, NAN, NAN, -0.2])
    cosines = np.stack([np.full(9, NAN), pair, np.zeros(9), np.ones(9)], axis=1).reshape(9, 1, 2, 2)
    shares = class_shares([cosines])
    assert shares.shape == (3, 3, 1, 2, 2)
    expected = np.array([[2 / 3, 1 / 3, 0], [0, 1 / 2, 1 / 2], [0, 0, 1]])
    np.testing.assert_allclose(shares[:, :, 0, 0, 1], expected)
    assert np.isnan(shares[:, :, 0, 0, 0]).all()
    np.testing.assert_array_equal(shares[1, :, 0, 1, 0], [0, 1, 0])
    np.testing.assert_allclose(class_shares([cosines], 0.3)[0, :, 0, 0, 1], [1 / 3, 2 / 3, 0])


def test_looks_of_all_seeds_count_the_same_each_in_its_phase() -> None:
    """One seed of three looks and one of six: early is the first look of the one and the first two of the other."""
    short, long = (np.array(looks).reshape(-1, 1, 1, 1) for looks in ([1.0, 0, 0], [-1.0, -1, 0, NAN, 1, 1]))
    shares = class_shares([short, long])[:, :, 0, 0, 0]
    np.testing.assert_allclose(shares, np.array([[1 / 3, 0, 2 / 3], [0, 1, 0], [2 / 3, 1 / 3, 0]]))


def test_lowest_weighs_tasks_by_their_own_error() -> None:
    # Relative to its mean the small error falls by far more than the large one rises.
    assert lowest(checks((100.0, 0.3), (101.0, 0.1), (99.0, 0.2))) == 20
    assert lowest(checks((2.0,), (1.0,), (1.0,), (3.0,))) == 30  # the later of equals


STEPS = list(range(0, 60, 2))


def test_auto_leaves_the_overfitted_tail_out() -> None:
    window = choose_window("auto", STEPS, checks((3.0,), (2.0,), (1.0,), (1.5,), (2.0,), (3.0,)))
    assert STEPS[window.looks][-1] == 30
    assert window.words == "looks up to step 30: validation error was lowest at step 30"


def test_auto_keeps_at_least_a_third() -> None:
    window = choose_window("auto", STEPS, checks((1.0,), (2.0,), (3.0,), (3.0,), (3.0,), (3.0,), every=2))
    assert len(STEPS[window.looks]) == 10
    assert window.words.endswith("lowest at step 2, but never fewer than a third of the looks")


def test_auto_keeps_all_where_error_falls_to_the_end_or_looks_are_few() -> None:
    window = choose_window("auto", STEPS, checks((3.0,), (2.0,), (1.9,), (1.5,), (1.4,), (1.3,)))
    assert window.looks == slice(0, 30)
    assert "lowest at step 60, none came after it" in window.words
    few = choose_window("auto", STEPS[:8], checks((1.0,), (2.0,)))
    assert few.looks == slice(0, 8)
    assert "too few to leave any out" in few.words
    assert choose_window("auto", [0], ()).looks == slice(0, 1)  # a measure that looks once has no history


def test_windows_by_name() -> None:
    found = [STEPS[choose_window(kind, STEPS, ()).looks] for kind in ("early", "middle", "late")]
    assert list(chain(*found)) == STEPS == STEPS[choose_window("all", STEPS, ()).looks]
    assert choose_window("middle", STEPS, ()).words == "the middle third of the looks, steps 20 to 38"
    assert choose_window("late", [0, 10], ()).looks == slice(0, 2)
