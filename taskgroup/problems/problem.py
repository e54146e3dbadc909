"""Problem: the tasks, their data and the trunk that is to be shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taskgroup.core.spec import TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.nn.trunk import Trunk

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, -1
SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}


@dataclass(frozen=True)
class Problem:
    """Tasks, data and trunk.

    Tasks that share their rows and tasks that bring their own look the same: a row is labelled for some tasks and
    missing for the others.

    Attributes:
        name: For titles.
        tasks: Task definitions; ``mean``, ``scale`` and ``prior`` are those of the training labels.
        inputs: Rows, shape ``(N, ...)``; float32, or int64 token ids. Already standardized and encoded.
        labels: Shape ``(N, T)``, float64; class index for binary (0, 1) and multiclass, standardized value for
            regression, NaN where missing.
        split: Shape ``(N,)``, int8: 0 train, 1 val, 2 test, -1 unused.
        trunk: Cut into stages.
        trunk_spec: How to get the trunk again.
        preprocessing: What was done to inputs and labels (column names, means, scales, categories), as plain data.
        random_split: Whether training and validation rows were told apart at random, so that they may be again.
    """

    name: str
    tasks: TaskSet
    inputs: NDArray[Any]
    labels: NDArray[np.float64]
    split: NDArray[np.int8]
    trunk: Trunk
    trunk_spec: TrunkSpec
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    random_split: bool = False

    @classmethod
    def from_arrays(
        cls,
        name: str,
        tasks: Sequence[Task],
        inputs: NDArray[Any],
        labels: Mapping[str, ArrayLike],
        split: ArrayLike,
        trunk: Trunk,
        *,
        trunk_spec: TrunkSpec | None = None,
        preprocessing: Mapping[str, Any] | None = None,
        random_split: bool = False,
    ) -> Self:
        """Problem from labels in their own units: regression labels are standardized on the training rows.

        Args:
            name: For titles.
            tasks: Their ``mean``, ``scale`` and ``prior`` are overwritten.
            inputs: Rows as the trunk takes them, shape ``(N, ...)``, float32 or int64.
            labels: Task → ``(N,)`` class indexes or numbers, NaN where missing.
            split: ``(N,)``: 0 train, 1 val, 2 test, -1 unused.
            trunk: Cut into stages.
            trunk_spec: Name and options to get the trunk again by; its other fields follow from trunk and inputs. A
                ``python`` problem's is filled in when it is loaded.
            preprocessing: What was done to the inputs, as plain data.
            random_split: Whether training and validation rows were told apart at random.
        """
        parts = np.asarray(split, dtype=np.int8)
        columns = [np.array(labels[t.name], dtype=np.float64) for t in tasks]
        scaled = [_standardized(t, c, parts) for t, c in zip(tasks, columns, strict=True)]
        spec = described(trunk_spec or TrunkSpec(name="python", stages=trunk.names), trunk, inputs)
        matrix = np.stack([c for _, c in scaled], axis=1)
        own = TaskSet(tasks=tuple(t for t, _ in scaled))
        return cls(name, own, inputs, matrix, parts, trunk, spec, dict(preprocessing or {}), random_split)


def described(spec: TrunkSpec, trunk: Trunk, inputs: NDArray[Any]) -> TrunkSpec:
    """``spec`` with the stages of ``trunk`` and the shape and type of ``inputs``."""
    dtype = "int64" if inputs.dtype.kind in "iu" else "float32"
    return spec.model_copy(update={"stages": trunk.names, "input_shape": tuple(inputs.shape[1:]), "input_dtype": dtype})


def _standardized(task: Task, labels: NDArray[np.float64], split: NDArray[np.int8]) -> tuple[Task, NDArray[np.float64]]:
    """The task with the mean and scale (regression) or shares of its training labels, and the labels in those units."""
    known = labels[(split == TRAIN) & np.isfinite(labels)]
    if not len(known):
        return task, labels
    if task.kind != "regression":
        classes = (1,) if task.kind == "binary" else range(task.n_outputs)
        return task.model_copy(update={"prior": tuple(float((known == c).mean()) for c in classes)}), labels
    mean, scale = float(known.mean()), float(known.std()) or 1.0
    return task.model_copy(update={"mean": mean, "scale": scale}), (labels - mean) / scale
