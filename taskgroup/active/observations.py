"""What was measured: errors of tasks in trained groups, under one or more seeds."""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.cover import Array, Group, GroupScores
from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError


class Observations:
    """Errors by group and seed; the same group and seed told again replaces what was there.

    Args:
        tasks: Task names, shape ``(T,)``.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)
        self._runs: dict[Group, dict[int, tuple[float, ...]]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, group: Group) -> bool:
        return group in self._runs

    def group(self, names: Sequence[str]) -> Group:
        """The group in task order.

        Raises:
            InputError: If it is empty, or names a task that there is not, or one twice.
        """
        strangers = [f"`{name}`{did_you_mean(name, self.tasks)}" for name in names if name not in self.tasks]
        if strangers or not names or len(set(names)) < len(names):
            found = ", ".join(strangers) or (list(names) if names else "none")
            raise InputError(f"`group` should be one or more different tasks of {list(self.tasks)}, found {found}")
        return tuple(task for task in self.tasks if task in names)

    def add(self, group: Sequence[str], errors: Mapping[str, float], seed: int) -> None:
        """Keep the errors of every task of ``group`` in a network trained on it under ``seed``.

        Raises:
            InputError: If the errors are not one finite number for each task of the group.
        """
        names = self.group(group)
        if sorted(errors) != sorted(names):
            raise InputError(f"`errors` should have one number for each of {list(names)}, found {sorted(errors)}")
        numbers = [errors[name] for name in names]
        if not all(isinstance(number, Real) for number in numbers):
            raise InputError(f"`errors` should be numbers, found {dict(errors)}")
        values = tuple(float(number) for number in numbers)
        wrong = [f"{name}: {value}" for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
        if wrong:
            raise InputError(f"`errors` should be finite, found {', '.join(wrong)}")
        self._runs.setdefault(names, {})[seed] = values

    def seeds(self, group: Group) -> tuple[int, ...]:
        """Seeds under which the group was trained."""
        return tuple(self._runs.get(group, ()))

    @property
    def groups(self) -> tuple[Group, ...]:
        """Trained groups, in the order in which they were told."""
        return tuple(self._runs)

    @property
    def n_runs(self) -> NDArray[np.int64]:
        """Seeds of each group, shape ``(G,)``."""
        return np.array([len(runs) for runs in self._runs.values()], dtype=np.int64)

    def scores(self) -> GroupScores:
        """Means over the seeds, less what the seeds themselves make, see :func:`without_seeds`."""
        rows = [dict.fromkeys(group, 0.0) for group in self._runs]
        empty = GroupScores.of(self.tasks, rows)
        errors = np.where(empty.members, self._fit()[0], np.nan)
        return GroupScores(self.tasks, empty.members, errors, empty.cost)

    def noise(self) -> Array | None:
        """Variance of an error from seed to seed, of each task, shape ``(T,)``; None where no group has two seeds."""
        return self._fit()[1]

    def _fit(self) -> tuple[Array, Array | None]:
        means = np.full((len(self._runs), len(self.tasks)), np.nan)
        squares, freedom = np.zeros(len(self.tasks)), np.zeros(len(self.tasks))
        for t, task in enumerate(self.tasks):
            cells = [
                (row, seed, values[group.index(task)])
                for row, (group, runs) in enumerate(self._runs.items())
                if task in group
                for seed, values in runs.items()
            ]
            if cells:
                rows, seeds, errors = (np.array(part) for part in zip(*cells, strict=True))
                found, squares[t], freedom[t] = without_seeds(rows, seeds, errors)
                means[np.unique(rows), t] = found
        if not freedom.any():
            return means, None
        pooled = squares.sum() / freedom.sum()
        # A task that was hardly repeated borrows from the others: four cells' worth.
        return means, (squares + 4 * pooled) / (freedom + 4)


def without_seeds(rows: NDArray[np.int64], seeds: NDArray[np.int64], errors: Array) -> tuple[Array, float, float]:
    """Means of the rows with the seeds' own shares taken out: least squares of ``error = mean_row + share_seed``.

    A seed that is hard for one group is hard for all, so that a group seen under a hard seed alone is not a bad group.
    The shares sum to nothing over the cells; a seed that shares no row with the others has none.

    Returns:
        Means by rising row, the sum of squares left, and its degrees of freedom.
    """
    levels, row = np.unique(rows, return_inverse=True)
    kinds, seed = np.unique(seeds, return_inverse=True)
    design = np.zeros((len(errors), len(levels) + len(kinds)))
    cells = np.arange(len(errors))
    design[cells, row] = 1.0
    design[cells, len(levels) + seed] = 1.0 if len(kinds) > 1 else 0.0
    weights, _, rank, _ = np.linalg.lstsq(design, errors, rcond=None)
    shares = weights[len(levels) :]
    means = weights[: len(levels)] + shares[seed].mean()
    residuals = errors - design @ weights
    return means, float(residuals @ residuals), float(len(errors) - rank)
