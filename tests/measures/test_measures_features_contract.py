"""What every measure of features must keep, over the whole table."""

from typing import Any, ClassVar

import numpy as np
import pytest
from feature_views import Array, permuted, view_of
from pydantic import BaseModel, ValidationError

from taskgroup.core.task import Task, TaskSet
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.views import FeatureView

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "cka": [{}, {"kernel": "rbf"}, {"debiased": False}, {"kernel": "rbf", "debiased": False, "part": "fit"}],
    "participation_ratio": [{}, {"debiased": False}],
    "transfer_curve": [{}, {"over": "source_training"}],
    "logme": [{}, {"part": "fit"}],
}
NAMES = [name for name in MEASURES.names if MEASURES[name].sees == "features"]
CASES = [(name, options) for name in NAMES for options in OPTIONS.get(name, [{}])]
TASKS = TaskSet(
    tasks=(
        Task(name="odd", kind="binary", metric="auc"),
        Task(name="digit", kind="multiclass", n_classes=3),
        Task(name="ink", kind="regression"),
        Task(name="big", kind="binary", metric="balanced_accuracy"),
        Task(name="rare", kind="binary"),
    )
)
RARE = 4
FOUND: dict[str, Array] = {}
SIZES = {"fit": 48, "score": 40}


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def measure(request: pytest.FixtureRequest) -> Measure:
    name, options = request.param
    made: Measure = MEASURES.create(name, options)
    return made


class Nature:
    """Common inputs of both parts; every task's trunk is a random layer that keeps some of its own direction."""

    rng: ClassVar = np.random.default_rng(0)
    inputs: ClassVar = {part: np.random.default_rng(n).normal(size=(n, 6)) for part, n in SIZES.items()}
    weights: ClassVar = rng.normal(size=(5, 2, 6, 8))

    @classmethod
    def features(cls, part: str, share: float = 1.0) -> list[list[Array]]:
        found = [[np.maximum(cls.inputs[part] @ (share * w), 0) for w in task] for task in cls.weights]
        for task in found:
            task[1][:, 3] = 0.5  # a unit that is dead on every row
        return found

    @classmethod
    def labels(cls, part: str) -> Array:
        x = cls.inputs[part]
        digit = np.digitize(x[:, 1], [-0.5, 0.5]).astype(float)
        found = np.stack([x[:, 0] > 0, digit, x[:, 1] + 0.1 * x[:, 2], x[:, 0] + x[:, 1] > 0, x[:, 3] > 1], axis=1)
        found[np.random.default_rng(3).random(found.shape) < 0.2] = np.nan
        found[8:, RARE] = np.nan  # too few to learn from
        return found


def nature() -> FeatureView:
    labels = Nature.labels("fit"), Nature.labels("score")
    return view_of(Nature.features("fit"), Nature.features("score"), tasks=TASKS, labels=labels)


def natural(measure: Measure) -> Array:
    """What the measure finds in nature; looked up once."""
    key = repr(measure)
    if key not in FOUND:
        FOUND[key] = measure(nature())
    return FOUND[key].copy()


def test_frozen_and_named_in_the_table(measure: Measure) -> None:
    assert isinstance(measure, BaseModel)
    data = measure.model_dump()
    assert MEASURES[data["method"]] is type(measure)
    assert type(measure).model_validate(data) == measure
    with pytest.raises(ValidationError):
        measure.method = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        MEASURES.create(data["method"], {"no_such_option": 1})
    with pytest.raises(ValidationError):
        MEASURES.create(data["method"], {"max_rows": 9})


def test_shape_and_what_is_known(measure: Measure) -> None:
    found = natural(measure)
    assert found.shape == (3, 5, 5)
    assert found.dtype == np.float64
    assert not np.isinf(found).any()
    assert not np.isnan(found[:, :RARE, :RARE]).any()
    assert np.isnan(found[:, RARE, :]).all()
    assert np.isnan(found[:, :, RARE]).all()


def test_symmetric_if_it_says_so(measure: Measure) -> None:
    found = natural(measure)
    assert np.array_equal(found, found.transpose(0, 2, 1), equal_nan=True) == measure.symmetric


def test_the_same_answer_twice_and_inputs_unchanged(measure: Measure) -> None:
    view = nature()
    before = [view.features(t, s, p, -1).copy() for t in TASKS.names for s in view.stages for p in SIZES]
    first = measure(view)
    np.testing.assert_array_equal(natural(measure), first)
    after = [view.features(t, s, p, -1) for t in TASKS.names for s in view.stages for p in SIZES]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(view.labels("fit"), Nature.labels("fit"))


def test_inputs_may_be_read_only(measure: Measure) -> None:
    view = nature()
    for task in TASKS.names:
        for part in SIZES:
            view.features(task, "s0", part, -1).flags.writeable = False
    measure(view)


def test_order_of_tasks_only_moves_entries(measure: Measure) -> None:
    order = [2, 0, 4, 3, 1]
    found, moved = natural(measure), measure(permuted(nature(), order))
    np.testing.assert_allclose(moved, found[:, order][:, :, order], rtol=1e-8, atol=1e-10)


def test_one_task(measure: Measure) -> None:
    one = TaskSet(tasks=TASKS.tasks[:1])
    labels = Nature.labels("fit")[:, :1], Nature.labels("score")[:, :1]
    view = view_of(Nature.features("fit")[:1], Nature.features("score")[:1], tasks=one, labels=labels)
    found = measure(view)
    assert found.shape == (3, 1, 1)
    np.testing.assert_allclose(found, natural(measure)[:, :1, :1], rtol=1e-8, atol=1e-10)


def test_more_features_than_rows(measure: Measure) -> None:
    wide = {
        part: [[np.tile(f, 40) * np.linspace(0.5, 2, 320) for f in task] for task in Nature.features(part)]
        for part in SIZES
    }
    view = view_of(wide["fit"], wide["score"], tasks=TASKS, labels=(Nature.labels("fit"), Nature.labels("score")))
    found = measure(view)[:, :RARE, :RARE]
    assert np.isfinite(found).all()


def test_more_rows_than_wanted(measure: Measure) -> None:
    few = type(measure).model_validate(measure.model_dump() | {"max_rows": 20})  # type: ignore[attr-defined]
    view = nature()
    first = few(view)
    assert not np.array_equal(first, natural(measure), equal_nan=True)
    other = FeatureView(view.tasks, view.stages, view.features, view.labels, view.checkpoints, seed=1)
    assert not np.array_equal(first, few(other), equal_nan=True)


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_dead_features_help_nobody(measure: Measure, level: float) -> None:
    fit, score = Nature.features("fit"), Nature.features("score")
    for part in (fit, score):
        for stage in range(2):
            part[0][stage] = np.full_like(part[0][stage], level)
    view = view_of(fit, score, tasks=TASKS, labels=(Nature.labels("fit"), Nature.labels("score")))
    found = measure(view)[:, :RARE, :RARE]
    assert not np.isinf(found).any()
    known = found[:, 1:, 1:]
    assert not np.isnan(known).any()
    assert (found[:, 0, 1:] <= known[:, range(3), range(3)]).all()
    if "transfer" not in type(measure).__module__:
        assert (found[:, 0, :] == 0).all()
        assert (found[:, :, 0] == 0).all()


def test_a_network_that_diverged_is_unknown(measure: Measure) -> None:
    fit, score = Nature.features("fit"), Nature.features("score")
    for part in (fit, score):
        part[1][0][3, 2] = np.inf
    view = view_of(fit, score, tasks=TASKS, labels=(Nature.labels("fit"), Nature.labels("score")))
    found, kept = measure(view), [0, 2, 3]
    assert np.isnan(found[0, 1, :]).all()
    assert np.isnan(found[0, :, 1]).all()
    assert not np.isnan(found[:, kept][:, :, kept]).any()
    assert not np.isnan(found[1, :RARE, :RARE]).any()


def test_too_few_rows_are_unknown(measure: Measure) -> None:
    fit = [[f[:9] for f in task] for task in Nature.features("fit")]
    assert np.isnan(measure(view_of(fit))).all()


def test_a_label_that_never_changes_is_unknown(measure: Measure) -> None:
    labels = Nature.labels("fit"), Nature.labels("score")
    labels[0][:, 0] = 1.0
    view = view_of(Nature.features("fit"), Nature.features("score"), tasks=TASKS, labels=labels)
    found = measure(view)
    assert np.isnan(found[:, 0, :]).all()
    assert np.isnan(found[:, :, 0]).all()
    assert not np.isnan(found[:, 1:RARE, 1:RARE]).any()


def test_the_last_slice(measure: Measure) -> None:
    found = natural(measure)
    whole = found[1] if "transfer" in type(measure).__module__ else (found[0] + found[1]) / 2
    np.testing.assert_array_equal(found[2], whole)


def test_meaning_is_plain(measure: Measure) -> None:
    assert "A" in measure.meaning
    assert "B" in measure.meaning
    assert not measure.meaning.endswith(".")
