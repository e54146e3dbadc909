"""Measures of capacity: closed forms on a network of orthogonal units, and what every one of them must keep."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from scipy.linalg import hadamard

from taskgroup.core.task import Task, TaskSet
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.capacity.ablation import Ablation
from taskgroup.measures.capacity.bottleneck import Bottleneck
from taskgroup.measures.capacity.pruning import Pruning
from taskgroup.measures.views import SharedView

Array = NDArray[np.float64]
NAN = np.nan
CASES: list[tuple[str, dict[str, Any]]] = [
    ("ablation", {}),
    ("ablation", {"strength": 0.5}),
    ("bottleneck", {}),
    ("bottleneck", {"max_units": 5}),
    ("pruning", {}),
    ("pruning", {"max_units": 5}),
]
UNITS: Array = hadamard(16)[:, 1:9].astype(np.float64)
"""Eight units that are ±1, average to zero and are uncorrelated over 16 rows."""


def view(
    weights: dict[str, Any], floors: Any, *, shift: Any = 0.0, n_places: int = 0, names: Any = None, seed: int = 0
) -> SharedView:
    """A network with ``L_t = floor_t + mean (Σ_u w_tu (x_u' - x_u))²``, the sum over places too where there are any.

    Args:
        weights: Stage → ``w``, shape ``(T, 8)``.
        floors: Losses with nothing changed, shape ``(T,)``.
        shift: Mean of every unit, or of each.
        n_places: Places of each channel; 0 for plain features.
        names: Task names.
        seed: Of the view.
    """
    activations = UNITS + shift
    if n_places:
        activations = np.repeat(activations[:, :, None], n_places, axis=2)

    def losses(stage: str, edit: Callable[[Array], Array]) -> Array:
        changed = edit(activations)
        assert changed.shape == activations.shape
        change = changed - activations
        if n_places:
            change = change.sum(axis=2)
        return np.asarray(floors + ((change @ np.transpose(weights[stage])) ** 2).mean(axis=0), dtype=np.float64)

    tasks = tuple(Task(name=name, kind="regression") for name in names or [f"t{k}" for k in range(len(floors))])
    return SharedView(TaskSet(tasks=tasks), tuple(weights), lambda stage: activations, losses, seed)


FIRST = [4.0, 3, 2, 1, 0, 0, 0, 0]
MIRRORED = [0.0, 0, 0, 0, 1, 2, 3, 4]
BROAD = [2.0, 2, 2, 1, 1, 1, 3, 3]
STAGES = {"stem": [FIRST, MIRRORED, BROAD], "top": [MIRRORED, MIRRORED, FIRST]}
FLOORS = [2.0, 1.0, 5.0]


@pytest.mark.parametrize("shift", [np.zeros(8), np.arange(8.0)])
def test_pruning_by_hand(shift: Array) -> None:
    """A unit at zero costs ``w² (1 + shift²)``."""
    found = Pruning()(view(STAGES, FLOORS, shift=shift))
    costs = {stage: (np.square(w) * (1 + shift**2)).T for stage, w in STAGES.items()}
    for k, profiles in enumerate([costs["stem"], costs["top"], np.concatenate(list(costs.values()))]):
        np.testing.assert_allclose(found[k], np.corrcoef(profiles.T), rtol=1e-9)
    assert found[0, 0, 1] < 0
    assert found[1, 0, 1] == pytest.approx(1)


def test_pruning_takes_a_channel_at_all_its_places() -> None:
    plain, places = (Pruning()(view(STAGES, FLOORS, n_places=n)) for n in (0, 3))
    np.testing.assert_allclose(plain, places, rtol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 2.0])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_ablation_by_hand(shift: float, strength: float) -> None:
    """With every unit at its mean the loss grows by ``Σ w²``, half way by a quarter of that."""
    found = Ablation(strength=strength)(view(STAGES, FLOORS, shift=shift))
    for k, weights in enumerate(STAGES.values()):
        harm = np.log1p(strength**2 * np.square(weights).sum(axis=1) / FLOORS)
        np.testing.assert_allclose(found[k], -np.abs(np.subtract.outer(harm, harm)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[2], found[:2].mean(axis=0))


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_bottleneck_by_hand(shift: float) -> None:
    """Of eight units one, two and four are kept; those that go cost the target ``w²`` each."""
    found = Bottleneck()(view({"stem": [FIRST, BROAD]}, [2.0, 5.0], shift=shift))[0]
    first_for_first = np.mean([2 / (2 + 14), 2 / (2 + 5), 2 / 2])
    first_for_broad = np.mean([5 / (5 + 29), 5 / (5 + 25), 5 / (5 + 20)])  # keeps units 1; 1, 2; 1, 2, 3, 4
    broad_for_broad = np.mean([5 / (5 + 24), 5 / (5 + 15), 5 / (5 + 7)])  # keeps units 7; 7, 8; 7, 8, 1, 2
    broad_for_first = np.mean([2 / (2 + 30), 2 / (2 + 30), 2 / (2 + 5)])
    expected = [[first_for_first, first_for_broad], [broad_for_first, broad_for_broad]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)  # [source, target]


def test_bottleneck_of_drawn_units_leaves_the_others() -> None:
    """Nothing is lost of the units that were not drawn."""
    found = Bottleneck(max_units=3)(view({"stem": [FIRST, BROAD]}, [2.0, 5.0]))[0]
    assert (found > Bottleneck()(view({"stem": [FIRST, BROAD]}, [2.0, 5.0]))[0]).all()


def test_a_stage_that_a_task_does_not_use() -> None:
    idle = {"stem": [FIRST, np.zeros(8), BROAD]}
    pruning = Pruning()(view(idle, FLOORS))[0]
    assert np.isnan(pruning[1]).all()
    assert np.isfinite(pruning[np.ix_([0, 2], [0, 2])]).all()
    np.testing.assert_array_equal(Bottleneck()(view(idle, FLOORS))[0, :, 1], 1)  # whatever is kept


@pytest.mark.parametrize("measure", [Ablation(), Bottleneck()])
def test_a_loss_of_zero_has_no_relative_increase(measure: Measure) -> None:
    found = measure(view(STAGES, [0.0, 1.0, 5.0]))
    assert np.isnan(found[:, :, 0]).all()
    assert np.isfinite(found[:, 1:, 1:]).all()


def test_two_units_are_too_few_to_correlate() -> None:
    few = view(STAGES, FLOORS)
    narrow = SharedView(few.tasks, few.stages[:1], lambda s: UNITS[:, :2], lambda s, e: e(UNITS[:, :2])[:, 0][:3] ** 2)
    assert np.isnan(Pruning()(narrow)).all()


# what all of them keep


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def measure(request: pytest.FixtureRequest) -> Measure:
    name, options = request.param
    made: Measure = MEASURES.create(name, options)
    return made


def four(order: Any = (0, 1, 2, 3)) -> SharedView:
    rng = np.random.default_rng(1)
    weights = {stage: rng.normal(size=(4, 8))[list(order)] for stage in ("stem", "mid", "top")}
    floors = np.array([1.0, 2.0, 0.5, NAN])[list(order)]
    return view(weights, floors, shift=0.5, n_places=2, names=[f"t{k}" for k in order], seed=2)


def test_frozen_and_named_in_the_table(measure: Measure) -> None:
    assert isinstance(measure, BaseModel)
    data = measure.model_dump()
    assert MEASURES[data["method"]] is type(measure)
    assert type(measure).model_validate(data) == measure
    with pytest.raises(ValidationError):
        measure.method = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        MEASURES.create(data["method"], {"max_unit": 5})


def test_shape_and_what_is_known(measure: Measure) -> None:
    found = measure(four())
    assert found.shape == (4, 4, 4)
    assert found.dtype == np.float64
    assert np.isfinite(found[:, :3, :3]).all()
    assert np.isnan(found[:, 3]).all()
    assert np.isnan(found[:, :, 3]).all()
    assert measure.sees == "shared"
    assert measure.meaning


def test_symmetric_as_declared(measure: Measure) -> None:
    found = measure(four())
    assert np.allclose(found, found.transpose(0, 2, 1), equal_nan=True) == measure.symmetric


def test_the_order_of_the_tasks_does_not_matter(measure: Measure) -> None:
    straight = measure(four())
    for order in list(permutations(range(4)))[1::7]:
        expected = straight[:, order, :][:, :, order]
        np.testing.assert_allclose(measure(four(order)), expected, rtol=1e-9, atol=1e-12)


def test_looking_again_sees_the_same_and_changes_nothing(measure: Measure) -> None:
    seen = four()
    before = seen.activations("stem").copy()
    np.testing.assert_array_equal(measure(seen), measure(seen))
    np.testing.assert_array_equal(seen.activations("stem"), before)


def test_one_task(measure: Measure) -> None:
    found = measure(view({"stem": [FIRST]}, [1.0]))
    assert found.shape == (2, 1, 1)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pruning", {"max_units": 2}),
        ("bottleneck", {"max_units": 0}),
        ("ablation", {"strength": 0}),
        ("ablation", {"strength": 1.1}),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MEASURES.create(name, options)
