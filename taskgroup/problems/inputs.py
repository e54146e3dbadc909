"""Inputs: columns and arrays to the numbers that a trunk takes, everything fitted on training rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from taskgroup.errors import InputError
from taskgroup.problems.faults import Faults, some
from taskgroup.problems.source import Inputs

MAX_CATEGORIES = 1000
"""More one-hot columns than this from one input column are taken for an oversight (names, dates, ids)."""

Prepared = tuple[NDArray[Any], dict[str, Any]]
"""Inputs and their record."""


@dataclass(frozen=True)
class Raw:
    """Inputs that have been checked but not fitted.

    Attributes:
        array: ``(N, ...)`` numbers that share one mean and scale, or token ids; None for columns.
        numeric: Numeric columns, float64, NaN where missing, shape ``(N, n)``.
        categorical: Categorical columns as text, None where missing, shape ``(N, c)``.
        columns: Names of the numeric, then of the categorical columns.
        tokens: Whether ``array`` holds token ids.
    """

    array: NDArray[Any] | None
    numeric: NDArray[np.float64]
    categorical: NDArray[np.object_]
    columns: tuple[list[str], list[str]]
    tokens: bool = False


def checked(
    inputs: Inputs,
    *,
    categorical: Sequence[str] = (),
    shape: tuple[int, ...] | None = None,
    tokens: bool = False,
) -> Raw:
    """Sort columns into numeric and categorical, or shape them into an array.

    Args:
        inputs: Columns or an array, as read.
        categorical: Columns (or matrices they come from) that are categories although they are numbers.
        shape: Shape of one row.
        tokens: Whether they are token ids.

    Raises:
        InputError: Infinite values, columns that are neither numbers nor categories, a shape that does not fit.
    """
    if isinstance(inputs, pd.DataFrame) and not (tokens or shape):
        return _columns(inputs, set(categorical))
    if isinstance(inputs, pd.DataFrame):
        wrong = [c for c in inputs.columns if not _is_number(inputs[c])]
        if wrong:
            raise InputError(f"problem.inputs: with shape or tokens all should be numbers, found text in {some(wrong)}")
        inputs = inputs.to_numpy()
    return _array(inputs, shape, tokens)


def _array(array: NDArray[Any], shape: tuple[int, ...] | None, tokens: bool) -> Raw:
    if array.dtype.kind not in "biuf":
        raise InputError(f"problem.inputs: an input array should hold numbers, found {array.dtype}")
    if not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).sum())
        raise InputError(
            f"problem.inputs: an input array should be finite without gaps, found otherwise in {n_bad} rows"
        )
    if shape is not None:
        if int(np.prod(shape)) != int(np.prod(array.shape[1:])):
            raise InputError(
                f"problem.shape: {list(shape)} should hold as many numbers as a row has inputs, "
                f"found {int(np.prod(shape))} and {int(np.prod(array.shape[1:]))}"
            )
        array = array.reshape(len(array), *shape)
    if tokens and (array.dtype.kind not in "iu" or array.min() < 0):
        raise InputError(
            f"problem.tokens: token ids should be whole numbers from 0, found {array.dtype} from {array.min()}"
        )
    return Raw(array, np.empty((len(array), 0)), np.empty((len(array), 0), object), ([], []), tokens)


def _columns(frame: pd.DataFrame, forced: set[str]) -> Raw:
    faults = Faults()
    numeric = [c for c in frame.columns if _is_number(frame[c]) and not {c, c.partition("[")[0]} & forced]
    categorical = [c for c in frame.columns if c not in numeric]
    numbers = frame[numeric].to_numpy(dtype=np.float64, na_value=np.nan)
    for name, n_infinite in zip(numeric, np.isinf(numbers).sum(axis=0), strict=True):
        if n_infinite:
            faults.add([f"problem.inputs: `{name}` should be finite, found {n_infinite} infinite values"])
    for name in categorical:
        if name not in forced and name.partition("[")[0] not in forced and not _is_category(frame[name]):
            faults.add(
                [f"problem.inputs: `{name}` should be all numbers, all text or true/false, found {_what(frame[name])}"]
            )
    faults.check()
    texts = np.empty((len(frame), len(categorical)), object)
    for j, name in enumerate(categorical):
        texts[:, j] = [None if pd.isna(v) else _text(v) for v in frame[name].tolist()]
    texts[texts == ""] = None
    return Raw(None, numbers, texts, (numeric, categorical))


def _text(value: object) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _is_number(column: "pd.Series[Any]") -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(column) and not types.is_bool_dtype(column) and not types.is_complex_dtype(column)


def _is_category(column: "pd.Series[Any]") -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column):
        return True
    return pd.api.types.infer_dtype(column, skipna=True) in ("string", "boolean", "empty")


def _what(column: "pd.Series[Any]") -> str:
    return f"{pd.api.types.infer_dtype(column, skipna=True)} such as `{column.dropna().iloc[0]}`"


def fitted(raw: Raw, train: NDArray[np.bool_]) -> Prepared:
    """Inputs of all rows, float32 (token ids int64), with means, scales and categories taken from ``train`` rows.

    Raises:
        InputError: A column without a value in training, or with too many categories.
    """
    if raw.array is not None:
        return _fitted_array(raw.array, train, raw.tokens)
    names, categories = raw.columns
    empty = [n for j, n in enumerate(names) if np.isnan(raw.numeric[train, j]).all()]
    many = [(n, len(set(raw.categorical[train, j]))) for j, n in enumerate(categories)]
    faults = [f"problem.inputs: `{n}` should have a value in some training row, found none" for n in empty]
    faults += [
        f"problem.inputs: `{n}` should have at most {MAX_CATEGORIES} categories, found {count}; leave it out"
        for n, count in many
        if count > MAX_CATEGORIES
    ]
    if faults:
        raise InputError(faults)
    numbers, number_record = _fitted_numbers(raw.numeric, train, names)
    onehot, category_record = _fitted_categories(raw.categorical, train, categories)
    values = np.hstack([numbers, onehot]).astype(np.float32)
    return values, {
        "kind": "columns",
        "order": ["numeric", "indicators", "categorical"],
        **number_record,
        **category_record,
    }


def _fitted_array(array: NDArray[Any], train: NDArray[np.bool_], tokens: bool) -> Prepared:
    shape = list(array.shape[1:])
    if tokens:
        return array.astype(np.int64), {"kind": "tokens", "shape": shape}
    mean, scale = float(np.mean(array[train], dtype=np.float64)), float(np.std(array[train], dtype=np.float64)) or 1.0
    values = ((array - mean) / scale).astype(np.float32)
    return values, {"kind": "array", "shape": shape, "mean": mean, "scale": scale}


def _fitted_numbers(numeric: NDArray[np.float64], train: NDArray[np.bool_], names: list[str]) -> Prepared:
    """Standardize by the values present, then fill gaps with the training median and flag them in indicator columns."""
    if not names:
        return numeric, {"numeric": [], "indicators": []}
    scaler = StandardScaler().fit(numeric[train])
    scaled = scaler.transform(numeric)
    imputer = SimpleImputer(strategy="median", add_indicator=True).fit(scaled[train])
    medians = scaler.mean_ + scaler.scale_ * imputer.statistics_
    columns = [
        {"column": n, "mean": float(mean), "scale": float(scale), "median": float(median)}
        for n, mean, scale, median in zip(names, scaler.mean_, scaler.scale_, medians, strict=True)
    ]
    return imputer.transform(scaled), {
        "numeric": columns,
        "indicators": [names[j] for j in imputer.indicator_.features_],
    }


def _fitted_categories(texts: NDArray[np.object_], train: NDArray[np.bool_], names: list[str]) -> Prepared:
    """One column for each category seen in training, missing being one of them; all zero for an unseen one."""
    if not names:
        return np.empty((len(texts), 0)), {"categorical": []}
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(texts[train])
    kept = [{"column": n, "categories": list(c)} for n, c in zip(names, encoder.categories_, strict=True)]
    return encoder.transform(texts), {"categorical": kept}
