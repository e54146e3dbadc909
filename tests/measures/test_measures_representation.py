"""Closed forms and invariances of the measures that compare features."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from feature_views import Array, orthonormal, rotation, view_of
from scipy.spatial import procrustes
from scipy.stats import spearmanr

from taskgroup.measures import Measure
from taskgroup.measures.representation.cka import CKA
from taskgroup.measures.representation.kernel import hsic_vector, kernel_matrix
from taskgroup.measures.representation.participation import ParticipationRatio
from taskgroup.measures.representation.procrustes import Procrustes
from taskgroup.measures.representation.pwcca import PWCCA
from taskgroup.measures.representation.rsa import RSA
from taskgroup.measures.representation.shared_variance import SharedVariance
from taskgroup.measures.representation.svcca import SVCCA

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)) @ RNG.normal(size=(5, 5))
BASIS = orthonormal(60, 8)


def matrix(measure: Any, *features: Array) -> Array:
    """The measure's matrix for networks with one stage each."""
    found = measure(view_of([[f] for f in features]))
    np.testing.assert_array_equal(found[0], found[1])
    return np.asarray(found[0])


ROTATABLE = [
    CKA(),
    CKA(debiased=False),
    CKA(kernel="rbf"),
    CKA(kernel="rbf", debiased=False),
    Procrustes(),
    SVCCA(),
    ParticipationRatio(),
    ParticipationRatio(debiased=False),
    SharedVariance(),
]


@pytest.mark.parametrize("measure", ROTATABLE, ids=repr)
def test_rotation_shift_and_scale_change_nothing(measure: Measure) -> None:
    other = RNG.normal(size=(60, 4)) + X[:, :4]
    found = matrix(measure, X, -3 * X @ rotation(5) + 7, other)
    np.testing.assert_allclose(
        found[:2, :2], np.ones((2, 2)), atol=2e-3 if measure.method == "shared_variance" else 1e-9
    )
    np.testing.assert_allclose(found[0, 2], found[1, 2], rtol=1e-3)
    np.testing.assert_allclose(found[2, 0], found[2, 1], rtol=1e-3)
    assert found[0, 2] < 0.95


@pytest.mark.parametrize("measure", [SVCCA(variance=1.0), PWCCA(variance=1.0)], ids=repr)
def test_canonical_correlations_see_only_the_span(measure: Measure) -> None:
    np.testing.assert_allclose(matrix(measure, X, X @ RNG.normal(size=(5, 5)) + 2), np.ones((2, 2)), atol=1e-9)


def test_rsa_sees_scale_and_shift_of_whole_rows_not() -> None:
    rows = RNG.uniform(0.5, 2, size=(60, 1))
    np.testing.assert_allclose(matrix(RSA(), X, rows * X + 3 * rows), np.ones((2, 2)), atol=1e-9)


def test_cka_by_hand() -> None:
    """Of p and q uncorrelated directions of equal variance, m common: m / √(pq)."""
    found = matrix(CKA(debiased=False), BASIS[:, :4], BASIS[:, 2:5], BASIS[:, 5:])
    m, p = np.array([[4, 2, 0], [2, 3, 0], [0, 0, 3]]), np.array([4, 3, 3])
    np.testing.assert_allclose(found, m / np.sqrt(np.outer(p, p)), atol=1e-12)


def test_hsic_by_its_definitions() -> None:
    n = 7
    k, other = (kernel_matrix(RNG.normal(size=(n, 3)), "rbf", 1.0) for _ in range(2))
    centre = np.eye(n) - 1 / n
    biased = np.trace(k @ centre @ other @ centre) / (n - 1) ** 2
    assert hsic_vector(k, False) @ hsic_vector(other, False) == pytest.approx(biased)
    four = [  # the U-statistic: all ordered draws of four different rows
        k[a, b] * (other[a, b] + other[c, d] - 2 * other[a, c]) for a, b, c, d in permutations(range(n), 4)
    ]
    assert hsic_vector(k, True) @ hsic_vector(other, True) == pytest.approx(np.mean(four))


def test_debiased_cka_of_independent_features_is_near_zero_where_biased_is_not() -> None:
    many = [RNG.normal(size=(100, 60)) for _ in range(12)]
    off = ~np.eye(12, dtype=bool)
    debiased, biased = (matrix(CKA(debiased=d), *many)[off] for d in (True, False))
    assert abs(debiased.mean()) < 0.01
    assert np.abs(debiased).max() < 0.15
    assert biased.min() > 0.3  # about √(pq) / N of 60 features and 100 rows


def test_rbf_by_hand() -> None:
    x = np.array([[0.0], [1.0], [3.0]])  # distances 1, 2, 3: median 2
    d = np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0]])
    np.testing.assert_allclose(kernel_matrix(x, "rbf", 0.5), np.exp(-(d**2) / 2))
    np.testing.assert_allclose(kernel_matrix(x, "rbf", 2.0), np.exp(-(d**2) / 32))


def test_rbf_sees_what_linear_does_not() -> None:
    x = RNG.normal(size=(200, 1))
    linear, rbf = (matrix(CKA(kernel=k), x, x**2)[0, 1] for k in ("linear", "rbf"))
    assert linear < 0.1
    assert rbf > 0.3


def test_procrustes_by_hand_and_by_scipy() -> None:
    found = matrix(Procrustes(), BASIS[:, :4], BASIS[:, 2:6], BASIS[:, :1])
    np.testing.assert_allclose(found, np.array([[1, 0.5, 0.5], [0.5, 1, 0], [0.5, 0, 1]]), atol=1e-12)
    y = X + RNG.normal(size=X.shape)
    _, _, disparity = procrustes(X, y)  # 1 - ‖Xᵀ Y‖_*²
    assert matrix(Procrustes(), X, y)[0, 1] == pytest.approx(np.sqrt(1 - disparity))


def test_svcca_by_hand() -> None:
    """Two directions at angles whose cosines are 0.6 and 1, whatever their variance."""
    turned = np.stack([5 * (0.6 * BASIS[:, 0] + 0.8 * BASIS[:, 2]), BASIS[:, 1]], axis=1)
    assert matrix(SVCCA(variance=1.0), BASIS[:, :2], turned)[0, 1] == pytest.approx(0.8)
    assert matrix(SVCCA(variance=1.0), BASIS[:, :1], turned)[0, 1] == pytest.approx(0.6)
    assert matrix(SVCCA(variance=0.9), BASIS[:, :2], turned)[0, 1] == pytest.approx(0.6)  # 25 of 26 held by one


def test_directions_are_few_against_rows() -> None:
    wide = [RNG.normal(size=(60, 100)) for _ in range(2)]
    assert matrix(SVCCA(rows_per_direction=1), *wide)[0, 1] > 0.9
    assert matrix(SVCCA(), *wide)[0, 1] < 0.6
    assert matrix(SVCCA(rows_per_direction=60), X, X[:, :1])[0, 1] > 0  # at least one is kept


def test_pwcca_weighs_by_the_target() -> None:
    """Source e1, target (3 e1, e2): α = (3, 1), ρ = (1, 0). The other way round e1 is all there is."""
    found = matrix(PWCCA(variance=1.0), BASIS[:, :1], BASIS[:, :2] * [3, 1])
    np.testing.assert_allclose(found, np.array([[1, 0.75], [1, 1]]), atol=1e-12)


def test_pwcca_weights_are_sums_over_features() -> None:
    """Target features e1, e1, e1 + e2: α₁ = 3, α₂ = 1; the source lacks e2 and has e3 instead."""
    target = BASIS[:, [0, 0, 0]] + np.outer(BASIS[:, 1], [0, 0, 1])
    found = matrix(PWCCA(variance=1.0), BASIS[:, [0, 2]], target)
    assert found[0, 1] == pytest.approx(0.75)
    assert found[1, 0] == pytest.approx(0.5)


def test_pwcca_by_its_definition() -> None:
    """The target's canonical variates are the eigenvectors of its projection times the source's."""
    source, target = (f - f.mean(axis=0) for f in (X[:, :2], X[:, 1:4] + RNG.normal(size=(60, 3))))
    on_source, on_target = (f @ np.linalg.pinv(f) for f in (source, target))
    squares, variates = np.linalg.eigh(on_target @ on_source @ on_target + 1e-3 * on_target)  # the span's first
    weights = np.abs(variates[:, -3:].T @ target).sum(axis=1)
    correlations = np.sqrt(np.maximum(squares[-3:] - 1e-3, 0))
    found = matrix(PWCCA(variance=1.0), source, target)
    assert found[0, 1] == pytest.approx(weights @ correlations / weights.sum(), abs=1e-6)


def test_rsa_takes_rounding_for_ties() -> None:
    one_pattern = np.outer(RNG.uniform(1, 2, size=60), RNG.normal(size=5))
    np.testing.assert_allclose(matrix(RSA(), X, one_pattern), [[1.0, 0.0], [0.0, 0.0]], atol=1e-12)


def test_rsa_by_its_definition() -> None:
    y = RNG.normal(size=(60, 7)) + X[:, :1]
    pairs = np.triu_indices(60, k=1)
    a, b = (1 - np.asarray(np.corrcoef(f))[pairs] for f in (X, y))
    expected = spearmanr(a, b).statistic
    assert matrix(RSA(), X, y)[0, 1] == pytest.approx(expected)
    assert matrix(RSA(), X, -X)[0, 1] == pytest.approx(1)
    assert -0.1 < matrix(RSA(), X, RNG.normal(size=(60, 5)))[0, 1] < 0.1


def test_rsa_of_one_feature_or_empty_rows_is_nothing() -> None:
    some_empty = np.maximum(X, 0) * (np.arange(60) % 3 > 0)[:, None]
    found = matrix(RSA(), X, X[:, :1], some_empty)
    np.testing.assert_array_equal(found[1], [0, 0, 0])
    assert 0 < found[0, 2] < 1


def test_participation_by_hand() -> None:
    """Spaces of equal variance: common directions over those of the smaller space."""
    measure = ParticipationRatio(debiased=False)
    found = matrix(measure, BASIS[:, :4], BASIS[:, 2:5], BASIS[:, :2], BASIS[:, 5:])
    np.testing.assert_allclose(
        found, np.array([[1, 2 / 3, 1, 0], [2 / 3, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]), atol=1e-12
    )
    assert measure.dimensions(BASIS[:, :4]).count == pytest.approx(4)
    assert measure.dimensions(BASIS[:, :2] * [3, 1]).count == pytest.approx((9 + 1) ** 2 / (81 + 1))


def test_debiased_participation_counts_dimensions_that_few_rows_cannot_hold() -> None:
    counts = [
        [ParticipationRatio(debiased=d).dimensions(RNG.normal(size=(60, 50))).count for _ in range(20)]
        for d in (True, False)
    ]
    assert np.mean(counts[0]) == pytest.approx(50, rel=0.05)
    assert np.mean(counts[1]) < 30


def shared(fit: list[Array], score: list[Array] | None = None, **options: Any) -> Array:
    later = None if score is None else [[f] for f in score]
    return np.asarray(SharedVariance(**options)(view_of([[f] for f in fit], later))[0])


def test_shared_variance_of_a_subset_of_the_features() -> None:
    """The source has all of the target; of the source's variance 4 + 1 + 1 + 1 the target has 4 + 1."""
    source, held = orthonormal(400, 4) * [2, 1, 1, 1], orthonormal(300, 4, seed=9) * [2, 1, 1, 1]
    found = shared([source, source[:, :2]], [held, held[:, :2]])
    np.testing.assert_allclose(found, np.array([[1, 1], [5 / 7, 1]]), atol=5e-3)


def test_shared_variance_is_of_held_out_rows() -> None:
    fit, score = ([RNG.normal(size=(n, 30)) for _ in range(2)] for n in (40, 500))
    found = shared(fit, score)
    np.testing.assert_allclose(found, np.eye(2), atol=0.05)  # thirty features would explain most of forty rows
    turned = [score[0], -score[1]]
    assert shared([fit[0], fit[0]], [turned[0], -turned[0]])[0, 1] == 0  # worse than the mean is not below 0


def test_stages_are_kept_apart() -> None:
    found = CKA(debiased=False)(view_of([[X, BASIS[:, :1]], [X, BASIS[:, 1:2]]]))
    np.testing.assert_allclose(found[:, 0, 1], [1, 0, 0.5], atol=1e-12)


def test_the_part_of_the_rows_is_an_option() -> None:
    view = view_of([[X], [X]], [[BASIS[:, :1]], [BASIS[:, 1:2]]])
    assert CKA(part="fit")(view)[0, 0, 1] == pytest.approx(1)
    assert CKA(debiased=False)(view)[0, 0, 1] == pytest.approx(0, abs=1e-12)
