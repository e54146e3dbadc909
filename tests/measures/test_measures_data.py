"""Measures of the data: closed forms, and what every one of them must keep."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from scipy.stats.contingency import association

from taskgroup.core.task import Task, TaskSet
from taskgroup.errors import InputError
from taskgroup.measures import MEASURES, Measure
from taskgroup.measures.data.common_rows import CommonRows
from taskgroup.measures.data.correlation import LabelCorrelation
from taskgroup.measures.data.difficulty import Difficulty
from taskgroup.measures.data.distance import InputDistance
from taskgroup.measures.data.information import LabelInformation
from taskgroup.measures.data.rows import labelled_rows
from taskgroup.measures.views import DataView

NAN = np.nan
NAMES = ("common_rows", "difficulty", "input_distance", "label_correlation", "label_information")
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("input_distance", {"kind": "classifier"}),
    ("label_information", {"scaled": False}),
    *((name, {"max_rows": 20}) for name in ("difficulty", "input_distance", "label_information")),
]
NUMBER, BINARY, CLASS = "regression", "binary", "multiclass"


def task(name: str, kind: Any) -> Task:
    return Task(name=name, kind=kind, n_classes=3 if kind == CLASS else None)


def view(columns: list[Any], kinds: list[Any], inputs: Any = None, seed: int = 0) -> DataView:
    labels = np.array(columns, dtype=np.float64).T
    rows = np.zeros((len(labels), 1)) if inputs is None else np.array(inputs, dtype=np.float64).reshape(len(labels), -1)
    tasks = TaskSet(tasks=tuple(task(f"t{k}", kind) for k, kind in enumerate(kinds)))
    return DataView(tasks, ("stem", "top"), rows, labels, seed)


def off_diagonal(measure: Any, *args: Any, **options: Any) -> tuple[float, float]:
    found = measure(view(*args, **options))
    return float(found[2, 0, 1]), float(found[2, 1, 0])


# label_correlation


def test_numbers_and_binary_labels_by_pearson() -> None:
    up, shuffled, half = [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 1, 1]
    columns = [up, shuffled, [-v for v in shuffled], half]
    found = LabelCorrelation(min_rows=3)(view(columns, [NUMBER, NUMBER, NUMBER, BINARY]))[2]
    a, b = 2 / np.sqrt(5), 1 / np.sqrt(5)  # of half with up and with shuffled
    expected = [[1, 0.8, 0.8, a], [0.8, 1, 1, b], [0.8, 1, 1, b], [a, b, b, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_classes_by_correlation_ratio_and_by_cramer() -> None:
    classes, numbers, half = [0, 0, 1, 1, 2, 2], [0, 2, 4, 6, 8, 10], [0, 0, 1, 1, 0, 1]
    found = LabelCorrelation(min_rows=3)(view([classes, numbers, half], [CLASS, NUMBER, BINARY]))[2]
    np.testing.assert_allclose(found[0], [1, np.sqrt(64 / 70), np.sqrt(4 / 6)], rtol=1e-12)  # η², χ² / n
    np.testing.assert_allclose(found, found.T, rtol=1e-12)


def test_two_classes_against_scipy() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 200)
    b = np.where(rng.random(200) < 0.5, a, rng.integers(0, 3, 200))
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (a, b), 1)
    expected = association(counts, method="cramer")
    assert off_diagonal(LabelCorrelation(), [a, b], [CLASS, CLASS]) == pytest.approx((expected, expected))


@pytest.mark.parametrize("kind", [NUMBER, CLASS])
def test_correlation_on_the_rows_that_have_both_labels(kind: str) -> None:
    first = [0, 1, 2, 0, 1, 2, NAN, NAN, NAN]
    second = [0, 1, 2, 0, 1, 2, 9, 9, 9]
    assert off_diagonal(LabelCorrelation(min_rows=6), [first, second], [kind, NUMBER]) == pytest.approx((1, 1))
    assert np.isnan(off_diagonal(LabelCorrelation(min_rows=7), [first, second], [kind, NUMBER])).all()


@pytest.mark.parametrize("kind", [NUMBER, BINARY, CLASS])
@pytest.mark.parametrize("measure", [LabelCorrelation(), LabelInformation()])
def test_a_label_that_is_constant_on_the_common_rows_is_unknown(measure: Measure, kind: str) -> None:
    varied = np.arange(30) % 2
    constant = np.where(np.arange(30) < 20, 1.0, NAN)
    assert np.isnan(off_diagonal(measure, [varied, constant], [kind, kind])).all()


# label_information


def test_information_of_classes_by_hand() -> None:
    a, b = np.repeat([0, 1], 8), np.tile([0, 0, 0, 1], 4)
    b[8:] = 1 - b[8:]  # three in four agree
    nats = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    found = LabelInformation(scaled=False)(view([a, b], [BINARY, CLASS]))[2]
    np.testing.assert_allclose(found, [[np.log(2), nats], [nats, np.log(2)]], rtol=1e-12)
    found = LabelInformation()(view([a, b], [BINARY, CLASS]))[2]
    scaled = np.sqrt(1 - np.exp(-2 * nats))
    np.testing.assert_allclose(found, [[np.sqrt(0.75), scaled], [scaled, np.sqrt(0.75)]], rtol=1e-12)


def test_information_of_normal_numbers_is_scaled_to_the_correlation() -> None:
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, 1500))
    found = LabelInformation(n_neighbors=5)(view([x, -0.8 * x + 0.6 * noise], [NUMBER, NUMBER]))[2]
    np.testing.assert_allclose(found, [[1, 0.8], [0.8, 1]], atol=0.03)
    nats = LabelInformation(scaled=False)(view([x, noise], [NUMBER, NUMBER]))[2]
    np.testing.assert_allclose(nats, [[NAN, 0], [0, NAN]], atol=0.03)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_information_of_a_number_and_a_class_that_it_gives_away(order: list[int]) -> None:
    label = np.arange(400) % 2
    number = 10 * label + np.random.default_rng(2).normal(size=400)
    columns, kinds = [[label, number][k] for k in order], [[BINARY, NUMBER][k] for k in order]
    found = off_diagonal(LabelInformation(scaled=False), columns, kinds)
    assert found == pytest.approx((np.log(2), np.log(2)), abs=0.02)


def test_information_sees_what_correlation_does_not() -> None:
    x = np.linspace(-1, 1, 400)
    columns, kinds = [x, x**2], [NUMBER, NUMBER]
    assert off_diagonal(LabelCorrelation(), columns, kinds)[0] < 1e-9
    assert off_diagonal(LabelInformation(), columns, kinds)[0] > 0.9


# input_distance


def test_discrepancy_of_two_points_by_hand() -> None:
    first, second = [1] * 5 + [NAN] * 5, [NAN] * 5 + [1] * 5
    measure = InputDistance(min_rows=5)
    found = off_diagonal(measure, [first, second], [NUMBER, NUMBER], inputs=np.repeat([0, 3], 5))
    expected = -(2 - 2 * np.exp(-0.5))  # the only distance is the median one
    assert found == pytest.approx((expected, expected), rel=1e-12)


def test_discrepancy_leaves_out_pairs_of_a_row_with_itself() -> None:
    first, second = [1] * 5 + [NAN], [NAN] + [1] * 5
    found = off_diagonal(InputDistance(min_rows=5), [first, second], [NUMBER, NUMBER], inputs=[0, 0, 0, 0, 0, 1])
    e = np.exp(-0.5)
    expected = -(1 + (6 + 4 * e) / 10 - 2 * (16 + 5 * e) / 21)
    assert found == pytest.approx((expected, expected), rel=1e-12)


def test_discrepancy_is_unbiased() -> None:
    rng = np.random.default_rng(3)
    own = np.where(np.arange(80) % 2 == 0, 1.0, NAN)
    other = np.where(np.arange(80) % 2 == 1, 1.0, NAN)
    draws = [
        off_diagonal(InputDistance(), [own, other], [NUMBER, NUMBER], inputs=rng.normal(size=(80, 3)))[0]
        for _ in range(200)
    ]
    assert min(draws) < 0 < max(draws)
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(200)


def test_classifier_tells_what_is_apart_and_not_what_is_alike() -> None:
    rng = np.random.default_rng(4)
    owner = np.arange(240) % 3
    columns = [np.where(owner == k, 1.0, NAN) for k in range(3)]
    inputs = rng.normal(size=(240, 2)) + 20 * (owner == 2)[:, None]
    found = InputDistance(kind="classifier")(view(columns, [NUMBER] * 3, inputs))[2]
    np.testing.assert_allclose(found[2], [-1, -1, 0], atol=1e-9)
    assert found[0, 1] > -0.3


@pytest.mark.parametrize("kind", ["mmd", "classifier"])
def test_the_same_rows_are_at_no_distance(kind: Any) -> None:
    rng = np.random.default_rng(5)
    labels = np.where(rng.random(80) < 0.7, 1.0, NAN)
    inputs = rng.normal(size=(80, 4))
    found = InputDistance(kind=kind, max_rows=30)(view([labels, labels], [NUMBER] * 2, inputs))
    assert not found.any()


@pytest.mark.parametrize("inputs", [np.zeros(30), np.repeat([0.0, 1.0], 15)])
def test_inputs_that_hardly_differ(inputs: Any) -> None:
    columns = [np.where(np.arange(30) % 2 == k, 1.0, NAN) for k in range(2)]
    for kind in ("mmd", "classifier"):
        found = InputDistance(kind=kind)(view(columns, [NUMBER] * 2, inputs))
        assert abs(found[2, 0, 1]) < 0.2


# common_rows


def test_common_rows_by_hand() -> None:
    few, many = [1] * 4 + [NAN] * 6, [NAN] * 2 + [0] * 8
    found = CommonRows()(view([few, many], [NUMBER, NUMBER]))[2]
    np.testing.assert_array_equal(found, [[1, 2 / 8], [2 / 4, 1]])  # [source, target]


# difficulty


def test_difficulty_by_hand() -> None:
    """A line is no trouble; without inputs a row is guessed by the mean of the nine others, ``10 / 9`` as far off."""
    x = np.arange(10.0)
    first, second = np.append(x, [NAN] * 10), np.append([NAN] * 10, x**2)
    inputs = np.append(x, np.zeros(10))
    found = off_diagonal(Difficulty(n_folds=10), [first, second], [NUMBER, NUMBER], inputs=inputs)
    assert found == pytest.approx((-((10 / 9) ** 2), -((10 / 9) ** 2)), abs=1e-4)


def test_difficulty_of_every_kind() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(600, 3))
    line, noise = inputs[:, 0], rng.normal(size=600)
    columns = [line, noise, noise > 0, line > 0, np.digitize(line, [-0.5, 0.5])]
    found = Difficulty()(view(columns, [NUMBER, NUMBER, BINARY, BINARY, CLASS], inputs))[2]
    assert found[0, 1] == pytest.approx(-1, abs=0.05)
    assert found[1, 2] == pytest.approx(0, abs=0.05)  # equally impossible, whatever the kind
    assert -0.7 < found[0, 3] < -0.2  # a step is not a line: its best linear fit leaves 1 - 2 / π
    assert found[0, 3] == pytest.approx(-(1 - 2 / np.pi), abs=0.06)
    assert found[0, 4] < found[0, 3]


def test_difficulty_does_not_depend_on_the_company() -> None:
    """Tasks with the same rows are fitted in one go, each with a penalty of its own."""
    rng = np.random.default_rng(8)
    inputs = rng.normal(size=(60, 30))
    columns, kinds = [inputs[:, 0], rng.normal(size=60), rng.normal(size=60)], [NUMBER] * 3
    alone = Difficulty()(view(columns[1:], kinds[1:], inputs))
    np.testing.assert_allclose(Difficulty()(view(columns, kinds, inputs))[:, 1:, 1:], alone, rtol=1e-9)


# rows


def test_rows_are_drawn_alike_for_all_tasks() -> None:
    labels = [np.zeros(100), np.where(np.arange(100) < 50, 0.0, NAN), np.zeros(100)]
    first, half, last = labelled_rows(view(labels, [NUMBER] * 3), 30)
    assert len(first) == len(half) == 30
    np.testing.assert_array_equal(first, last)
    assert set(first[first < 50]) <= set(half)
    assert first.max() > 50  # not the first thirty
    assert (np.diff(first) > 0).all()
    assert first.tolist() != labelled_rows(view(labels, [NUMBER] * 3, seed=1), 30)[0].tolist()
    np.testing.assert_array_equal(labelled_rows(view(labels, [NUMBER] * 3), 200)[1], np.arange(50))


# what all of them keep


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def measure(request: pytest.FixtureRequest) -> Measure:
    name, options = request.param
    made: Measure = MEASURES.create(name, options)
    return made


TASKS = tuple(task(n, k) for n, k in (("odd", BINARY), ("digit", CLASS), ("ink", NUMBER), ("size", NUMBER)))
RARE = task("rare", BINARY)


def mixed(tasks: tuple[Task, ...]) -> DataView:
    """Labels by task name, some missing; ``rare`` has none."""
    columns = []
    inputs = np.random.default_rng(7).normal(size=(120, 5))
    for each in tasks:
        rng = np.random.default_rng(len(each.name))
        number = inputs[:, len(each.name) % 5] + rng.normal(size=120)
        labels = number if each.kind == NUMBER else (number > 0).astype(float) + (number > 1) * (each.kind == CLASS)
        labels[rng.random(120) < 0.3] = np.nan
        columns.append(np.full(120, np.nan) if each == RARE else labels)
    return DataView(TaskSet(tasks=tasks), ("stem", "top"), inputs, np.stack(columns, axis=1), 3)


def without_diagonal(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(matrices[:, ~np.eye(matrices.shape[1], dtype=bool)])


def test_frozen_and_named_in_the_table(measure: Measure) -> None:
    assert isinstance(measure, BaseModel)
    data = measure.model_dump()
    assert MEASURES[data["method"]] is type(measure)
    assert type(measure).model_validate(data) == measure
    with pytest.raises(ValidationError):
        measure.method = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        MEASURES.create(data["method"], {"max_row": 5})


def test_shape_and_what_is_known(measure: Measure) -> None:
    found = measure(mixed((*TASKS, RARE)))
    assert found.shape == (3, 5, 5)
    assert found.dtype == np.float64
    assert not np.isinf(found).any()
    assert np.isfinite(without_diagonal(found[:, :4, :4])).all()
    assert np.isnan(found[:, 4]).all()
    assert np.isnan(found[:, :, 4]).all()
    assert measure.sees == "data"
    assert measure.meaning


def test_stages_are_alike(measure: Measure) -> None:
    found = measure(mixed(TASKS))
    np.testing.assert_array_equal(found, np.stack([found[2]] * 3))


def test_symmetric_as_declared(measure: Measure) -> None:
    found = measure(mixed(TASKS))
    assert np.allclose(found, found.transpose(0, 2, 1), equal_nan=True) == measure.symmetric


def test_the_order_of_the_tasks_does_not_matter(measure: Measure) -> None:
    straight = measure(mixed(TASKS))
    for order in list(permutations(range(4)))[7::8]:
        permuted = measure(mixed(tuple(TASKS[k] for k in order)))
        np.testing.assert_allclose(permuted, straight[:, order, :][:, :, order], rtol=1e-9, atol=1e-9)


def test_looking_again_sees_the_same_and_changes_nothing(measure: Measure) -> None:
    seen = mixed(TASKS)
    before = seen.inputs.copy(), seen.labels.copy()
    np.testing.assert_array_equal(measure(seen), measure(seen))
    np.testing.assert_array_equal(seen.inputs, before[0])
    np.testing.assert_array_equal(seen.labels, before[1])


def test_one_task(measure: Measure) -> None:
    assert measure(mixed(TASKS[:1])).shape == (3, 1, 1)


def test_a_pair_that_was_never_seen_together(measure: Measure) -> None:
    known = mixed(TASKS[2:])
    owner = np.arange(120) % 2
    labels = np.where(owner[:, None] == [0, 1], np.nan_to_num(known.labels), np.nan)
    found = measure(DataView(known.tasks, known.stages, known.inputs, labels))
    if measure.method in ("label_correlation", "label_information"):
        assert np.isnan(without_diagonal(found)).all()
    else:
        assert np.isfinite(without_diagonal(found)).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("label_correlation", {"min_rows": 2}),
        ("label_information", {"n_neighbors": 0}),
        ("input_distance", {"kind": "energy"}),
        ("input_distance", {"min_rows": 4}),
        ("difficulty", {"n_folds": 1}),
        ("common_rows", {"min_rows": 3}),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MEASURES.create(name, options)


def test_a_misspelt_measure_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean `label_correlation`"):
        MEASURES.create("label_corelation", {})
