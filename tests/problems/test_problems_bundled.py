from pathlib import Path

import numpy as np
import pytest
from problem_tables import TRUNK, load
from sklearn.datasets import load_diabetes, load_digits

from taskgroup.problems.bundled import moments
from taskgroup.problems.config import BUNDLED
from taskgroup.problems.problem import TEST, TRAIN, VAL

FOLDER = Path()


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_every_set_has_the_tasks_that_the_config_knows(name: str) -> None:
    problem = load(FOLDER, source="bundled", name=name)
    assert {t.name: t.kind for t in problem.tasks} == BUNDLED[name]
    assert problem.name == name
    assert not np.isnan(problem.labels).any()
    assert problem.trunk_spec.options == {"width": 4, "depth": 2, "dropout": 0.0}


def test_digits_are_images_under_one_scale_from_training_rows() -> None:
    problem = load(FOLDER, source="bundled", name="digits")
    images = load_digits().images
    train = images[problem.split == TRAIN]
    expected = (images - train.mean()) / train.std()
    np.testing.assert_allclose(problem.inputs[:, 0], expected, atol=1e-6)
    assert problem.inputs.shape == (1797, 1, 8, 8)
    assert [int((problem.split == s).sum()) for s in (TRAIN, VAL, TEST)] == [719, 539, 539]


def test_digits_labels_follow_the_digit() -> None:
    problem = load(FOLDER, source="bundled", name="digits")
    columns = dict(zip(problem.tasks.names, problem.labels.T, strict=True))
    digit = load_digits().target
    loops = {0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}
    np.testing.assert_array_equal(columns["digit"], digit)
    np.testing.assert_array_equal(columns["parity"], digit % 2)
    np.testing.assert_array_equal(columns["at_least_5"], digit >= 5)
    np.testing.assert_array_equal(columns["prime"], [d in (2, 3, 5, 7) for d in digit])
    np.testing.assert_array_equal(columns["loops"], [loops[d] for d in digit])
    np.testing.assert_array_equal(columns["straight_stroke"], [d in (1, 4, 5, 7) for d in digit])
    assert (problem.tasks["digit"].n_classes, problem.tasks["loops"].n_classes) == (10, 3)


def test_moments_of_an_image_drawn_by_hand() -> None:
    image = np.zeros((1, 4, 4))
    image[0, 0, 2], image[0, 1, 1], image[0, 2, 0] = 4, 4, 4  # a slash: the top leans to the right
    found = {name: float(values[0]) for name, values in moments(image).items()}
    assert found == pytest.approx({"ink_mass": 12 / 16, "centre_row": 1.0, "centre_col": 1.0, "slant": -1.0})


def test_regressions_are_standardized_and_can_be_turned_back() -> None:
    problem = load(FOLDER, source="bundled", name="digits", tasks=["ink_mass"])
    (task,) = problem.tasks
    train = problem.labels[problem.split == TRAIN, 0]
    assert (train.mean(), train.std()) == pytest.approx((0, 1))
    mass = load_digits().images.mean(axis=(1, 2))
    np.testing.assert_allclose(problem.labels[:, 0] * task.scale + task.mean, mass)


def test_a_choice_of_tasks_keeps_inputs_and_split() -> None:
    whole = load(FOLDER, source="bundled", name="diabetes")
    chosen = load(FOLDER, source="bundled", name="diabetes", tasks=["bp", "progression"])
    assert chosen.tasks.names == ("bp", "progression")
    np.testing.assert_array_equal(chosen.inputs, whole.inputs)
    np.testing.assert_array_equal(chosen.split, whole.split)
    np.testing.assert_array_equal(chosen.labels[:, 1], whole.labels[:, 0])


def test_diabetes_inputs_hold_none_of_the_targets() -> None:
    problem = load(FOLDER, source="bundled", name="diabetes")
    columns = [c["column"] for c in problem.preprocessing["inputs"]["numeric"]]
    assert columns == ["age", "sex", "s1", "s2", "s3", "s4", "s5"]
    task = problem.tasks["glucose"]
    glucose = load_diabetes(scaled=False).data[:, -1]
    np.testing.assert_allclose(problem.labels[:, 3] * task.scale + task.mean, glucose)


def test_another_seed_splits_otherwise() -> None:
    splits = [
        load(
            FOLDER, TRUNK, source="bundled", name="linnerud", split={"train": 0.4, "val": 0.3, "test": 0.3, "seed": s}
        ).split
        for s in (0, 0, 1)
    ]
    assert (splits[0] == splits[1]).all()
    assert (splits[0] != splits[2]).any()
