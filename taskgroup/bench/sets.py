"""The public sets of ``../shared/data`` as problems: rows of numbers with many tasks. The files are never committed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from taskgroup.core.spec import TrunkSpec
from taskgroup.core.table import did_you_mean
from taskgroup.core.task import Metric, Task
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.problems.inputs import checked, fitted
from taskgroup.problems.labels import split_fault
from taskgroup.problems.problem import TRAIN, Problem

SETS = ("bibtex", "landmine", "rf1", "sarcos", "scene", "school", "sider", "tox21", "yeast")
"""Sets whose rows are vectors."""

METRICS: dict[str, Metric] = {"roc_auc": "auc", "nmse": "r2"}
"""Our names for the sets' own metrics."""

TRUNK = {"name": "mlp", "width": 64, "depth": 2}

Arrays = Mapping[str, NDArray[Any]]


def read_set(
    name: str, folder: Path, trunk: Mapping[str, Any] | None = None, *, tasks: Sequence[str] | None = None
) -> Problem:
    """A public set as a problem, on its first random split (``split_random[0]``).

    Inputs are standardized on the training rows, column by column, gaps filled by the median and flagged; bits share
    one mean and scale, since a rare one would become huge. Where every row belongs to one task the labels of the other
    tasks are missing. Tasks that cannot be scored (one class only in some split) are left out and named in
    ``preprocessing["left_out"]``; known groups, where the set has them, are in ``preprocessing["groups"]``.

    Args:
        name: One of ``SETS``.
        folder: Where ``NAME.npz`` lies.
        trunk: Name and options; where the name is left out an MLP, by default of 2 stages of 64.
        tasks: Some of its tasks; by default all.

    Raises:
        InputError: No such set, file or task, or a trunk that does not fit.
    """
    if name not in SETS:
        raise InputError(f"set should be one of {', '.join(SETS)}, found `{name}`{did_you_mean(name, SETS)}")
    path = Path(folder) / f"{name}.npz"
    if not path.is_file():
        raise InputError(f"{path}: should be the file of the public set {name}, found none; see its card {name}.md")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    meta = json.loads(arrays["meta"].tobytes())
    split = arrays["split_random"][0]
    labels = _labels(arrays, meta)
    left_out = [t for t in labels if split_fault(t, _kind(meta, t), labels[t], split)]
    chosen = [t for t in _chosen(tasks, list(labels), name) if t not in left_out]
    inputs, record = _inputs(arrays, meta, split)
    spec, built = _trunk(trunk or {}, inputs)
    notes = {"set": name, "split": "split_random[0]", "inputs": record, "left_out": left_out}
    if "known_groups" in arrays:
        notes["groups"] = {t: int(g) for t, g in zip(labels, arrays["known_groups"], strict=True) if t in chosen}
    defined = [Task(name=t, kind=_kind(meta, t), metric=METRICS.get(meta["metric"])) for t in chosen]
    return Problem.from_arrays(name, defined, inputs, labels, split, built, trunk_spec=spec, preprocessing=notes)


def _kind(meta: Mapping[str, Any], task: str) -> Any:
    return next(t["type"] for t in meta["tasks"] if t["name"] == task)


def _labels(arrays: Arrays, meta: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Task → labels in their own units, NaN where missing (-1 in the files of class labels), shape ``(N,)``."""
    found = {}
    for k, task in enumerate(meta["tasks"]):
        if meta["kind"] == "separate":
            column = np.where(arrays["task_id"] == k, arrays["y"].astype(np.float64), np.nan)
        else:
            column = arrays["Y"][:, k].astype(np.float64)
        found[task["name"]] = column if task["type"] == "regression" else np.where(column < 0, np.nan, column)
    return found


def _chosen(tasks: Sequence[str] | None, known: list[str], name: str) -> list[str]:
    unknown = [t for t in tasks or () if t not in known]
    if unknown:
        raise InputError(f"set {name}: has no task `{t}`{did_you_mean(t, known)}" for t in unknown)
    return [t for t in known if tasks is None or t in tasks]


def _inputs(
    arrays: Arrays, meta: Mapping[str, Any], split: NDArray[np.int8]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Standardized inputs, shape ``(N, D)``, and what was done."""
    if "X_bits" in arrays:
        raw = checked(np.unpackbits(arrays["X_bits"], axis=1)[:, : meta["n_bits"]])
    else:
        numbers = arrays["X"].astype(np.float64)
        raw = checked(pd.DataFrame(numbers, columns=[f"X[{j}]" for j in range(numbers.shape[1])]))
    return fitted(raw, split == TRAIN)


def _trunk(options: Mapping[str, Any], inputs: NDArray[np.float32]) -> tuple[TrunkSpec, Trunk]:
    whole = options if "name" in options else {**TRUNK, **options}
    name = str(whole["name"])
    method = TRUNKS[name]
    try:
        made = TRUNKS.create(name, whole)
    except ValidationError as error:
        raise InputError(sentences(error, cast("type[BaseModel]", method), "trunk")) from error
    built: Trunk = made.build(torch.from_numpy(inputs[:2]))
    return TrunkSpec(name=name, stages=built.names, options=made.model_dump(mode="json", exclude={"name"})), built
