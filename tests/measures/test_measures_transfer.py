"""Closed forms of the measures that read one task's labels from another's features."""

from typing import Any

import numpy as np
import pytest
from feature_views import Array, orthonormal, view_of
from pydantic import ValidationError
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.linear_model import BayesianRidge

from taskgroup.core.task import Task, TaskSet
from taskgroup.measures.representation.spectrum import centred, spectrum
from taskgroup.measures.transfer.curve import TransferCurve, mean_height
from taskgroup.measures.transfer.distance import TransferDistance
from taskgroup.measures.transfer.heads import Heads
from taskgroup.measures.transfer.logme import LogME, columns, evidence
from taskgroup.measures.transfer.probe import ProbeHead

NAN = np.nan
N = 400
INPUTS = orthonormal(N, 4)
NOISE = 0.5
A, B, C = INPUTS[:, :1], INPUTS[:, 1:2], INPUTS[:, 2:3]
VALUES = TaskSet(tasks=(Task(name="sum", kind="regression"), Task(name="first", kind="regression")))
LABELS = np.stack([A[:, 0] + B[:, 0] + NOISE * INPUTS[:, 3], A[:, 0] + NOISE * INPUTS[:, 3]], axis=1)
"""Two values with noise that no feature knows; all inputs are uncorrelated and of variance 1."""
BOTH = np.hstack([A, B])


def of(measure: Any, features: list[Array], tasks: TaskSet = VALUES, labels: Array = LABELS) -> Array:
    return np.asarray(measure(view_of([[f] for f in features], tasks=tasks, labels=(labels, labels)))[-1])


def test_probe_by_hand() -> None:
    """Errors over variance: sum 0.25 / 2.25 from both inputs, 1.25 / 2.25 from the first; first 0.25 / 1.25 always."""
    np.testing.assert_allclose(of(ProbeHead(), [BOTH, A]), np.array([[0, 0], [1 - 5, 0]]), atol=1e-3)
    np.testing.assert_allclose(of(ProbeHead(), [A, BOTH]), np.array([[0, 0], [1 - 1 / 5, 0]]), atol=1e-3)


def test_transfer_distance_by_hand() -> None:
    """From 2.25 down to 0.25 lies the way to the sum; the first input goes half of it."""
    np.testing.assert_allclose(of(TransferDistance(), [BOTH, A]), np.array([[1, 1], [0.5, 1]]), atol=1e-3)
    np.testing.assert_allclose(of(TransferDistance(), [BOTH, C]), np.array([[1, NAN], [0, NAN]]), atol=1e-3)


def test_transfer_distance_is_clipped() -> None:
    """A + 3 B explains 0.1 of the first's 1.25, where both inputs explain 1: ten times the way."""
    np.testing.assert_allclose(of(TransferDistance(), [BOTH, A + 3 * B]), np.array([[1, 2], [0.8, 1]]), atol=1e-3)


def test_baseline_predicts_the_mean_or_the_commonest_class() -> None:
    tasks = TaskSet(
        tasks=(
            Task(name="value", kind="regression"),
            Task(name="three", kind="multiclass", n_classes=3),
            Task(name="yes", kind="binary"),
            Task(name="ranked", kind="binary", metric="auc"),
            Task(name="balanced", kind="multiclass", n_classes=4, metric="balanced_accuracy"),
        )
    )
    k = np.arange(100)
    labels = np.stack([k, np.minimum(k // 20, 2), k < 70, k < 70, k % 4], axis=1).astype(float)
    view = view_of([[A[:100]]] * 5, tasks=tasks, labels=(labels, labels))
    np.testing.assert_allclose(Heads().baseline(view), [1, 0.4, 0.3, 0.5, 0.75])


def test_classes_are_probed_by_their_metric() -> None:
    """A feature that tells class 1 perfectly and the other two not at all; class 3 is never seen."""
    tasks = TaskSet(
        tasks=(
            Task(name="three", kind="multiclass", n_classes=4),
            Task(name="one", kind="binary", metric="auc"),
            Task(name="same", kind="binary"),
        )
    )
    k = np.arange(90)
    labels = np.stack([k % 3, k % 3 == 1, k % 3 == 1], axis=1).astype(float)
    labels[:6, 0] = 0  # class 0 is the commonest of the rest
    feature = (k % 3 == 1)[:, None].astype(float)
    errors = Heads().errors(view_of([[feature]] * 3, tasks=tasks, labels=(labels, labels)))[0, 0]
    n_others = [np.mean(labels[k % 3 != 1, 0] == c) for c in (0, 2)]
    missed = np.mean((k % 3 == 1) & (labels[:, 0] == 0)) + np.mean((k % 3 != 1) & (labels[:, 0] == 2))
    assert n_others[0] > n_others[1]
    np.testing.assert_allclose(errors[0], [missed, 0.5 / 90, 0.5 / 90])


def test_two_of_many_classes() -> None:
    tasks = TaskSet(tasks=(Task(name="few", kind="multiclass", n_classes=5),))
    labels = np.where(A > 0, 4.0, 2.0)
    errors = Heads().errors(view_of([[A]], tasks=tasks, labels=(labels, labels)))
    assert errors[0, 0, 0, 0] < 0.02


def test_only_labelled_rows_count() -> None:
    labels = LABELS.copy()
    labels[::2, 0] = NAN
    features = [np.where((np.arange(N) % 2 == 0)[:, None], 100 * C, BOTH), A]  # rubbish where the sum has no label
    found = Heads().errors(view_of([[f] for f in features], tasks=VALUES, labels=(labels, labels)))[0, 0]
    assert found[0, 0] == pytest.approx(0.25 / 2.25, rel=0.2)
    assert found[0, 1] > 0.5


@pytest.mark.parametrize("left", [9, 10])
def test_a_target_needs_ten_labels_to_be_judged_by(left: int) -> None:
    score = LABELS.copy()
    score[left:, 1] = NAN
    view = view_of([[BOTH], [A]], tasks=VALUES, labels=(LABELS, score))
    for measure in (ProbeHead(), TransferDistance(), TransferCurve(), LogME()):
        found = measure(view)
        assert np.isnan(found[:, :, 1]).all() == (left < 10)
        assert not np.isnan(found[:, :, 0]).any()


def test_heads_are_judged_on_score_rows() -> None:
    rng = np.random.default_rng(1)
    fit, score = rng.normal(size=(50, 45)), rng.normal(size=(500, 45))
    labels = rng.normal(size=(50, 1)), rng.normal(size=(500, 1))
    tasks = TaskSet(tasks=VALUES.tasks[:1])
    errors = Heads().errors(view_of([[fit]], [[score]], tasks=tasks, labels=labels))
    assert errors[0, 0, 0, 0] > 0.95


def test_the_last_stage_is_the_trunk() -> None:
    view = view_of([[BOTH, A], [A, BOTH]], tasks=VALUES, labels=(LABELS, LABELS))
    for measure in (ProbeHead(), TransferDistance(), TransferCurve(), LogME()):
        found = measure(view)
        np.testing.assert_array_equal(found[2], found[1])
        assert not np.allclose(found[2], found[0])


def test_rows_of_a_smaller_share_are_among_those_of_a_larger() -> None:
    view = view_of([[A], [B]], tasks=VALUES, labels=(LABELS, LABELS))
    few, some, all_ = (set(Heads(max_rows=300).fit_rows(view, share)[0]) for share in (0.1, 0.3, 1.0))
    assert (len(few), len(some), len(all_)) == (30, 90, 300)
    assert few < some < all_


@pytest.mark.parametrize(
    ("curve", "at", "expected"),
    [
        ([0, 1, 3], [0, 1, 3], (0.5 + 4) / 3),
        ([NAN, 1, 3], [0, 1, 3], 2),
        ([0, NAN, 3], [0, 1, 3], 1.5),
        ([NAN, 7, NAN], [0, 1, 3], 7),
        ([NAN, NAN, NAN], [0, 1, 3], NAN),
    ],
)
def test_mean_height(curve: list[float], at: list[float], expected: float) -> None:
    np.testing.assert_allclose(mean_height(np.array(curve), np.array(at)), expected)


def test_curve_over_target_rows_is_the_area_of_probes() -> None:
    """Ten noisy features cost more where rows are few, the one that matters is as good from the start."""
    rng = np.random.default_rng(2)
    noisy = np.hstack([A, rng.normal(size=(N, 30))])
    features = [BOTH, noisy]
    view = view_of([[f] for f in features], tasks=VALUES, labels=(LABELS, LABELS))
    errors = Heads().errors(view, (0.1, 0.3, 1.0))[:, 0, 0, 1] / Heads().errors(view, (0.1, 0.3, 1.0))[:, 0, 1, 1]
    saved, x = 1 - errors, np.log([0.1, 0.3, 1.0])
    area = ((saved[0] + saved[1]) / 2 * (x[1] - x[0]) + (saved[1] + saved[2]) / 2 * (x[2] - x[1])) / (x[2] - x[0])
    found = of(TransferCurve(), features)
    assert found[0, 1] == pytest.approx(area)
    assert found[0, 1] > of(ProbeHead(), features)[0, 1] + 0.02
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-12)
    np.testing.assert_allclose(of(TransferCurve(amounts=(1.0,)), features), of(ProbeHead(), features))


def test_curve_leaves_out_amounts_without_enough_labels() -> None:
    features = [BOTH[:60], A[:60]]
    found = of(TransferCurve(amounts=(0.1, 0.5, 1.0)), features, labels=LABELS[:60])  # 6 rows are too few
    np.testing.assert_allclose(found, of(TransferCurve(amounts=(0.5, 1.0)), features, labels=LABELS[:60]))
    assert np.isnan(of(TransferCurve(amounts=(0.1,)), features, labels=LABELS[:60])).all()


def test_curve_over_source_training_by_hand() -> None:
    """The second's network knows nothing after 1/3, the first input after 2/3, both at the end."""
    earlier = [[[C], [C]], [[BOTH], [A]]]
    view = view_of([[BOTH], [BOTH]], tasks=VALUES, labels=(LABELS, LABELS), earlier=earlier)
    found = TransferCurve(over="source_training")(view)[-1]
    steps = 1 - np.array([2.25, 1.25, 0.25]) / 0.25  # the sum, from the second's network
    assert found[1, 0] == pytest.approx((steps[0] + 2 * steps[1] + steps[2]) / 4, abs=0.02)
    assert found[0, 0] == pytest.approx((1 - 9) / 4, abs=0.02)
    assert found[0, 1] == pytest.approx((1 - 5) / 4, abs=0.02)


@pytest.mark.parametrize("amounts", [(), (0.5, 0.1), (0.1, 0.1), (0.0, 1.0), (0.5, 1.5), (NAN, 1.0)])
def test_amounts_are_ascending_shares(amounts: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="amounts should be shares"):
        TransferCurve(amounts=amounts)


def contrasts(x: Array) -> Array:
    """Coordinates of centred columns in the n - 1 directions that sum to zero."""
    return np.asarray(np.linalg.svd(np.ones((1, len(x))))[2][1:] @ x)


def log_likelihood(x: Array, y: Array, alpha: float, beta: float) -> float:
    covariance = x @ x.T / alpha + np.eye(len(y)) / beta
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y)) / len(y)


@pytest.mark.parametrize(("n_features", "noise"), [(3, 0.3), (3, 3.0), (30, 1.0)])
def test_evidence_is_the_largest_likelihood(n_features: int, noise: float) -> None:
    """Against the normal distribution of the labels itself, climbing in both precisions."""
    rng = np.random.default_rng(n_features)
    x = centred(rng.normal(size=(15, n_features)) * 2)
    y = x @ rng.normal(size=n_features) + noise * rng.normal(size=15)
    y -= y.mean()
    found = evidence(*spectrum(x), y)
    free, labels = contrasts(x), contrasts(y)
    grid = [(a, b) for a in (-3, -1, 1, 3) for b in (-3, -1, 1, 3)]
    likelihood = {log: log_likelihood(free, labels, *np.exp(log).tolist()) for log in grid}
    start = max(likelihood, key=lambda log: likelihood[log])

    def loss(log: Array) -> float:
        return -log_likelihood(free, labels, *np.exp(log).tolist())

    top = minimize(loss, np.array(start), method="Nelder-Mead", tol=1e-7)
    assert max(likelihood.values()) <= found
    assert found == pytest.approx(-top.fun, abs=1e-6)


def test_evidence_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    x = centred(rng.normal(size=(80, 6)))
    y = x @ rng.normal(size=6) + rng.normal(size=80)
    y -= y.mean()
    priors = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    model = BayesianRidge(compute_score=True, fit_intercept=False, tol=1e-10, max_iter=10_000, **priors)
    model.fit(contrasts(x), contrasts(y))
    assert evidence(*spectrum(x), y) == pytest.approx(model.scores_[-1] / 79, abs=1e-6)


def test_evidence_at_its_limits() -> None:
    y = np.tile([1.0, -1.0], 10) * np.sqrt(19 / 20)  # a variance of 1 with 19 degrees of freedom
    noise = -0.5 * (np.log(2 * np.pi) + 1)
    dead = np.zeros((20, 3))
    assert evidence(*spectrum(dead), y) == pytest.approx(noise)
    unrelated = np.repeat([1.0, -1.0], 10)[:, None]
    assert evidence(*spectrum(unrelated), y) == pytest.approx(noise)
    perfect = evidence(*spectrum(y[:, None]), y)
    assert noise + 5 < perfect < np.inf


def test_logme_is_relative_to_the_own_features() -> None:
    found = of(LogME(), [BOTH, A])
    own = [evidence(*spectrum(f), LABELS[:, j] - LABELS[:, j].mean()) for j, f in enumerate((BOTH, A))]
    crossed = [evidence(*spectrum(f), LABELS[:, j] - LABELS[:, j].mean()) for j, f in enumerate((A, BOTH))]
    np.testing.assert_allclose(found, [[0, crossed[1] - own[1]], [crossed[0] - own[0], 0]], atol=1e-12)
    assert found[1, 0] == pytest.approx(-0.5 * np.log(5), abs=0.03)  # noise of 1.25 instead of 0.25
    assert -0.02 < found[0, 1] < 0  # a feature without use costs a little


def test_logme_takes_the_mean_over_classes_that_occur() -> None:
    three, two = (Task(name=f"c{k}", kind="multiclass", n_classes=k) for k in (4, 2))
    y = np.array([0, 1, 3, 3.0])
    np.testing.assert_allclose(
        columns(three, y), [[0.75, -0.25, -0.25, -0.25], [-0.25, 0.75, -0.25, -0.25], [-0.5, -0.5, 0.5, 0.5]]
    )
    np.testing.assert_allclose(columns(two, np.array([0, 1, 1, 1.0])), [[-0.75, 0.25, 0.25, 0.25]])
    np.testing.assert_allclose(columns(three, np.array([0, 3.0])), [[-1.5, 1.5]])


def test_logme_looks_at_score_rows_by_default() -> None:
    view = view_of([[A], [B]], [[B], [A]], tasks=VALUES, labels=(LABELS, LABELS))
    default, fit = LogME()(view)[-1], LogME(part="fit")(view)[-1]
    assert default[1, 1] == fit[1, 1] == 0
    assert default[0, 1] < -0.3
    assert fit[0, 1] > 0.3
