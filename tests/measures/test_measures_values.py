"""Closed forms: orientation, sign and step size of every measure, at θ = (3, 1) with L₀ = a² + b² and L₁ = b²."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_probes import both, probe_of, second, times, unlabelled

from taskgroup.measures.training.gradient import GradientCosine, GradientDot, SignConflict
from taskgroup.measures.training.lookahead import Lookahead

NAN = np.nan


def exact(**options: Any) -> Lookahead:
    """Every slice by the formula."""
    return Lookahead(mode="exact", per_stage="exact", **options)


def first_order(**options: Any) -> Lookahead:
    """Without curvature."""
    return Lookahead(mode="first_order", **options)


@pytest.mark.parametrize("eta", [0.01, 0.1, 0.3, 0.9])
def test_lookahead_by_hand(eta: float) -> None:
    """A step on L₀ goes to (1 - 2η)(3, 1), one on L₁ to (3, 1 - 2η)."""
    found = exact(step_size=eta)(probe_of([both, second]))
    u = 1 - (1 - 2 * eta) ** 2  # what a loss that is a plain square loses when its own variables move
    first_stage = [[0.9 * u, 0], [0, 0]]
    second_stage = [[u / 10, u], [u / 10, u]]
    whole = [[u, u], [u / 10, u]]  # [source, target]: the step on L₁ hardly helps L₀, that on L₀ helps L₁ fully
    np.testing.assert_allclose(found, np.array([first_stage, second_stage, whole]), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("eta", [0.01, 0.1, 2.0])
def test_first_order_by_hand(eta: float) -> None:
    found = first_order(step_size=eta)(probe_of([both, second]))
    first_stage = [[36 / 10, 0], [0, 0]]
    second_stage = [[4 / 10, 4], [4 / 10, 4]]
    whole = [[40 / 10, 4], [4 / 10, 4]]
    np.testing.assert_allclose(found, eta * np.array([first_stage, second_stage, whole]), rtol=1e-12)


def test_gradient_cosine_by_hand() -> None:
    found = GradientCosine()(probe_of([both, second]))
    c = 4 / (np.sqrt(40) * 2)
    expected = np.array([[[1, NAN], [NAN, NAN]], [[1, 1], [1, 1]], [[1, c], [c, 1]]])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_conflict_is_negative() -> None:
    probe = probe_of([lambda a, b: (a - 1) ** 2, lambda a, b: (a - 7) ** 2])  # at 3: gradients 4 and -8
    dot, cosine, ahead = (m(probe)[2] for m in (first_order(step_size=0.1), GradientCosine(), exact(step_size=0.1)))
    np.testing.assert_allclose(dot, [[0.1 * 16 / 4, -0.1 * 32 / 16], [-0.1 * 32 / 4, 0.1 * 64 / 16]])
    np.testing.assert_allclose(cosine, [[1, -1], [-1, 1]])
    np.testing.assert_allclose(ahead, [[1 - 1.6**2 / 4, 1 - 4.4**2 / 16], [1 - 2.8**2 / 4, 1 - 3.2**2 / 16]])


def test_first_order_is_exact_to_first_order() -> None:
    def curved(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.exp(a / 2) + torch.sin(a * b) ** 2 + 1

    def skew(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.cosh(a - 2 * b)

    probe = probe_of([both, second, curved, skew], at=(0.7, -0.4))
    gaps = []
    for eta in (1e-3, 1e-4):
        gaps.append(np.abs(exact(step_size=eta)(probe) - first_order(step_size=eta)(probe)).max())
        assert gaps[-1] < 200 * eta**2
    assert gaps[1] == pytest.approx(gaps[0] / 100, rel=0.02)  # the rest is of second order


def test_one_stage_is_the_whole_trunk() -> None:
    for measure in (exact(step_size=0.1), first_order(step_size=0.1), GradientCosine()):
        found = measure(probe_of([both, second], n_stages=1))
        assert found.shape == (2, 2, 2)
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_allclose(found[1], measure(probe_of([both, second]))[2], rtol=1e-12)


def eta_of(losses: list[Any], lr: float = 0.1, **options: Any) -> float:
    """The step that a measure took, from its own-task entry of L₀ = b²: η · 4."""
    return float(first_order(**options)(probe_of([second, *losses], lr=lr))[2, 0, 0]) / 4


def test_step_size_lr_is_that_of_the_step_at_hand() -> None:
    assert eta_of([both], step_size="lr", lr=0.025) == pytest.approx(0.025)
    u = 1 - (1 - 2 * 0.025) ** 2
    assert exact(step_size="lr")(probe_of([both, second], lr=0.025))[2, 1, 1] == pytest.approx(u)


def test_step_size_auto_lets_the_median_task_lower_its_loss_by_the_target() -> None:
    own = [times(8), times(2)]  # with b² itself: squared gradient over loss is 4, 32 and 8
    assert eta_of(own) == pytest.approx(0.03 / 8)
    assert eta_of(own, target=0.1, lr=7.0) == pytest.approx(0.1 / 8)
    found = first_order(target=0.1)(probe_of([second, *own]))
    assert np.median(np.diag(found[2])) == pytest.approx(0.1)


def test_step_size_auto_is_capped() -> None:
    assert eta_of([times(8), times(2)], max_step=0.001) == pytest.approx(0.001)
    assert eta_of([times(1e-3), times(2e-3)], max_step=0.5, min_loss=0) == pytest.approx(0.5)


def test_step_size_auto_passes_over_tasks_that_say_nothing() -> None:
    tiny = times(1e-6)  # below min_loss; its ratio of 4e-6 would be the median
    assert eta_of([unlabelled, tiny, tiny, times(2), times(8)]) == pytest.approx(0.03 / 8)


def test_step_size_auto_where_no_task_has_a_gradient() -> None:
    def constant(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return 0 * a + 2

    probe = probe_of([constant, unlabelled])
    expected = [[0, NAN], [NAN, NAN]]
    for measure in (first_order(), exact()):
        np.testing.assert_array_equal(measure(probe), [expected] * 3)


@pytest.mark.parametrize("measure", [exact, first_order])
@pytest.mark.parametrize(
    "options",
    [
        *({"step_size": value} for value in ("fast", 0, -0.1, NAN, np.inf, None)),
        *({"target": value} for value in (0, 1, -1)),
        *({"max_step": value} for value in (0, -1)),
        {"min_loss": -1},
        {"size": 1},
    ],
    ids=str,
)
def test_options_out_of_range(measure: Callable[..., Lookahead], options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        measure(**options)


@pytest.mark.parametrize("measure", [exact(step_size=0.1), first_order(step_size=0.1)])
def test_targets_with_almost_no_loss_are_left_out(measure: Lookahead) -> None:
    losses, at = [both, second], (3.0, 1e-3)
    found = measure(probe_of(losses, at))
    assert np.isnan(found[:, :, 1]).all()
    assert np.isfinite(found[:, :, 0]).all()  # as a source it counts
    assert np.isfinite(measure.model_copy(update={"min_loss": 1e-7})(probe_of(losses, at))).all()


@pytest.mark.parametrize("measure", [exact(step_size=0.1), first_order(step_size=0.1), GradientCosine()])
def test_a_task_without_labels_is_unknown_as_source_and_as_target(
    measure: Lookahead | GradientCosine,
) -> None:
    found = measure(probe_of([both, unlabelled, second]))
    assert np.isnan(found[:, 1, :]).all()
    assert np.isnan(found[:, :, 1]).all()
    kept = found[:, [0, 2]][:, :, [0, 2]]
    np.testing.assert_array_equal(kept, measure(probe_of([both, second])))


@pytest.mark.parametrize("measure", [exact(step_size=0.1), first_order(step_size=0.1)])
def test_an_infinite_loss_says_nothing(measure: Lookahead) -> None:
    found = measure(probe_of([both, lambda a, b: b.detach() + torch.inf]))
    np.testing.assert_array_equal(np.isnan(found), [[[False, True], [True, True]]] * 3)


def test_a_step_off_the_cliff_is_unknown_not_infinite() -> None:
    def cliff(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.where(b < 0.9, torch.inf, b**2)

    found = exact(step_size=0.3)(probe_of([both, cliff]))
    assert np.isnan(found[2, 0, 1])
    assert np.isfinite(found[2, 0, 0])


def test_gradient_dot_by_hand() -> None:
    found = GradientDot()(probe_of([both, second]))
    np.testing.assert_allclose(found, np.array([[[36.0, 0], [0, 0]], [[4, 4], [4, 4]], [[40, 4], [4, 4]]]))


def test_sign_conflict_by_hand() -> None:
    losses = [both, second, lambda a, b: a**2 - b**2]  # gradients (6, 2), (0, 2), (6, -2)
    found = SignConflict()(probe_of(losses))
    first_stage = [[1, NAN, 1], [NAN, NAN, NAN], [1, NAN, 1]]
    second_stage = [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    whole = [[1, 1, 0], [1, 1, -1], [0, -1, 1]]
    np.testing.assert_allclose(found, np.array([first_stage, second_stage, whole], dtype=np.float64))


def test_exact_looks_can_leave_the_stages_to_the_first_order() -> None:
    probe = probe_of([both, second])
    found = Lookahead(mode="exact", step_size=0.1)(probe)
    np.testing.assert_array_equal(found[:2], first_order(step_size=0.1)(probe)[:2])
    np.testing.assert_array_equal(found[2], exact(step_size=0.1)(probe)[2])


def test_central_differences_are_free_of_curvature() -> None:
    """On squares the central difference is the first order, the forward one is not."""
    probe = probe_of([both, second])
    central = exact(step_size=0.1, difference="central")(probe)
    np.testing.assert_allclose(central, first_order(step_size=0.1)(probe), rtol=1e-9)
    assert np.abs(exact(step_size=0.1)(probe) - central).max() > 0.01


def test_auto_trusts_the_first_order_only_where_it_holds() -> None:
    """On squares λ is 1 - η: (1 - (1 - 2η)²) over 4η."""
    for eta, trusted in ((0.05, True), (0.4, False)):
        probe = probe_of([both, second])
        found = Lookahead(step_size=eta, guard=0.8)(probe)
        assert probe.facts["lambda"] == pytest.approx(1 - eta)
        assert probe.facts["exact"] == (0 if trusted else 1)
        same = first_order(step_size=eta) if trusted else Lookahead(mode="exact", step_size=eta)
        np.testing.assert_array_equal(found, same(probe))


def test_random_signs_are_right_on_average() -> None:
    losses = [both, second, lambda a, b: (a - b) ** 2]
    found = [_signed(losses, number) for number in range(300)]
    expected = first_order(step_size=0.01)(probe_of(losses))
    spread = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected) <= 4 * spread + 1e-9).all()
    assert (np.std(found, axis=0)[2] > 0).any()


def _signed(losses: list[Any], number: int) -> np.ndarray[Any, Any]:
    probe = probe_of(losses)
    probe.number = number
    return Lookahead(mode="sampled", step_size=0.01, draws=2)(probe)


def test_random_sources_are_exact_and_the_rest_unknown() -> None:
    losses = [both, second, lambda a, b: (a - b) ** 2]
    whole = Lookahead(mode="exact", step_size=0.1)(probe_of(losses))
    seen = np.zeros(3, dtype=int)
    for number in range(30):
        probe = probe_of(losses)
        probe.number = number
        found = Lookahead(mode="sampled", sample="sources", draws=1, step_size=0.1)(probe)
        (source,) = np.flatnonzero(~np.isnan(found).all(axis=(0, 2)))
        np.testing.assert_array_equal(found[:, source], whole[:, source])
        seen[source] += 1
    assert (seen > 3).all()


def test_a_black_box_is_probed_on_its_own_batch_only() -> None:
    for options in ({"on": "val"}, {"on": "halves"}, {"step": "optimizer"}):
        with pytest.raises(ValueError, match="a probe without `losses_on` or a tower looks at the batch at hand"):
            Lookahead.model_validate(options)(probe_of([both, second]))
