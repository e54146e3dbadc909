import numpy as np
import pytest

from taskgroup.active.standard import Standard
from taskgroup.core.cover import Array

ERRORS = np.array([[0.2, 0.03, np.nan], [0.1, np.nan, 5.0], [0.4, 0.09, 7.0]])


@pytest.mark.parametrize("errors", [ERRORS, ERRORS - 1.0, -100 * ERRORS], ids=["positive", "mixed", "negative"])
def test_back_undoes_to(errors: Array) -> None:
    standard = Standard.of(errors)
    np.testing.assert_allclose(standard.back(standard.to(errors)), errors)


def test_positive_errors_are_compared_as_ratios_and_others_as_they_are() -> None:
    assert Standard.of(ERRORS).log
    assert not Standard.of(ERRORS - 1.0).log
    assert not Standard.of(np.array([[1e-9, 1.0]])).log  # one that hardly errs would rule all others


def test_the_unit_does_not_matter() -> None:
    np.testing.assert_allclose(Standard.of(ERRORS).to(ERRORS), Standard.of(9 * ERRORS).to(9 * ERRORS), atol=1e-12)


def test_a_task_seen_once_borrows_its_spread() -> None:
    spread = Standard.of(np.array([[1.0, 10.0], [2.0, np.nan], [4.0, np.nan]]) - 100.0).spread
    assert np.isfinite(spread).all()
    assert (spread > 0).all()


def test_variances_follow_the_slope() -> None:
    standard = Standard.of(ERRORS)
    step = 1e-6
    slope = (standard.to(ERRORS + step) - standard.to(ERRORS)) / step
    found = standard.variances(ERRORS, np.array([0.5, 0.5, 0.5]))
    known = np.isfinite(ERRORS)
    np.testing.assert_allclose(found[known], 0.5 * slope[known] ** 2, rtol=1e-3)
