"""Inputs of sets: every kind that the format allows, and the trunk that each gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from set_files import BITS, NAN, RNG, SPLIT, N, X, documents, loaded, save

from taskgroup.errors import InputError
from taskgroup.problems.problem import TRAIN
from taskgroup.problems.sets.categories import fitted_categories
from taskgroup.problems.sets.shapes import arranged, form_of
from taskgroup.problems.sets.trunks import MOST_WEIGHTS, default_trunk
from taskgroup.problems.validate import validate


def pixels(*shape: int) -> Any:
    return RNG.integers(0, 255, (N, *shape)).astype(np.uint8)


def numbers(*shape: int) -> Any:
    return RNG.normal(5, 3, (N, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("arrays", "meta", "shape", "trunk"),
    [
        ({"X": numbers(3)}, {}, (3,), "mlp"),
        ({"X": numbers()}, {}, (1,), "mlp"),
        ({"X": pixels(5)}, {"modality": "image"}, (5,), "mlp"),
        ({"X": pixels(9, 8)}, {}, (1, 9, 8), "conv"),
        ({"X": numbers(8, 8)}, {}, (1, 8, 8), "conv"),
        ({"X": numbers(9, 3)}, {"modality": "image"}, (1, 9, 3), "conv"),
        ({"X": numbers(20, 32)}, {"modality": "log-mel spectrogram"}, (1, 20, 32), "conv"),
        ({"X": pixels(3, 9, 8)}, {}, (3, 9, 8), "conv"),
        ({"X": pixels(9, 8, 3)}, {}, (3, 9, 8), "conv"),
        ({"X": pixels(9, 8, 6)}, {"modality": "image"}, (6, 9, 8), "conv"),
        ({"X": pixels(2, 3, 6, 6)}, {}, (6, 6, 6), "conv"),
        ({"X": numbers(24, 3)}, {}, (24, 3), "conv1d"),
        ({"X": numbers(3, 24)}, {}, (24, 3), "conv1d"),
        ({"X": pixels(24, 3)}, {"modality": "time-series"}, (24, 3), "conv1d"),
        ({"X": numbers(24)}, {"modality": "sensor signal"}, (24, 1), "conv1d"),
        ({"X": numbers(24, 2, 2)}, {"modality": "sequence"}, (24, 4), "conv1d"),
        ({"X": None, "X_bits": np.packbits(BITS, axis=1)}, {}, (16,), "mlp"),
        ({"X": None, "X_num": numbers(3)}, {}, (3,), "mlp"),
        ({"X": None, "X_cat": pixels(1) % 4, "X_num": numbers(3)}, {}, (7,), "mlp"),
        ({"X": None, "X_count": pixels(6), "X_desc": numbers(2)}, {}, (8,), "mlp"),
        ({"X": None, "X_count": pixels(6)}, {"modality": "unheard of"}, (6,), "mlp"),
        (documents([3, 7, 1]), {}, (7,), "text"),
    ],
)  # fmt: skip
def test_every_kind_of_inputs_gets_its_trunk(
    tmp_path: Path, arrays: Any, meta: Any, shape: tuple[int, ...], trunk: str
) -> None:
    save(tmp_path, meta=meta, **arrays)
    problem = loaded(tmp_path)
    assert validate(problem) == []
    assert problem.inputs.shape == (N, *shape)
    assert problem.trunk_spec.name == trunk
    assert len(problem.trunk.names) in (3, 4)
    assert problem.preprocessing["notes"] == []


@pytest.mark.parametrize(
    ("trunk", "arrays", "shape"),
    [
        ("conv1d", {"X": pixels(9, 8)}, (9, 8)),
        ("transformer", {"X": pixels(9, 8)}, (9, 8)),
        ("conv", {"X": numbers(24, 3)}, (1, 24, 3)),
        ("mlp", {"X": pixels(9, 8)}, (1, 9, 8)),
        ("conv1d", {"X": numbers(24)}, (24, 1)),
    ],
)
def test_a_trunk_that_is_given_decides_the_shape(
    tmp_path: Path, trunk: str, arrays: Any, shape: tuple[int, ...]
) -> None:
    save(tmp_path, **arrays)
    assert loaded(tmp_path, {"name": trunk}).inputs.shape[1:] == shape


def test_a_trunk_that_does_not_fit(tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(InputError, match="trunk: conv takes images"):
        loaded(tmp_path, {"name": "conv"})
    with pytest.raises(InputError, match="trunk: text takes token ids"):
        loaded(tmp_path, {"name": "text"})


def test_arrays_are_standardized_by_channel_or_feature(tmp_path: Path) -> None:
    series = numbers(24, 3) * np.array([1, 100, 0], dtype=np.float32)
    series[5], series[0, 3, 1], series[1, 0, 0] = NAN, NAN, np.inf  # row 5 is unused
    save(tmp_path, X=series)
    problem = loaded(tmp_path)
    train = problem.inputs[problem.split == TRAIN].astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=(0, 1)), [1, 1, 0], atol=5e-3)
    assert (problem.inputs[0, 3, 1], problem.inputs[1, 0, 0]) == (0, 0)
    assert f"array `X`: {24 * 3 + 2} gaps are filled by the mean" in problem.preprocessing["notes"]
    assert len(problem.preprocessing["inputs"]["scale"]) == 3


def test_channels_last_keep_their_pixels() -> None:
    array = pixels(9, 8, 3)
    found, axis = arranged(array, "image")
    assert axis == 1
    np.testing.assert_array_equal(found[:, 2, 4, 7], array[:, 4, 7, 2])
    late, _ = arranged(numbers(3, 24), "sequence")
    assert late.shape == (N, 24, 3)
    assert form_of(pixels(9, 8), None, None) == "image"


def test_columns_with_gaps_and_wild_values(tmp_path: Path) -> None:
    wild = numbers(4)
    wild[3, 0], wild[1, 1], wild[2, 2] = 1e30, NAN, np.inf  # row 3 is not in training
    wild[SPLIT == TRAIN, 3] = NAN
    save(tmp_path, X=None, X_desc=wild)
    problem = loaded(tmp_path)
    assert np.abs(problem.inputs).max() <= 10
    assert problem.inputs.shape[1] == 3 + 2  # the last column has nothing in training; two flags of gaps
    notes = "\n".join(problem.preprocessing["notes"])
    assert "array `X_desc`: 1 infinite numbers are taken for missing" in notes
    assert "array `X_desc`: 1 columns without a number in training are left out" in notes


def test_counts_share_one_scale(tmp_path: Path) -> None:
    counts = np.zeros((N, 3), dtype=np.uint8)
    counts[0, 0], counts[1, 1] = 1, 200
    save(tmp_path, X=None, X_count=counts)
    found = loaded(tmp_path).inputs
    np.testing.assert_allclose(
        (found[1, 1] - found[2, 2]) / (found[0, 0] - found[2, 2]), np.log(201) / np.log(2), rtol=1e-4
    )


def test_rare_categories_have_no_column() -> None:
    codes = np.array([[5], [5], [0], [0], [0], [9], [2]])
    train = np.arange(7) != 6
    found, record = fitted_categories(codes, train)
    assert record["categorical"] == [{"column": "X_cat[0]", "categories": [0, 5, 9]}]
    np.testing.assert_array_equal(found[[0, 2, 6]], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    many = np.arange(300)[:, None]
    assert fitted_categories(many, np.ones(300, dtype=bool))[0].shape == (300, 100)
    assert fitted_categories(np.repeat(many, 500, axis=1), np.ones(300, dtype=bool))[0].shape == (300, 2000)


def test_documents_are_filled_up_and_cut(tmp_path: Path) -> None:
    arrays = documents([0, 4, 9])
    save(tmp_path, meta={"vocab_size": 50}, **arrays)
    problem = loaded(tmp_path, max_len=6)
    assert problem.inputs.dtype == np.int64
    flat = arrays["tok_flat"].astype(int)
    np.testing.assert_array_equal(problem.inputs[0], [0] * 6)
    np.testing.assert_array_equal(problem.inputs[1], [*flat[:4], 0, 0])
    np.testing.assert_array_equal(problem.inputs[2], flat[4:10])
    assert problem.trunk_spec.options["n_tokens"] == 50
    assert loaded(tmp_path, {"name": "text", "width": 8}).trunk_spec.options["n_tokens"] == 30


def test_a_word_with_the_padding_id_is_moved_away(tmp_path: Path) -> None:
    arrays = documents([4], low=1)
    arrays["tok_flat"][1] = 0
    save(tmp_path, **arrays)
    problem = loaded(tmp_path)
    np.testing.assert_array_equal(problem.inputs[0], arrays["tok_flat"][:4].astype(int) + 1)
    assert problem.trunk_spec.options["n_tokens"] == 31
    assert problem.preprocessing["inputs"]["ids_moved_by"] == 1


def test_padding_inside_the_file_stays_padding(tmp_path: Path) -> None:
    arrays = documents([4], low=1)
    arrays["tok_flat"][3] = 0
    save(tmp_path, **arrays)
    assert loaded(tmp_path).preprocessing["inputs"]["ids_moved_by"] == 0


@pytest.mark.parametrize("change", [(0, 1), (3, 0), (-1, 10**6)])
def test_offsets_that_are_none(tmp_path: Path, change: tuple[int, int]) -> None:
    arrays = documents([4])
    arrays["tok_off"][change[0]] = change[1]
    save(tmp_path, **arrays)
    with pytest.raises(InputError, match="array `tok_off` should rise from 0 to at most 480"):
        loaded(tmp_path)


def test_default_trunks_are_cheap() -> None:
    assert default_trunk("image", (1, 8, 8), 3)["stride"] == 1
    assert default_trunk("image", (1, 28, 28), 3)["stride"] == 2
    assert default_trunk("image", (3, 96, 96), 3)["stride"] == 6
    assert default_trunk("sequence", (48, 3), 3)["stride"] == 1
    assert default_trunk("sequence", (640, 3), 3)["stride"] == 10
    for n_tasks in (2, 100, 400):
        width = default_trunk("vector", (3000,), n_tasks)["width"]
        assert width * 3000 * n_tasks <= MOST_WEIGHTS
    assert default_trunk("tokens", (200,), 3, 100)["n_tokens"] == 100


def test_columns_of_x_are_not_cut(tmp_path: Path) -> None:
    values = X.copy()
    values[0, 0] = 1e6
    save(tmp_path, X=values)
    assert loaded(tmp_path).inputs[0, 0] > 5
