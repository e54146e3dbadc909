"""Division: training and validation rows divided anew, so that several seeds validate on more rows than one."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import Task
from taskgroup.training.data import Rows

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def divided_anew(train: Rows, val: Rows, tasks: Sequence[Task], seed: int, number: int) -> tuple[Rows, Rows]:
    """Both together, divided at random again into parts as large as they were.

    Divisions of one seed validate on different rows, as in cross-validation, until every row has had its turn. Rows
    that belong to one task are divided for themselves. Rows with the same inputs stay together. Of every class of every
    task one row at least goes to training and one to validation, where it has two; of a regression, one below and one
    above its mean. Where that leaves a task that validation cannot score, they stay as they are.

    Args:
        train: Training rows.
        val: Validation rows.
        tasks: In the order of the labels' columns.
        seed: Of all divisions.
        number: Which of them, from 0.

    Returns:
        Training rows and validation rows.
    """
    pool = _joined(train, val)
    labels, strata = pool.labels.double().numpy(), _strata(pool)
    units = _units(pool, strata)
    has = _classes_of_units(labels, tasks, units)
    held, was_val = np.zeros(len(pool), dtype=bool), np.arange(len(pool)) >= len(train)
    rng = np.random.default_rng(derive_seed("division", seed))
    for stratum in np.unique(strata):
        mine = strata == stratum
        held |= mine & np.isin(units, _turn(units[mine], has, int(was_val[mine].sum()), rng, number))
    if any(sum(1 for _ in _classes(labels[held, k], task)) < 2 for k, task in enumerate(tasks)):
        return train, val
    return pool.pick(torch.as_tensor(np.flatnonzero(~held))), pool.pick(torch.as_tensor(np.flatnonzero(held)))


def _joined(train: Rows, val: Rows) -> Rows:
    """All rows; whether a task is labelled throughout, or a row has one owner, is asked of all of them."""
    return Rows.of(
        torch.cat([train.inputs, val.inputs]).numpy(), torch.cat([train.labels, val.labels]).double().numpy()
    )


def _strata(pool: Rows) -> Numbers:
    """The task of each row, where tasks have rows of their own."""
    owner = np.zeros(len(pool), dtype=np.int64) if pool.owner is None else pool.owner.numpy()
    return np.asarray(owner, dtype=np.int64)


def _units(pool: Rows, strata: Numbers) -> Numbers:
    """Number of each row's unit: rows of a stratum with the same inputs."""
    known: dict[tuple[int, bytes], int] = {}
    inputs = np.ascontiguousarray(pool.inputs.numpy())
    keys = ((int(s), blake2b(row.tobytes(), digest_size=16).digest()) for s, row in zip(strata, inputs, strict=True))
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def _classes_of_units(labels: NDArray[np.float64], tasks: Sequence[Task], units: Numbers) -> Bools:
    """Which unit has a row of which class of which task, shape ``(n_units, n_classes_in_all)``, rare classes first."""
    rows = np.stack([one for k, task in enumerate(tasks) for one in _classes(labels[:, k], task)], axis=1)
    found = np.zeros((units.max() + 1, rows.shape[1]), dtype=bool)
    np.logical_or.at(found, units, rows)
    return found[:, np.argsort(found.sum(axis=0), kind="stable")]


def _classes(labels: NDArray[np.float64], task: Task) -> Iterator[Bools]:
    """Rows of each class of a task that any row is of; a regression's are below and above its mean."""
    known = labels[~np.isnan(labels)]
    if not len(known):
        return
    if task.kind == "regression":
        yield from (half for half in (labels <= known.mean(), labels > known.mean()) if half.any())
    else:
        for value in np.unique(known):
            yield labels == value


def _turn(units: Numbers, has: Bools, n_rows: int, rng: np.random.Generator, number: int) -> Numbers:
    """Units whose turn it is to validate in division ``number``: about ``n_rows`` rows of the stratum.

    Args:
        units: Unit of each row of the stratum.
        has: Classes of all units, rare ones first.
        n_rows: Wanted.
        rng: Draws.
        number: Of the division.
    """
    numbers, sizes = np.unique(units, return_counts=True)
    n_turns = np.zeros(len(numbers), dtype=np.int64)
    for _ in range(number + 1):
        order = rng.permutation(len(numbers))
        order = order[np.argsort(n_turns[order], kind="stable")]
        chosen = order[_drawn(has[numbers[order]], sizes[order], n_rows)]
        n_turns[chosen] += 1
    return np.asarray(numbers[chosen])


def _drawn(classes: Bools, sizes: Numbers, n_rows: int) -> Numbers:
    """Places of units with about ``n_rows`` rows, the first as far as can be; the rest has a row of every class too."""
    free, chosen = np.ones(len(sizes), dtype=bool), np.zeros(len(sizes), dtype=bool)
    for column in classes.T:
        for part, place in ((~free & ~chosen, -1), (chosen, 0)):  # training first: it cannot do without a class
            there = np.flatnonzero(column & free)
            if len(there) and not (column & part).any():
                free[there[place]] = False
                chosen[there[place]] = place == 0
    n_chosen = int(sizes[chosen].sum())
    for k in np.flatnonzero(free):
        if n_chosen + sizes[k] / 2 <= n_rows:
            chosen[k] = True
            n_chosen += int(sizes[k])
    return np.flatnonzero(chosen)
