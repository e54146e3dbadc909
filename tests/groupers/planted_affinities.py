"""Affinities for the grouper tests, built without the code under test."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from taskgroup.core.affinity import Affinity, Array
from taskgroup.core.grouping import Grouping
from taskgroup.core.tree import MergeTree

NAMES = ("mass", "parity", "digit", "loops", "prime", "width", "age", "tilt", "half", "zero", "ink", "bend", "rim")
"""Not in alphabetical order, so that a mix-up of name order and task order shows."""

Parts = frozenset[frozenset[str]]


def affinity_of(*slices: ArrayLike, names: Sequence[str] = NAMES, stderr: float = 0.1) -> Affinity:
    """An affinity whose last slice is the trunk; stages before it are called s1, s2, …."""
    values = np.array(slices, dtype=np.float64)
    stages = (*(f"s{k}" for k in range(1, len(slices))), "trunk")
    errors, counts = np.full(values.shape, stderr), np.ones(values.shape, dtype=np.int64)
    return Affinity(tuple(names[: values.shape[1]]), stages, values, errors, counts)


def random_matrix(n_tasks: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))


def planted_matrix(sizes: Sequence[int], noise: float, seed: int) -> tuple[Array, tuple[int, ...]]:
    """Affinity 1 within a group, 0 across, noise and a constant for each target; the tasks are shuffled."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    n_tasks = len(labels)
    matrix = 1.0 * (labels[:, None] == labels) + rng.normal(0, noise, (n_tasks, n_tasks)) + rng.normal(0, 3, n_tasks)
    return matrix, tuple(int(label) for label in labels)


def parts(grouping: Grouping) -> Parts:
    """The partition without any order."""
    return frozenset(frozenset(group) for group in grouping.groups)


def clades(tree: MergeTree) -> list[tuple[frozenset[str], float]]:
    """Names below each merge, in order of merging, and its height, rounded."""
    n_tasks = len(tree.tasks)
    return [
        (frozenset(tree.tasks[i] for i in tree.leaves(n_tasks + k)), round(height, 6))
        for k, height in enumerate(tree.heights)
    ]
