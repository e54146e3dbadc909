"""Planted problems: the groups of tasks are known, and how much they have in common is a dial."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from taskgroup.core.grouping import Grouping
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.problems.planted_config import Planted
from taskgroup.problems.problem import TEST, TRAIN, VAL, Problem
from taskgroup.problems.teacher import Array

TRUNK_OF: dict[str, dict[str, Any]] = {
    "vector": {"name": "mlp", "width": 16, "depth": 2},
    "image": {"name": "conv", "width": 8, "depth": 2},
    "sequence": {"name": "transformer", "width": 16, "depth": 1},
}
"""Default trunks; narrow, so that groups with nothing in common get into each other's way."""


def planted(**options: Any) -> Problem:
    """A planted problem; in a config ``source: python`` with ``target: "taskgroup.problems.planted:planted"``.

    The true groups are in ``preprocessing["groups"]`` (task → group) and :func:`truth`.

    Args:
        **options: Fields of :class:`Planted`.

    Raises:
        InputError: With a sentence for each option that is wrong.
    """
    try:
        plan = Planted.model_validate(options)
    except ValidationError as error:
        raise InputError(sentences(error, Planted, "problem.options")) from error
    inputs = plan.rng("inputs").normal(size=(plan.n_rows, *plan.shape)).astype(np.float32)
    split = np.repeat(
        [TRAIN, VAL, TEST], np.diff(np.rint([0, 0.6 * plan.n_rows, 0.8 * plan.n_rows, plan.n_rows]).astype(int))
    )
    teacher = plan.teacher()
    labels = {name: _labels(plan, name, teacher.features(inputs, group)) for name, group in plan.group_of.items()}
    kept = _labelled(plan, split)
    return Problem.from_arrays(
        "planted",
        [plan.task(name) for name in labels],
        inputs,
        {name: np.where(kept[name], column, np.nan) for name, column in labels.items()},
        split,
        _trunk(plan, inputs),
        preprocessing={"groups": _true_groups(plan), "planted": plan.model_dump(mode="json")},
        random_split=True,
    )


def truth(problem: Problem) -> Grouping:
    """The groups that were planted, or that are otherwise known and noted in ``preprocessing["groups"]``."""
    groups = problem.preprocessing["groups"]
    return Grouping(tasks=problem.tasks.names, labels=tuple(groups[name] for name in problem.tasks.names))


def _true_groups(plan: Planted) -> dict[str, int]:
    """With everything in common there is one group."""
    alike = plan.cosine == 1 and plan.relation != "conflicting"
    return {name: 0 if alike else group for name, group in plan.group_of.items()}


def _labels(plan: Planted, name: str, features: Array) -> Array:
    """Labels of all rows, shape ``(N,)``."""
    rng = plan.rng("task", name)
    signal = features @ rng.normal(size=plan.dim)
    noisy = (signal - signal.mean()) / signal.std() + plan.noise * rng.normal(size=len(signal))
    return np.asarray(noisy if plan.task(name).kind == "regression" else noisy > np.median(noisy), dtype=np.float64)


def _labelled(plan: Planted, split: NDArray[np.int_]) -> dict[str, NDArray[np.bool_]]:
    """Which rows have a label of each task, shape ``(N,)`` each."""
    names = sorted(plan.group_of, key=lambda name: [int(part[1:]) for part in name.split("_")])
    shares = dict(zip(names, plan.rows_per_task or (1.0,) * len(names), strict=True))
    kept = _owned(plan, split, shares) if plan.own_rows else _thinned(plan, split, shares)
    return {
        name: rows & (plan.rng("unlabelled", name).random(len(split)) >= plan.unlabelled) for name, rows in kept.items()
    }


def _owned(plan: Planted, split: NDArray[np.int_], shares: dict[str, float]) -> dict[str, NDArray[np.bool_]]:
    """Each split's rows dealt out to the tasks by their shares."""
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    owner = np.empty(len(split), dtype=np.int64)
    for part in (TRAIN, VAL, TEST):
        rows = plan.rng("owner", part).permutation(np.flatnonzero(split == part))
        owner[rows] = np.searchsorted(ends, (np.arange(len(rows)) + 0.5) / len(rows))
    return {name: owner == k for k, name in enumerate(shares)}


def _thinned(plan: Planted, split: NDArray[np.int_], shares: dict[str, float]) -> dict[str, NDArray[np.bool_]]:
    """All rows of validation and test, and each task's share of the training rows."""
    kept = {}
    for name, share in shares.items():
        train = plan.rng("rows", name).permutation(np.flatnonzero(split == TRAIN))
        kept[name] = split != TRAIN
        kept[name][train[: max(1, round(share * len(train)))]] = True
    return kept


def _trunk(plan: Planted, inputs: NDArray[np.float32]) -> Trunk:
    default = TRUNK_OF[plan.inputs]
    name = str(plan.trunk.get("name", default["name"]))
    options = {**(default if name == default["name"] else {"name": name}), **plan.trunk}
    method = TRUNKS[name]
    try:
        built: Trunk = TRUNKS.create(name, options).build(torch.from_numpy(inputs[:2]))
    except ValidationError as error:
        raise InputError(sentences(error, cast("type[BaseModel]", method), "problem.options.trunk")) from error
    return built
